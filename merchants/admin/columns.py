"""How a merchant's facts look, on both consoles."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.utils import display_for_label

from merchants.models import Merchant, MerchantDocument, MerchantReview
from merchants.onboarding.completeness import item_title, missing_items
from merchants.onboarding.documents import documents_of
from paycore.sites.pages import FactsPage, Panel, moment

STATUS_COLOURS = {
    "draft": "info",
    "submitted": "warning",
    "returned": "warning",
    "approved": "success",
    "reinstated": "success",
    "suspended": "danger",
    "closed": "default",
}


class MerchantColumns(FactsPage):
    @admin.display(description=_("Status"), ordering="status")
    def state(self, merchant: Merchant) -> SafeString:
        return state_label(merchant.status, merchant.get_status_display())

    @admin.display(description=_("Reference"))
    def reference(self, merchant: Merchant) -> str:
        """The id under a name of its own: one called ``id`` would be taken for a form field."""
        return merchant.id


def state_label(status: str, text: Any) -> SafeString:
    label: SafeString = display_for_label((status, str(text)), "–", STATUS_COLOURS)
    return label


def missing_panel(merchant: Merchant) -> Panel:
    return Panel(
        title=_("Still missing"),
        headers=(_("What"),),
        rows=[(item_title(item),) for item in missing_items(merchant)],
        empty=_("Nothing. The application can be submitted."),
    )


def documents_panel(merchant: Merchant, *, site: str) -> Panel:
    rows = [
        (
            document.get_kind_display(),
            format_html('<a class="paycore-link" href="{}">{}</a>', _page(site, document), document.file_name),
            size_text(document.size_bytes),
            moment(document.created_at),
        )
        for document in documents_of(merchant)
    ]
    headers = (_("Kind"), _("File"), _("Size"), _("Uploaded"))
    return Panel(title=_("Documents"), headers=headers, rows=rows, numbers={2}, empty=_("No document yet."))


def reviews_panel(merchant: Merchant, *, is_staff: bool) -> Panel:
    """Staff read who of them decided; the merchant's people that it was the platform."""
    reviews = MerchantReview.objects.filter(merchant=merchant).select_related("by").order_by("-id")[:100]
    titles = {document.id: str(document) for document in merchant.documents.all()}
    rows = [
        (
            moment(review.taken_at),
            state_label(review.step, review.get_step_display()),
            _who(review, is_staff=is_staff),
            review.reason or "–",
            _notes(review.notes, titles=titles),
        )
        for review in reviews
    ]
    headers = (_("When"), _("Step"), _("By"), _("Reason"), _("To mend"))
    return Panel(title=_("History of the review"), headers=headers, rows=rows)


def size_text(size_bytes: int) -> str:
    return gettext("%(size)d KB") % {"size": -(-size_bytes // 1024)}


def _who(review: MerchantReview, *, is_staff: bool) -> str:
    if review.by is None:
        return gettext("The system")
    is_own = review.step == MerchantReview.Step.SUBMITTED
    return str(review.by) if is_staff or is_own else gettext("The platform")


def _notes(notes: Iterable[dict[str, str]], *, titles: dict[str, str]) -> SafeString | str:
    pairs = ((titles.get(note["item"]) or item_title(note["item"]), note["note"]) for note in notes)
    return format_html_join("", "<div><strong>{}</strong>: {}</div>", pairs) or "–"


def _page(site: str, document: MerchantDocument) -> str:
    return reverse(f"{site}:merchants_merchantdocument_change", args=[quote(document.pk)])
