"""Reading the sandbox's JSON by type: what is of another type than agreed is not understood."""

import json
from datetime import UTC, datetime
from typing import Any


class NotUnderstood(ValueError):
    """A field is missing or of another type than agreed."""


def read_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def error_of(answer: Any) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, str) else ""


def text(words: Any, name: str) -> str:
    value = words.get(name) if isinstance(words, dict) else None
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotUnderstood(name)
    return value


def number(words: Any, name: str) -> int | None:
    value = words.get(name) if isinstance(words, dict) else None
    if value is not None and type(value) is not int:
        raise NotUnderstood(name)
    return value


def moment(unix_milliseconds: int | None) -> datetime | None:
    if unix_milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(unix_milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
