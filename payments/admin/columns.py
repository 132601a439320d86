"""How amounts, states, links and small facts look on a console page."""

from typing import TYPE_CHECKING

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from unfold.utils import display_for_label

from paycore.sites.columns import facts, money, page_link, tag
from paycore.sites.pages import moment

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

__all__ = [
    "COLOURS",
    "account_cell",
    "account_name",
    "facts",
    "gateway_title",
    "moment",
    "money",
    "money_or_none",
    "object_link",
    "page_link",
    "state_label",
    "tag",
]

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
    "frozen": "danger",
    "waiting": "info",
    "credited": "success",
    "half_approved": "warning",
    "sent": "info",
    "pending": "info",
    "warning": "warning",
    "needs_response": "danger",
    "under_review": "info",
    "won": "success",
    "lost": "danger",
    "submitted": "success",
    "accepting": "warning",
    "accepted": "default",
    "refused": "danger",
    "active": "success",
    "removed": "default",
    "ended": "default",
    "draft": "info",
    "paused": "warning",
    "making": "info",
    "done": "success",
    "stopped": "default",
    "taken": "info",
    "used": "success",
    "released": "default",
}

_ACCOUNTS: "dict[str, StrOrPromise]" = {
    "gateway": _("Provider owes us"),
    "bank": _("Bank"),
    "suspense": _("Owner not known yet"),
    "revenue:fees": _("Our fees"),
    "revenue:membership": _("Membership income"),
    "membership:deferred": _("Membership not earned yet"),
    "membership:credit": _("Members' credit"),
    "membership": _("Tax on memberships"),
    "expense:gateway_fees": _("Provider's fees"),
    "expense:promotions": _("Promotions"),
    "expense:disputes": _("Disputes"),
    "expense:discrepancies": _("Differences from statements"),
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
    "dsp": "payments_dispute",
    "gwa": "payments_gatewayaccount",
    "rrs": "payments_routingruleset",
    "cs": "payments_checkoutsession",
    "pm": "payments_paymentmethod",
    "man": "payments_mandate",
    "mer": "merchants_merchant",
    "usr": "accounts_user",
    "wal": "payments_wallet",
    "wop": "payments_walletoperation",
    "wtu": "payments_wallettopup",
    "wdr": "payments_walletwithdrawal",
    "prm": "payments_promotion",
    "prc": "payments_promotioncode",
    "pcb": "payments_codebatch",
    "red": "payments_redemption",
}


def money_or_none(minor: int, currency: str) -> str:
    return money(minor, currency) if minor else "–"


def state_label(status: str, text: "StrOrPromise") -> SafeString:
    label: SafeString = display_for_label((status, str(text)), "–", {status: COLOURS.get(status, "default")})
    return label


def object_link(site: str, object_id: str) -> SafeString | str:
    """To the page of whatever has this public id; just the id when it is of no kind that has a page."""
    page = _PAGES.get(object_id.partition("_")[0])
    return page_link(site, page, object_id) if page else object_id


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


_OWN_SPELLING = {"paypal": "PayPal", "wechat": "WeChat Pay"}


def gateway_title(name: str) -> str:
    """As the provider writes itself."""
    return _OWN_SPELLING.get(name) or name.replace("_", " ").capitalize()
