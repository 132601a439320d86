"""How amounts, links, labels and small facts look on a console page."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from unfold.utils import display_for_label

from paycore.money import Money

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


def money(minor: int, currency: str) -> str:
    """``1999, "USD"`` → ``$19.99`` in the visitor's language."""
    return Money(minor, currency).format(get_language() or "en")


def tag(text: "StrOrPromise", colour: str) -> SafeString:
    label: SafeString = display_for_label(("tag", str(text)), "–", {"tag": colour})
    return label


def page_link(site: str, page: str, object_id: Any, *, text: object = "") -> SafeString:
    """To the page of one row; ``page`` is ``app_model``."""
    address = reverse(f"{site}:{page}_change", args=[quote(object_id)])
    return format_html('<a class="paycore-link" href="{}">{}</a>', address, text or object_id)


def facts(values: Mapping[str, Any]) -> SafeString | str:
    """Names and values, one under the other."""
    if not values:
        return "–"
    pairs = ((name.replace("_", " "), _plain(value)) for name, value in values.items())
    return format_html(
        '<dl class="paycore-facts">{}</dl>',
        format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", pairs),
    )


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_plain(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_plain(item) for item in value)
    return gettext("none") if value is None else str(value)
