"""Cases that wait for a person: who has taken which, how long is left, and the two answers to a risk review."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from paycore.clock import now
from paycore.sites import ops_site
from paycore.sites.columns import facts, money, tag
from paycore.sites.dialogs import ConfirmForm, asks_first, go_to
from paycore.sites.filters import MadeBetweenFilter
from paycore.sites.pages import FactsPage, Panel, moment
from paycore.sites.read_only import ReadOnlyAdmin
from riskcontrol.admin.bulk_decisions import BulkDecisions
from riskcontrol.admin.deadlines import time_left
from riskcontrol.admin.links import about_link
from riskcontrol.admin.listing_forms import CaseListingForm, decision_of, listable
from riskcontrol.admin.panels import action_label, decision_panels
from riskcontrol.cases import CaseAlreadyDecided, decide_case, release_case, resolve_cases, take_case
from riskcontrol.lists import add_entry
from riskcontrol.models import Case

_COLOURS = {"open": "warning", "resolved": "success"}


_REFUSALS = {
    # Money without an owner must have an open case (invariant J9): sending or accepting it closes the case.
    Case.Kind.SURPLUS_PAYMENT.value: _(
        "Surplus money closes its case itself, once it is refunded or given to its order."
    ),
    # What is owed must have an open case (check M6): sending it, giving it as credit or keeping it closes the case.
    Case.Kind.MEMBERSHIP_SURPLUS.value: _("Money owed to a member closes its case itself, once it is decided."),
    Case.Kind.RISK_REVIEW.value: _("A risk review is approved or rejected."),
}


class NoteForm(ConfirmForm):
    note = forms.CharField(
        label=_("What was found and done"), max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 3})
    )


class AssigneeFilter(DropdownFilter):  # type: ignore[misc]  # Unfold ships no types
    title = _("taken by")
    parameter_name = "taken"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("me", _("Me")), ("nobody", _("Nobody"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Case]") -> "QuerySet[Case]":
        if self.value() == "me":
            return queryset.filter(assignee_id=request.user.pk)
        return queryset.filter(assignee__isnull=True) if self.value() == "nobody" else queryset


@admin.register(Case, site=ops_site)
class CaseAdmin(BulkDecisions, FactsPage, ReadOnlyAdmin):
    list_display = ("id", "state", "kind", "about", "merchant", "assignee", "opened", "left")
    list_select_related = ("merchant", "assignee")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        AssigneeFilter,
        ("verdict", ChoicesDropdownFilter),
        ("merchant", AutocompleteSelectFilter),
        ("opened_at", MadeBetweenFilter),
    )
    list_filter_submit = True
    list_fullwidth = True
    list_disable_select_all = True
    search_fields = ("=id", "=object_id")
    search_help_text = _("Id of a case, or of what it is about")
    ordering = ("status", "-id")
    actions = ("approve_selected", "reject_selected")
    fieldsets = (
        (None, {"fields": (("id", "state"), ("kind", "about"), ("merchant", "opened"), ("assignee", "left"))}),
        (_("Resolution"), {"fields": (("outcome", "resolution"), ("resolved_by", "resolved_at"))}),
    )
    actions_detail = ("approve", "reject", "resolve", "take", "release", "put_on_list")

    @admin.display(description=_("Status"), ordering="status")
    def state(self, case: Case) -> SafeString:
        return tag(case.get_status_display(), _COLOURS.get(case.status, "default"))

    @admin.display(description=_("About"), ordering="object_id")
    def about(self, case: Case) -> SafeString | str:
        # What an unknown callback named is not ours: it may look like one of our ids.
        return case.object_id if case.kind == Case.Kind.UNKNOWN_PAYMENT else about_link(case.object_id)

    @admin.display(description=_("Opened"), ordering="id")
    def opened(self, case: Case) -> SafeString | str:
        return moment(case.opened_at)

    @admin.display(description=_("Time left"))
    def left(self, case: Case) -> SafeString | str:
        return time_left(case, now=now())

    @admin.display(description=_("Verdict"))
    def outcome(self, case: Case) -> SafeString | str:
        if not case.verdict:
            return "–"
        return tag(case.get_verdict_display(), "success" if case.verdict == Case.Verdict.APPROVED else "danger")

    @admin.display(description=_("Facts"))
    def known_facts(self, case: Case) -> SafeString | str:
        return facts(case.facts)

    @admin.display(description=_("Risk decision"))
    def risk_decision(self, case: Case) -> SafeString | str:
        decision = decision_of(case)
        if decision is None:
            return "–"
        shown = {
            gettext("Decision"): about_link(decision.id),
            gettext("Amount"): money(decision.amount_minor, decision.currency),
            gettext("Method"): decision.method,
            gettext("Payer"): about_link(decision.user_id),
            gettext("IP address"): decision.ip or "–",
            gettext("Device"): decision.device_id or "–",
            gettext("Decided"): action_label(decision.action),
        }
        return facts(shown)

    def get_fieldsets(self, request: HttpRequest, obj: Case | None = None) -> Any:
        """What the journal says is for those who may read the journal."""
        known: tuple[str, ...] = ("known_facts", "risk_decision")
        if not request.user.has_perm("riskcontrol.view_decision"):
            known = known[:1]
        first, last = self.fieldsets
        return (first, (_("Facts"), {"fields": known}), last)

    def panels(self, request: HttpRequest, row: Case) -> Sequence[Panel]:
        if not request.user.has_perm("riskcontrol.view_decision"):
            return ()
        decision = decision_of(row)
        return decision_panels(decision) if decision else ()

    def fitting_actions(self, row: Case) -> Collection[str]:
        fitting = {"put_on_list"} if listable(decision_of(row)) else set()
        if row.status != Case.Status.OPEN:
            return fitting
        fitting.add("release" if row.assignee_id else "take")
        if row.kind == Case.Kind.RISK_REVIEW:
            return fitting | {"approve", "reject"}
        return fitting if row.kind in _REFUSALS else fitting | {"resolve"}

    def has_decide_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("riskcontrol.change_case"))

    def has_list_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("riskcontrol.add_listentry"))

    @asks_first(
        title=_("Approve"),
        text=_("The payment goes on: it is sent to the gateway now. Your name and note are kept."),
        submit=_("Approve"),
        permission="decide",
        icon="check_circle",
        variant=ActionVariant.SUCCESS,
        form=NoteForm,
    )
    def approve(self, request: HttpRequest, form: NoteForm, object_id: str) -> HttpResponse:
        return self._decide(request, form, object_id, verdict=Case.Verdict.APPROVED)

    @asks_first(
        title=_("Reject"),
        text=_("The payment is cancelled: it never reaches the gateway. Your name and note are kept."),
        submit=_("Reject"),
        permission="decide",
        icon="block",
        variant=ActionVariant.DANGER,
        form=NoteForm,
    )
    def reject(self, request: HttpRequest, form: NoteForm, object_id: str) -> HttpResponse:
        return self._decide(request, form, object_id, verdict=Case.Verdict.REJECTED)

    def _decide(self, request: HttpRequest, form: NoteForm, object_id: str, *, verdict: str) -> HttpResponse:
        case = self.require_row(request, object_id)
        if case.kind != Case.Kind.RISK_REVIEW:
            self.message_user(request, gettext("Only a risk review is approved or rejected."), messages.ERROR)
            return go_to(request, self.page_address(case))
        said = {
            Case.Verdict.APPROVED: gettext("Approved: the payment goes on."),
            Case.Verdict.REJECTED: gettext("Rejected: the payment is cancelled."),
        }
        return self.carry_out(
            request,
            case,
            lambda: decide_case(
                case_id=case.id, verdict=verdict, note=form.cleaned_data["note"], by_id=str(request.user.pk)
            ),
            done=lambda _nothing: said[Case.Verdict(verdict)],
        )

    @asks_first(
        title=_("Resolve"),
        text=_("The case is closed with your name. Nothing else changes."),
        submit=_("Resolve"),
        permission="decide",
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        form=NoteForm,
    )
    def resolve(self, request: HttpRequest, form: NoteForm, object_id: str) -> HttpResponse:
        case = self.require_row(request, object_id)
        if case.kind in _REFUSALS:
            self.message_user(request, _REFUSALS[case.kind], messages.ERROR)
            return go_to(request, self.page_address(case))
        return self.carry_out(
            request,
            case,
            lambda: _resolve(case, note=form.cleaned_data["note"], by_id=str(request.user.pk)),
            done=lambda _nothing: gettext("The case is closed."),
        )

    @asks_first(
        title=_("Take"),
        text=_("Others see that you look after this case. Anybody may still decide it."),
        submit=_("Take"),
        permission="decide",
        icon="front_hand",
    )
    def take(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        case = self.require_row(request, object_id)
        return self.carry_out(
            request,
            case,
            lambda: take_case(case_id=case.id, by_id=str(request.user.pk), now=now()),
            done=lambda _nothing: gettext("The case is yours."),
        )

    @asks_first(
        title=_("Give back"),
        text=_("The case waits for anybody again."),
        submit=_("Give back"),
        permission="decide",
        icon="undo",
    )
    def release(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        case = self.require_row(request, object_id)
        return self.carry_out(
            request,
            case,
            lambda: release_case(case_id=case.id),
            done=lambda _nothing: gettext("The case waits for anybody again."),
        )

    @asks_first(
        title=_("Put on a list"),
        text=_("Counts for payments from now on."),
        submit=_("Put on the list"),
        permission="list",
        icon="playlist_add",
        form=CaseListingForm,
    )
    def put_on_list(self, request: HttpRequest, form: CaseListingForm, object_id: str) -> HttpResponse:
        case = self.require_row(request, object_id)
        return self.carry_out(
            request,
            case,
            lambda: add_entry(**form.entry(now=now()), added_by_id=str(request.user.pk)),
            done=lambda entry: gettext("%(entry)s is on the list.") % {"entry": entry},
        )

    class Media:
        css: ClassVar = {"all": ("riskcontrol/console.css",)}


def _resolve(case: Case, *, note: str, by_id: str) -> None:
    kind = Case.Kind(case.kind)
    if case.status != Case.Status.OPEN or not resolve_cases(
        kind=kind, object_id=case.object_id, resolution=note, resolved_by_id=by_id
    ):
        raise CaseAlreadyDecided
