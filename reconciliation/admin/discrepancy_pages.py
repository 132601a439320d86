"""Discrepancies, for staff: found by the machine, decided by two people."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Case, QuerySet, When
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateFilter,
    RangeNumericFilter,
    RelatedDropdownFilter,
)
from unfold.enums import ActionVariant

from paycore.money import Money
from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import facts, moment, object_link, page_link
from payments.admin.exports import ExportedPage
from payments.admin.pages import ConfirmForm, Panel, asks_first
from payments.admin.panels import events_panel, evidence_panel, transfers_panel
from reconciliation.admin.bulk_proposals import BulkProposals
from reconciliation.admin.columns import (
    DISCREPANCY_COLOURS,
    PROPOSAL_COLOURS,
    amount_or_dash,
    label,
    size,
    what_differs,
)
from reconciliation.admin.decision_forms import DecisionForm, NoteForm, ProposalForm, RefusalForm
from reconciliation.discrepancies import proposals
from reconciliation.discrepancies.models import Discrepancy
from reconciliation.discrepancies.settling import lines_of


class AssignedFilter(DropdownFilter):  # type: ignore[misc]  # Unfold ships no types
    title = _("assigned to")
    parameter_name = "assigned"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("me", _("Me")), ("nobody", _("Nobody"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        if self.value() == "me":
            return queryset.filter(assigned_to=request.user)
        return queryset.filter(assigned_to=None) if self.value() == "nobody" else queryset


@admin.register(Discrepancy, site=ops_site)
class DiscrepancyAdmin(BulkProposals, ExportedPage, ReadOnlyAdmin):
    list_display = ("id", "what", "state", "size_shown", "reference", "account", "day", "assignee")
    list_select_related = ("gateway_account", "assigned_to")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("aspect", ChoicesDropdownFilter),
        ("gateway_account", RelatedDropdownFilter),
        ("day", RangeDateFilter),
        ("size_minor", RangeNumericFilter),
        AssignedFilter,
    )
    searches: ClassVar = {
        "dis_": ("id",),
        "stm_": ("statement_id",),
        "pay_": ("subject_id", "reference"),
        "": ("reference", "subject_id"),
    }
    search_help_text = _("Id of a discrepancy or statement, or a reference")
    ordering = (Case(When(status="resolved", then=1), default=0), "-id")
    fieldsets = (
        (None, {"fields": (("id", "state"), ("what", "resolution_shown"), ("reference", "about"))}),
        (
            _("Both sides"),
            {"fields": (("their_amount", "our_amount"), ("their_fee", "our_fee"), ("size_shown", "is_in_suspense"))},
        ),
        (_("Where"), {"fields": (("account", "day"), ("statement_link", "line_number"), "line")}),
        (_("Who"), {"fields": (("assignee", "created_at"), "resolved_at")}),
    )
    actions_detail = ("propose", "approve", "reject", "withdraw", "take", "comment")
    export_headers = (
        _("Discrepancy"), _("Kind"), _("What"), _("Status"), _("Resolution"), _("Account"), _("Day"), _("Reference"),
        _("Currency in the statement"), _("Amount in the statement"), _("Fee in the statement"),
        _("Currency in our books"), _("Amount in our books"), _("Fee in our books"), _("Found (UTC)"),
    )  # fmt: skip

    def export_row(self, row: Discrepancy) -> Sequence[object]:
        return (
            row.id, row.get_kind_display(), row.get_aspect_display(), row.get_status_display(),
            row.get_resolution_display(), row.gateway_account.name, row.day.isoformat(), row.reference,
            row.their_currency, _major(row.their_amount_minor, row.their_currency),
            _major(row.their_fee_minor, row.their_currency), row.our_currency,
            _major(row.our_amount_minor, row.our_currency), _major(row.our_fee_minor, row.our_currency),
            row.created_at,
        )  # fmt: skip

    @admin.display(description=_("What"), ordering="kind")
    def what(self, row: Discrepancy) -> str:
        return what_differs(row)

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: Discrepancy) -> SafeString:
        return label(row.status, str(row.get_status_display()), DISCREPANCY_COLOURS)

    @admin.display(description=pgettext_lazy("discrepancy", "Size"), ordering="size_minor")
    def size_shown(self, row: Discrepancy) -> str:
        return size(row)

    @admin.display(description=_("Gateway account"), ordering="gateway_account__name")
    def account(self, row: Discrepancy) -> str:
        return row.gateway_account.name

    @admin.display(description=_("Assigned to"))
    def assignee(self, row: Discrepancy) -> str:
        return str(row.assigned_to) if row.assigned_to else "–"

    @admin.display(description=_("How it was resolved"))
    def resolution_shown(self, row: Discrepancy) -> str:
        return str(row.get_resolution_display()) if row.resolution else "–"

    @admin.display(description=_("About"))
    def about(self, row: Discrepancy) -> SafeString | str:
        return object_link("ops", row.subject_id) if row.subject_id else gettext("nothing that we know")

    @admin.display(description=_("Amount in the statement"))
    def their_amount(self, row: Discrepancy) -> str:
        return amount_or_dash(row.their_amount_minor, row.their_currency)

    @admin.display(description=_("Amount in our books"))
    def our_amount(self, row: Discrepancy) -> str:
        return amount_or_dash(row.our_amount_minor, row.our_currency)

    @admin.display(description=_("Fee in the statement"))
    def their_fee(self, row: Discrepancy) -> str:
        return amount_or_dash(row.their_fee_minor, row.their_currency)

    @admin.display(description=_("Fee in our books"))
    def our_fee(self, row: Discrepancy) -> str:
        return amount_or_dash(row.our_fee_minor, row.our_currency)

    @admin.display(description=_("Statement"))
    def statement_link(self, row: Discrepancy) -> SafeString:
        return page_link("ops", "reconciliation_statement", row.statement_id, text=row.day)

    @admin.display(description=_("The line as it came"))
    def line(self, row: Discrepancy) -> SafeString | str:
        number = row.line_number
        return facts(lines_of(row.statement, numbers={number}).get(number, {})) if number else "–"

    def panels(self, request: HttpRequest, row: Discrepancy) -> Sequence[Panel]:
        shown = [_proposals_panel(row), _notes_panel(row)]
        if row.subject_id:
            shown.append(evidence_panel(row.subject_id))
        if request.user.has_perm("payments.view_transfer"):
            shown.append(transfers_panel([("discrepancy", row.id)]))
        return [*shown, events_panel([row.id], site="ops")]

    def fitting_actions(self, row: Discrepancy) -> Collection[str]:
        always = {"comment", "take"}
        if row.status == Discrepancy.Status.PROPOSED:
            return {*always, "approve", "reject", "withdraw"}
        return {*always, "propose"} if proposals.fitting_remedies(row) else always

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("reconciliation.approve_discrepancy"))

    @asks_first(
        title=_("Propose"),
        text=_("Another person decides. Until then nothing is booked."),
        submit=_("Propose"),
        permission="operate",
        icon="edit_note",
        variant=ActionVariant.PRIMARY,
        form=ProposalForm,
    )
    def propose(self, request: HttpRequest, form: ProposalForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        remedy, reason = form.cleaned_data["remedy"], form.cleaned_data["reason"]
        return self.carry_out(
            request,
            row,
            lambda: proposals.propose(row.id, remedy=remedy, reason=reason, proposed_by=str(request.user.pk)),
            done=lambda answer: gettext("Proposed. Another person decides."),
        )

    @asks_first(
        title=_("Approve"),
        text=_("What was proposed is booked at once. This cannot be taken back."),
        submit=_("Approve"),
        permission="decide",
        icon="check",
        variant=ActionVariant.PRIMARY,
        form=DecisionForm,
    )
    def approve(self, request: HttpRequest, form: DecisionForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        sent = form.cleaned_data
        return self.carry_out(
            request,
            row,
            lambda: proposals.approve(
                _waiting_id(row), fingerprint=sent["fingerprint"], approved_by=str(request.user.pk), note=sent["note"]
            ),
            done=lambda answer: gettext("Approved and booked."),
        )

    @asks_first(
        title=_("Reject"),
        text=_("Nothing is booked, and the discrepancy is open again."),
        submit=_("Reject"),
        permission="decide",
        icon="close",
        variant=ActionVariant.DANGER,
        form=RefusalForm,
    )
    def reject(self, request: HttpRequest, form: RefusalForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        note = form.cleaned_data["note"]
        return self.carry_out(
            request,
            row,
            lambda: proposals.reject(_waiting_id(row), rejected_by=str(request.user.pk), note=note),
            done=lambda answer: gettext("Rejected. The discrepancy is open again."),
        )

    @asks_first(
        title=_("Withdraw"),
        text=_("You take back what you proposed."),
        submit=_("Withdraw"),
        permission="operate",
        icon="undo",
    )
    def withdraw(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: proposals.withdraw(_waiting_id(row), withdrawn_by=str(request.user.pk)),
            done=lambda answer: gettext("Withdrawn. The discrepancy is open again."),
        )

    @asks_first(
        title=_("Take it on"),
        text=_("You look after this discrepancy from now on."),
        submit=_("Take it on"),
        permission="operate",
        icon="person_add",
    )
    def take(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: proposals.assign(row.id, user_id=str(request.user.pk)),
            done=lambda answer: gettext("It is yours now."),
        )

    @asks_first(
        title=_("Comment"),
        text=_("Stays with the discrepancy for ever."),
        submit=_("Write"),
        permission="operate",
        icon="comment",
        form=NoteForm,
    )
    def comment(self, request: HttpRequest, form: NoteForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        text = form.cleaned_data["text"]
        return self.carry_out(
            request,
            row,
            lambda: proposals.write_note(row.id, text=text, written_by=str(request.user.pk)),
            done=lambda answer: gettext("Written."),
        )


def _waiting_id(row: Discrepancy) -> str:
    """Empty when none waits: the service then says that there is no such proposal."""
    proposal = proposals.waiting_proposal(row)
    return proposal.id if proposal is not None else ""


def _major(minor: int | None, currency: str) -> object:
    return "" if minor is None or not currency else Money(minor, currency).major


def _proposals_panel(row: Discrepancy) -> Panel:
    rows = [
        (
            moment(proposal.created_at),
            proposal.get_remedy_display(),
            label(proposal.status, str(proposal.get_status_display()), PROPOSAL_COLOURS),
            proposal.reason,
            object_link("ops", proposal.proposed_by),
            object_link("ops", proposal.decided_by) if proposal.decided_by else "–",
            proposal.note or "–",
        )
        for proposal in row.proposals.order_by("id")
    ]
    headers = (_("When"), _("Remedy"), _("Status"), _("Reason"), _("Proposed by"), _("Decided by"), _("Note"))
    return Panel(title=_("Proposals"), headers=headers, rows=rows, empty=_("Nobody has proposed anything."))


def _notes_panel(row: Discrepancy) -> Panel:
    rows = [
        (moment(note.written_at), object_link("ops", note.written_by), note.text) for note in row.notes.order_by("id")
    ]
    return Panel(title=_("Comments"), headers=(_("When"), _("Who"), _("Comment")), rows=rows)
