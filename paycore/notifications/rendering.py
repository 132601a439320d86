"""A message's words: one folder of templates a message, translated by gettext."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.template.loader import get_template, render_to_string
from django.utils import translation
from django.utils.dateparse import parse_datetime

from paycore.money import Money


@dataclass(frozen=True)
class Message:
    subject: str
    text: str
    html: str


def require_template(name: str) -> None:
    """Raises ``TemplateDoesNotExist`` where a message without words would be written down."""
    get_template(f"notifications/{name}/body.txt")


def render(template: str, *, context: Mapping[str, str | int], language: str) -> Message:
    """In ``language``; with ``currency``, ``amount_minor`` and whatever else ends so give ``amount`` …; ISO texts under
    ``…_at`` give datetimes."""
    known = dict(settings.LANGUAGES)
    with translation.override(language if language in known else settings.LANGUAGE_CODE):
        values = {**_readable(context), "base_url": settings.PAYCORE_BASE_URL}
        folder = f"notifications/{template}"
        return Message(
            subject=" ".join(render_to_string(f"{folder}/subject.txt", values).split()),
            text=render_to_string(f"{folder}/body.txt", values).strip() + "\n",
            html=render_to_string(f"{folder}/body.html", values),
        )


def _readable(context: Mapping[str, str | int]) -> dict[str, Any]:
    values: dict[str, Any] = dict(context)
    values.update({key: _as_datetime(value) for key, value in context.items() if key.endswith("_at")})
    language = translation.get_language() or settings.LANGUAGE_CODE
    for key in [key for key in context if key.endswith("_minor") and "currency" in context]:
        amount = Money(int(context[key]), str(context["currency"]))
        values[key.removesuffix("_minor")] = amount.format(language)
    return values


def _as_datetime(value: str | int) -> datetime | str | int:
    return (parse_datetime(value) if isinstance(value, str) else None) or value
