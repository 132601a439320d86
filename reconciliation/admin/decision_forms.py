"""What is asked of a person before something is done about a discrepancy."""

from typing import Any

from django import forms
from django.contrib.admin.utils import unquote
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from payments.admin.pages import ConfirmForm
from reconciliation.discrepancies.models import Discrepancy, Proposal
from reconciliation.discrepancies.proposals import fitting_remedies, waiting_proposal


def reason_field(label: Any) -> forms.CharField:
    return forms.CharField(label=label, max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 3}))


class ProposalForm(ConfirmForm):
    remedy = forms.ChoiceField(label=_("What shall be done"), widget=UnfoldAdminSelectWidget)
    reason = reason_field(_("Reason"))

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        row = _row_of(self)
        fitting = fitting_remedies(row) if row is not None else ()
        self.fields["remedy"] = forms.ChoiceField(
            label=_("What shall be done"),
            choices=[(remedy.value, remedy.label) for remedy in fitting],
            widget=UnfoldAdminSelectWidget,
        )


class DecisionForm(ConfirmForm):
    """``fingerprint`` is of the proposal that was shown: another one is not approved by it."""

    fingerprint = forms.CharField(widget=forms.HiddenInput, max_length=64)
    note = forms.CharField(
        label=_("Note"), required=False, max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 3})
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        row = _row_of(self)
        proposal = waiting_proposal(row) if row is not None else None
        if proposal is not None:
            self.fields["fingerprint"].initial = proposal.fingerprint
            self.fields["note"].help_text = f"{Proposal.Remedy(proposal.remedy).label}: {proposal.reason}"


class RefusalForm(ConfirmForm):
    note = reason_field(_("Reason"))


class NoteForm(ConfirmForm):
    text = forms.CharField(label=_("Comment"), max_length=1000, widget=UnfoldAdminTextareaWidget({"rows": 4}))


def _row_of(form: Any) -> Discrepancy | None:
    return Discrepancy.objects.filter(id=unquote(str(form.object_id))).first()
