"""Many discrepancies at once: a page shows what would be proposed or approved, only its form does it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget

from paycore.errors import PaycoreError
from paycore.sites.pages import Panel
from reconciliation.admin.columns import size, what_differs
from reconciliation.admin.decision_forms import reason_field
from reconciliation.discrepancies.models import Discrepancy, Proposal
from reconciliation.discrepancies.proposals import approve, fitting_remedies, propose, waiting_proposal

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MOST = 200


class BulkProposalForm(forms.Form):
    remedy = forms.ChoiceField(
        label=_("What shall be done"), choices=Proposal.Remedy.choices, widget=UnfoldAdminSelectWidget
    )
    reason = reason_field(_("Reason"))


@dataclass(frozen=True)
class _Chosen:
    """A row with what would happen to it; ``fingerprint`` is of the proposal that the page showed."""

    row: Discrepancy
    text: str
    proposal_id: str = ""
    fingerprint: str = ""


class BulkProposals(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    actions = ("propose_selected", "approve_selected")

    @admin.action(description=_("Propose for the selected"), permissions=["operate"])
    def propose_selected(self, request: HttpRequest, rows: "QuerySet[Discrepancy]") -> HttpResponse | None:
        chosen = [
            _Chosen(row, ", ".join(str(remedy.label) for remedy in fitting_remedies(row)))
            for row in self._few(request, rows)
            if row.status == Discrepancy.Status.OPEN and fitting_remedies(row)
        ]
        form = BulkProposalForm(request.POST if "confirmed" in request.POST else None)
        if not chosen or not form.is_valid():
            title = gettext("Propose for these discrepancies?")
            return self._preview(request, chosen, form, title=title, action="propose_selected")
        by = str(request.user.pk)
        sent = form.cleaned_data

        def propose_one(entry: _Chosen) -> object:
            return propose(entry.row.id, remedy=sent["remedy"], reason=sent["reason"], proposed_by=by)

        self._for_each(request, chosen, propose_one)
        return None

    @admin.action(description=_("Approve the selected"), permissions=["decide"])
    def approve_selected(self, request: HttpRequest, rows: "QuerySet[Discrepancy]") -> HttpResponse | None:
        chosen = [
            _Chosen(row, f"{proposal.get_remedy_display()}: {proposal.reason}", proposal.id, proposal.fingerprint)
            for row in self._few(request, rows)
            if (proposal := waiting_proposal(row)) is not None
        ]
        if not chosen or "confirmed" not in request.POST:
            title = gettext("Approve these proposals?")
            return self._preview(request, chosen, forms.Form(), title=title, action="approve_selected")
        by = str(request.user.pk)

        def approve_one(entry: _Chosen) -> object:
            # What the page showed, not what waits by now.
            shown = request.POST.get(f"shown_{entry.row.id}", "")
            return approve(entry.proposal_id, fingerprint=shown, approved_by=by)

        self._for_each(request, chosen, approve_one)
        return None

    def _few(self, request: HttpRequest, rows: "QuerySet[Discrepancy]") -> Sequence[Discrepancy]:
        found = list(rows.order_by("id")[: MOST + 1])
        if len(found) > MOST:
            text = gettext("At most %(most)d discrepancies can be decided at once.") % {"most": MOST}
            self.message_user(request, text, messages.ERROR)
            return []
        return found

    def _for_each(
        self, request: HttpRequest, chosen: Sequence[_Chosen], operation: Callable[[_Chosen], object]
    ) -> None:
        """Each in a transaction of its own: what somebody else did meanwhile is told and stays."""
        done = 0
        for entry in chosen:
            try:
                operation(entry)
            except PaycoreError as refusal:
                self.message_user(request, f"{entry.row.id}: {refusal.title}", messages.WARNING)
            else:
                self.log_change(request, entry.row, entry.text)
                done += 1
        text = ngettext("%(count)d discrepancy was dealt with.", "%(count)d discrepancies were dealt with.", done)
        self.message_user(request, text % {"count": done}, messages.SUCCESS if done else messages.WARNING)

    def _preview(
        self,
        request: HttpRequest,
        chosen: Sequence[_Chosen],
        form: forms.Form,
        *,
        title: "StrOrPromise",
        action: str,
    ) -> HttpResponse | None:
        if not chosen:
            self.message_user(request, gettext("Nothing can be done about these now."), messages.WARNING)
            return None
        panel = Panel(
            title=ngettext("%(count)d discrepancy", "%(count)d discrepancies", len(chosen)) % {"count": len(chosen)},
            headers=(_("Discrepancy"), _("What"), _("Reference"), pgettext_lazy("discrepancy", "Size"), _("Remedy")),
            rows=[(e.row.id, what_differs(e.row), e.row.reference, size(e.row), e.text) for e in chosen],
            numbers={3},
        )
        request.current_app = self.admin_site.name
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "form": form,
            "panels": [panel],
            "chosen": chosen,
            "action": action,
            "selected_name": helpers.ACTION_CHECKBOX_NAME,
            "media": self.media + form.media,
        }
        return TemplateResponse(request, "admin/reconciliation/decide_discrepancies.html", context)
