"""Reading Stripe's JSON without believing its types."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Words = Mapping[str, Any]


class NotUnderstood(ValueError):
    """A field is missing or of another type than documented."""


def as_words(value: Any, *, what: str) -> Words:
    if not isinstance(value, dict):
        raise NotUnderstood(what)
    return value


def text(words: Words, name: str) -> str:
    """Empty when it is null or missing."""
    value = words.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotUnderstood(name)
    return value


def number(words: Words, name: str) -> int | None:
    value = words.get(name)
    if value is not None and type(value) is not int:
        raise NotUnderstood(name)
    return value


def whole(words: Words, name: str) -> int:
    value = number(words, name)
    if value is None:
        raise NotUnderstood(name)
    return value


def inner(words: Words, name: str) -> Words:
    """The object under ``name``; empty when it is null, missing or only named by its id."""
    value = words.get(name)
    return value if isinstance(value, dict) else {}


def identifier(words: Words, name: str) -> str:
    """The id under ``name``, whether it was expanded or not."""
    value = words.get(name)
    return text(value, "id") if isinstance(value, dict) else text(words, name)


def entries(words: Words, name: str) -> list[Words]:
    """The objects of the list ``name``, also of Stripe's ``{"object": "list", "data": […]}``."""
    value = words.get(name)
    if isinstance(value, dict):
        value = value.get("data")
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise NotUnderstood(name)
    return value


def moment(words: Words, name: str) -> datetime | None:
    """Stripe's times are whole Unix seconds."""
    seconds = number(words, name)
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise NotUnderstood(name) from None
