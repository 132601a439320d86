"""How amounts, states, links and small facts look on a console page."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from unfold.utils import display_for_label

from paycore.money import Money

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

COLOURS = {
    "open": "info",
    "paid": "success",
    "closed": "default",
    "created": "info",
    "submitting": "warning",
    "requires_action": "info",
    "processing": "info",
    "authorized": "primary",
    "succeeded": "success",
    "failed": "danger",
    "canceled": "default",
    "expired": "default",
    "requested": "warning",
    "approved": "info",
    "rejected": "danger",
}

_ACCOUNTS: "dict[str, StrOrPromise]" = {
    "gateway": _("Provider owes us"),
    "bank": _("Bank"),
    "suspense": _("Owner not known yet"),
    "revenue:fees": _("Our fees"),
    "revenue:membership": _("Membership income"),
    "membership:deferred": _("Membership not earned yet"),
    "expense:gateway_fees": _("Provider's fees"),
    "expense:promotions": _("Promotions"),
    "expense:disputes": _("Disputes"),
    "wallet": _("Wallet"),
}
_MERCHANT_ACCOUNTS: "dict[str, StrOrPromise]" = {
    "pending": _("Owed to the merchant, pending"),
    "available": _("Owed to the merchant, available"),
    "reserve": _("Owed to the merchant, in reserve"),
}
_PAGES = {
    "ord": "payments_order",
    "pay": "payments_payment",
    "ref": "payments_refund",
    "gwa": "payments_gatewayaccount",
    "cs": "payments_checkoutsession",
    "mer": "merchants_merchant",
    "usr": "accounts_user",
}


def money(minor: int, currency: str) -> str:
    """``1999, "USD"`` → ``$19.99`` in the visitor's language."""
    return Money(minor, currency).format(get_language() or "en")


def moment(value: datetime | None) -> SafeString | str:
    """To the second, for the order of things matters here; never broken over two lines."""
    if value is None:
        return "–"
    return format_html('<span class="paycore-nowrap">{}</span>', localtime(value).strftime("%Y-%m-%d %H:%M:%S"))


def money_or_none(minor: int, currency: str) -> str:
    return money(minor, currency) if minor else "–"


def state_label(status: str, text: "StrOrPromise") -> SafeString:
    label: SafeString = display_for_label((status, str(text)), "–", {status: COLOURS.get(status, "default")})
    return label


def tag(text: "StrOrPromise", colour: str) -> SafeString:
    label: SafeString = display_for_label(("tag", str(text)), "–", {"tag": colour})
    return label


def page_link(site: str, page: str, object_id: Any, *, text: object = "") -> SafeString:
    """To the page of one row; ``page`` is ``app_model``."""
    address = reverse(f"{site}:{page}_change", args=[quote(object_id)])
    return format_html('<a class="paycore-link" href="{}">{}</a>', address, text or object_id)


def object_link(site: str, object_id: str) -> SafeString | str:
    """To the page of whatever has this public id; just the id when it is of no kind that has a page."""
    page = _PAGES.get(object_id.partition("_")[0])
    return page_link(site, page, object_id) if page else object_id


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


def account_name(code: str) -> "StrOrPromise":
    """What a ledger account is, in people's words; its code when there are none."""
    head, _colon, rest = code.partition(":")
    if head == "merchant":
        return _MERCHANT_ACCOUNTS.get(rest.rpartition(":")[2], code)
    return _ACCOUNTS.get(code) or _ACCOUNTS.get(head, code)


def account_cell(code: str) -> SafeString:
    # A long code breaks after a colon, not inside an id.
    shown = format_html_join(mark_safe(":<wbr>"), "{}", ((part,) for part in code.split(":")))
    return format_html('{}<small class="paycore-code">{}</small>', account_name(code), shown)
