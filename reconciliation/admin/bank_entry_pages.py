"""Bank lines, for staff: what came, what it was used for, and what people decide about the rest."""

from collections.abc import Collection, Sequence
from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    RangeDateFilter,
    RangeNumericFilter,
    RelatedDropdownFilter,
)
from unfold.enums import ActionVariant

from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import moment, money, object_link, page_link
from payments.admin.exports import ExportedPage
from payments.admin.pages import ConfirmForm, Panel, asks_first
from payments.admin.panels import events_panel, evidence_panel, transfers_panel
from reconciliation.admin.bank_forms import BankDecisionForm, BankProposalForm
from reconciliation.admin.bank_statement_pages import ENTRY_COLOURS, signed
from reconciliation.admin.columns import PROPOSAL_COLOURS, label
from reconciliation.admin.decision_forms import RefusalForm
from reconciliation.banking import deciding
from reconciliation.banking.models import BankAllocation, BankEntry


@admin.register(BankEntry, site=ops_site)
class BankEntryAdmin(ExportedPage, ReadOnlyAdmin):
    list_display = ("id", "booked_on", "amount_shown", "state", "open_question", "left", "account", "pays")
    list_select_related = ("gateway_account",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("question", ChoicesDropdownFilter),
        ("direction", ChoicesDropdownFilter),
        ("gateway_account", RelatedDropdownFilter),
        ("booked_on", RangeDateFilter),
        ("amount_minor", RangeNumericFilter),
    )
    searches: ClassVar = {
        "ben_": ("id",),
        "bst_": ("statement_id",),
        "pay_": ("payment_id",),
        "PYO": ("end_to_end_id",),
        "RF": ("payment__gateway_reference",),
        "": ("end_to_end_id", "bank_reference"),
    }
    search_help_text = _("Id of a bank line, statement or payment, a payer's reference, or the bank's")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "state"), ("amount_shown", "left"), ("open_question", "pays"))}),
        (_("What the bank says"), {"fields": (("who", "counterparty_iban"), "remittance", "found_references")}),
        (_("Where"), {"fields": (("account", "statement_link"), ("booked_on", "value_on"), "is_return")}),
        (_("Numbers"), {"fields": (("end_to_end_id", "bank_reference"), ("attempts", "next_attempt_at"))}),
    )
    actions_detail = ("propose", "approve", "reject", "withdraw")
    export_headers = (
        _("Bank line"), _("Booked"), _("Value date"), _("Account"), _("Direction"), _("Currency"), _("Amount"),
        _("Not used yet"), _("Status"), _("Open question"), _("Payment"), _("Bank's reference"),
    )  # fmt: skip

    def export_row(self, row: BankEntry) -> Sequence[object]:
        return (
            row.id, row.booked_on.isoformat(), row.value_on.isoformat(), row.gateway_account.name,
            row.get_direction_display(), row.currency, row.amount.major, row.unallocated.major,
            row.get_status_display(), row.get_question_display() if row.question else "", row.payment_id or "",
            row.bank_reference,
        )  # fmt: skip

    @admin.display(description=_("Amount"), ordering="amount_minor")
    def amount_shown(self, row: BankEntry) -> str:
        return signed(row)

    @admin.display(description=_("Not used yet"), ordering="unallocated_minor")
    def left(self, row: BankEntry) -> str:
        return money(row.unallocated_minor, row.currency) if row.unallocated_minor else "–"

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: BankEntry) -> SafeString:
        return label(row.status, str(row.get_status_display()), ENTRY_COLOURS)

    @admin.display(description=_("Open question"), ordering="question")
    def open_question(self, row: BankEntry) -> str:
        return str(row.get_question_display()) if row.question else "–"

    @admin.display(description=_("Bank account"), ordering="gateway_account__name")
    def account(self, row: BankEntry) -> str:
        return row.gateway_account.name

    @admin.display(description=_("Payment"))
    def pays(self, row: BankEntry) -> SafeString | str:
        return object_link("ops", row.payment_id) if row.payment_id else "–"

    @admin.display(description=_("Other side's name"))
    def who(self, row: BankEntry) -> str:
        return row.counterparty_name or "–"

    @admin.display(description=_("References found"))
    def found_references(self, row: BankEntry) -> str:
        return ", ".join(row.references) or "–"

    @admin.display(description=_("Bank statement"))
    def statement_link(self, row: BankEntry) -> SafeString:
        return page_link("ops", "reconciliation_bankstatement", row.statement_id)

    def panels(self, request: HttpRequest, row: BankEntry) -> Sequence[Panel]:
        shown = [_uses_panel(row), _decisions_panel(row)]
        if row.payment_id:
            shown.append(evidence_panel(row.payment_id))
        if request.user.has_perm("payments.view_transfer"):
            shown.append(transfers_panel([("bank_entry", row.id)]))
        return [*shown, events_panel([row.id], site="ops")]

    def fitting_actions(self, row: BankEntry) -> Collection[str]:
        if deciding.waiting_decision(row) is not None:
            return {"approve", "reject", "withdraw"}
        return {"propose"} if deciding.fitting_remedies(row) else ()

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("reconciliation.approve_bankentry"))

    @asks_first(
        title=_("Decide"),
        text=_("A small amount is dealt with at once; above the limit another person has to approve it."),
        submit=_("Propose"),
        permission="operate",
        icon="edit_note",
        variant=ActionVariant.PRIMARY,
        form=BankProposalForm,
    )
    def propose(self, request: HttpRequest, form: BankProposalForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        sent = form.cleaned_data
        return self.carry_out(
            request,
            row,
            lambda: deciding.propose(
                row.id,
                remedy=sent["remedy"],
                payment_id=sent["payment"],
                reason=sent["reason"],
                proposed_by=str(request.user.pk),
            ),
            done=lambda decision: (
                gettext("Proposed. Another person decides.") if decision.needs_second_person else gettext("Done.")
            ),
        )

    @asks_first(
        title=_("Approve"),
        text=_("What was proposed is done at once. This cannot be taken back."),
        submit=_("Approve"),
        permission="decide",
        icon="check",
        variant=ActionVariant.PRIMARY,
        form=BankDecisionForm,
    )
    def approve(self, request: HttpRequest, form: BankDecisionForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        sent = form.cleaned_data
        return self.carry_out(
            request,
            row,
            lambda: deciding.approve(
                _waiting_id(row), fingerprint=sent["fingerprint"], approved_by=str(request.user.pk), note=sent["note"]
            ),
            done=lambda answer: gettext("Approved and done."),
        )

    @asks_first(
        title=_("Reject"),
        text=_("Nothing is done, and the line stays open."),
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
            lambda: deciding.reject(_waiting_id(row), rejected_by=str(request.user.pk), note=note),
            done=lambda answer: gettext("Rejected. The line stays open."),
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
            lambda: deciding.withdraw(_waiting_id(row), withdrawn_by=str(request.user.pk)),
            done=lambda answer: gettext("Withdrawn. The line stays open."),
        )


def _waiting_id(row: BankEntry) -> str:
    """Empty when none waits: the service then says that there is no such proposal."""
    decision = deciding.waiting_decision(row)
    return decision.id if decision is not None else ""


def _uses_panel(row: BankEntry) -> Panel:
    rows = [
        (
            moment(use.created_at),
            use.get_purpose_display(),
            _subject_link(use),
            money(use.amount_minor, row.currency),
        )
        for use in row.allocations.order_by("id")
    ]
    headers = (_("When"), _("Used for"), _("About"), _("Amount"))
    return Panel(title=_("What it was used for"), headers=headers, rows=rows, numbers={3}, empty=_("Nothing yet"))


def _subject_link(use: BankAllocation) -> SafeString | str:
    if use.purpose == BankAllocation.Purpose.PAYOUT:
        return page_link("ops", "reconciliation_payout", use.subject_id)
    return object_link("ops", use.subject_id)


def _decisions_panel(row: BankEntry) -> Panel:
    rows = [
        (
            moment(decision.created_at),
            decision.get_remedy_display(),
            label(decision.status, str(decision.get_status_display()), PROPOSAL_COLOURS),
            object_link("ops", decision.payment_id) if decision.payment_id else "–",
            decision.reason,
            object_link("ops", decision.proposed_by),
            object_link("ops", decision.decided_by) if decision.decided_by else "–",
            decision.note or "–",
        )
        for decision in row.decisions.order_by("id")
    ]
    headers = (
        _("When"), _("What shall be done"), _("Status"), _("Payment"), _("Reason"), _("Proposed by"), _("Decided by"),
        _("Note"),
    )  # fmt: skip
    return Panel(title=_("Decisions"), headers=headers, rows=rows, empty=_("Nobody has proposed anything."))
