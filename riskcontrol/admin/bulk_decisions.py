"""Many risk reviews decided at once: a page shows what would be decided, only its form decides."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from paycore.clock import now
from paycore.errors import PaycoreError
from paycore.sites.columns import money
from paycore.sites.pages import Panel
from riskcontrol.admin.deadlines import time_left
from riskcontrol.admin.links import about_link
from riskcontrol.admin.own_pages import console_page
from riskcontrol.cases import decide_case
from riskcontrol.models import Case, Decision

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MOST = 100


class BulkForm(forms.Form):
    note = forms.CharField(
        label=_("What was found and done"), max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 3})
    )


class BulkDecisions(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    @admin.action(description=_("Approve"), permissions=["decide"])
    def approve_selected(self, request: HttpRequest, cases: "QuerySet[Case]") -> HttpResponse | None:
        return self._decide_many(request, cases, verdict=Case.Verdict.APPROVED)

    @admin.action(description=_("Reject"), permissions=["decide"])
    def reject_selected(self, request: HttpRequest, cases: "QuerySet[Case]") -> HttpResponse | None:
        return self._decide_many(request, cases, verdict=Case.Verdict.REJECTED)

    def _decide_many(
        self, request: HttpRequest, cases: "QuerySet[Case]", *, verdict: Case.Verdict
    ) -> HttpResponse | None:
        chosen = list(cases.select_related("merchant").order_by("id")[: MOST + 1])
        if len(chosen) > MOST:
            text = gettext("At most %(most)d cases can be decided at once.") % {"most": MOST}
            self.message_user(request, text, messages.ERROR)
            return None
        fitting = [case for case in chosen if case.kind == Case.Kind.RISK_REVIEW and case.status == Case.Status.OPEN]
        if not fitting:
            self.message_user(request, gettext("None of these cases is an open risk review."), messages.WARNING)
            return None
        form = BulkForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            self._carry_out_many(request, fitting, verdict=verdict, note=form.cleaned_data["note"])
            return None
        return self._preview(request, fitting, form, verdict=verdict, left_out=len(chosen) - len(fitting))

    def _carry_out_many(self, request: HttpRequest, cases: Sequence[Case], *, verdict: Case.Verdict, note: str) -> None:
        """Each in a transaction of its own: what somebody else decided meanwhile is told and stays."""
        decided, refused = 0, []
        for case in cases:
            try:
                decide_case(case_id=case.id, verdict=verdict, note=note, by_id=str(request.user.pk))
            except PaycoreError as refusal:
                refused.append(f"{case.id}: {refusal.title}")
            else:
                self.log_change(request, case, f"{verdict.label}: {note}")
                decided += 1
        text = ngettext("%(count)d case was decided.", "%(count)d cases were decided.", decided) % {"count": decided}
        self.message_user(request, text, messages.SUCCESS if decided else messages.WARNING)
        for line in refused:
            self.message_user(request, line, messages.WARNING)

    def _preview(
        self, request: HttpRequest, cases: Sequence[Case], form: forms.Form, *, verdict: Case.Verdict, left_out: int
    ) -> HttpResponse:
        titles: dict[Case.Verdict, StrOrPromise] = {
            Case.Verdict.APPROVED: _("Approve these payments?"),
            Case.Verdict.REJECTED: _("Reject these payments?"),
        }
        context: dict[str, Any] = {
            "title": titles[verdict],
            "form": form,
            "panels": [_preview_panel(cases)],
            "ids": [case.id for case in cases],
            "left_out": left_out,
            "is_approval": verdict == Case.Verdict.APPROVED,
            "checkbox": helpers.ACTION_CHECKBOX_NAME,
            "action": request.POST.get("action", ""),
            "cancel_address": reverse("ops:riskcontrol_case_changelist"),
        }
        return console_page(self, request, "admin/riskcontrol/decide_cases.html", context)


def _preview_panel(cases: Sequence[Case]) -> Panel:
    decisions = Decision.objects.in_bulk([str(case.facts.get("decision")) for case in cases])
    moment = now()
    rows = []
    for case in cases:
        decision = decisions.get(str(case.facts.get("decision")))
        rows.append(
            (
                about_link(case.id),
                about_link(case.object_id),
                case.merchant or "–",
                money(decision.amount_minor, decision.currency) if decision else "–",
                about_link(decision.user_id) if decision else "–",
                time_left(case, now=moment),
            )
        )
    headers = (_("Case"), _("About"), _("Merchant"), _("Amount"), _("Payer"), _("Time left"))
    return Panel(title=_("Cases"), headers=headers, rows=rows, numbers={3})
