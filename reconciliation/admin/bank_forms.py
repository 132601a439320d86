"""What is asked of a person before something is done about a bank line or a payout."""

from typing import Any

from django import forms
from django.contrib.admin.utils import unquote
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from payments.admin.pages import ConfirmForm
from reconciliation.admin.decision_forms import reason_field
from reconciliation.banking.deciding import fitting_remedies, waiting_decision
from reconciliation.banking.models import BankDecision, BankEntry
from reconciliation.banking.payout_models import PayoutBatch


class BankProposalForm(ConfirmForm):
    remedy = forms.ChoiceField(label=_("What shall be done"), widget=UnfoldAdminSelectWidget)
    payment = forms.CharField(
        label=_("Payment"),
        required=False,
        max_length=40,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Id of the payment that the money is for, when it pays one."),
    )
    reason = reason_field(_("Reason"))

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        entry = _entry_of(self)
        fitting = fitting_remedies(entry) if entry is not None else ()
        self.fields["remedy"] = forms.ChoiceField(
            label=_("What shall be done"),
            choices=[(remedy.value, remedy.label) for remedy in fitting],
            widget=UnfoldAdminSelectWidget,
        )


class BankDecisionForm(ConfirmForm):
    """``fingerprint`` is of the proposal that was shown: another one is not approved by it."""

    fingerprint = forms.CharField(widget=forms.HiddenInput, max_length=64)
    note = forms.CharField(
        label=_("Note"), required=False, max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 3})
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        entry = _entry_of(self)
        decision = waiting_decision(entry) if entry is not None else None
        if decision is not None:
            self.fields["fingerprint"].initial = decision.fingerprint
            what = BankDecision.Remedy(decision.remedy).label
            self.fields["note"].help_text = " ".join(filter(None, (f"{what}:", decision.payment_id, decision.reason)))


class AccountForm(ConfirmForm):
    name = forms.CharField(label=_("Account holder"), max_length=70, widget=UnfoldAdminTextInputWidget)
    iban = forms.CharField(label=_("IBAN"), max_length=42, widget=UnfoldAdminTextInputWidget)


class ReleaseForm(ConfirmForm):
    """``sha256`` is of the file that was shown."""

    sha256 = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        batch = PayoutBatch.objects.filter(id=unquote(str(self.object_id))).first()
        if batch is not None:
            self.fields["sha256"].initial = batch.sha256


def _entry_of(form: Any) -> BankEntry | None:
    return BankEntry.objects.filter(id=unquote(str(form.object_id))).first()
