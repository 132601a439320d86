"""Proposals, for staff: what waits for a second person, and who decided what."""

from typing import ClassVar

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import object_link, page_link
from payments.admin.pages import MoneyPage
from reconciliation.admin.columns import PROPOSAL_COLOURS, label, size, what_differs
from reconciliation.discrepancies.models import Proposal


@admin.register(Proposal, site=ops_site)
class ProposalAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "state", "about", "size_shown", "remedy", "proposer", "decider", "made")
    list_select_related = ("discrepancy",)
    list_filter = (("status", ChoicesDropdownFilter), ("remedy", ChoicesDropdownFilter))
    searches: ClassVar = {
        "ppl_": ("id",),
        "dis_": ("discrepancy_id",),
        "usr_": ("proposed_by", "decided_by"),
        "": ("discrepancy__reference",),
    }
    search_help_text = _("Id of a proposal, discrepancy or person, or a reference")
    ordering = ("-id",)
    fields = (
        ("id", "state"),
        ("about", "size_shown"),
        ("remedy", "reason"),
        ("proposer", "created_at"),
        ("decider", "decided_at"),
        "note",
        "fingerprint",
    )

    @admin.display(description=_("Status"), ordering="status")
    def state(self, proposal: Proposal) -> SafeString:
        return label(proposal.status, str(proposal.get_status_display()), PROPOSAL_COLOURS)

    @admin.display(description=_("Discrepancy"))
    def about(self, proposal: Proposal) -> SafeString:
        row = proposal.discrepancy
        return page_link("ops", "reconciliation_discrepancy", row.id, text=f"{what_differs(row)} · {row.reference}")

    @admin.display(description=pgettext_lazy("discrepancy", "Size"))
    def size_shown(self, proposal: Proposal) -> str:
        return size(proposal.discrepancy)

    @admin.display(description=_("Proposed by"))
    def proposer(self, proposal: Proposal) -> SafeString | str:
        return object_link("ops", proposal.proposed_by)

    @admin.display(description=_("Decided by"))
    def decider(self, proposal: Proposal) -> SafeString | str:
        return object_link("ops", proposal.decided_by) if proposal.decided_by else "–"
