"""Links to what decisions and cases are about. Names only: some of those pages belong to apps above this one."""

from django.urls import NoReverseMatch
from django.utils.safestring import SafeString

from paycore.sites.columns import page_link

PAGES = {
    "pay": "payments_payment",
    "ord": "payments_order",
    "ref": "payments_refund",
    "usr": "accounts_user",
    "mer": "merchants_merchant",
    "rsk": "riskcontrol_decision",
    "case": "riskcontrol_case",
    "rul": "riskcontrol_rule",
    "wal": "payments_wallet",
    "prf": "memberships_promisedrefund",
}
"""The ops pages, by the prefix of the id."""


def about_link(object_id: str | None) -> SafeString | str:
    """To the page of whatever has this id; just the id when it is of no kind that has a page."""
    if not object_id:
        return "–"
    page = PAGES.get(object_id.partition("_")[0])
    if page is None:
        return object_id
    try:
        return page_link("ops", page, object_id)
    except NoReverseMatch:
        return object_id
