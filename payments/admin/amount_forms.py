"""A dialog that asks for an amount of a payment's money, in major units as people write them."""

from typing import Any

from django import forms
from django.contrib.admin.utils import unquote
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from paycore.errors import Conflict
from paycore.money import InvalidAmount, Money
from payments.admin.columns import money
from payments.admin.pages import ConfirmForm
from payments.orders.models import Payment


class AmountLeftChanged(Conflict):
    """The form was sent twice, or somebody else was quicker."""

    code = "amount_left_changed"
    title = _("The amount that is left has changed meanwhile. Look again before you repeat it.")


class AmountForm(ConfirmForm):
    """``left`` is what could be taken when the dialog was shown: a second copy of one form finds another amount left
    and is refused. Offers all that is left."""

    major = forms.CharField(label=_("Amount"), max_length=24, widget=UnfoldAdminTextInputWidget)
    left = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.payment = self.payments().filter(id=unquote(str(self.object_id))).first()
        if self.payment is not None:
            left = self.left_minor(self.payment)
            self.fields["left"].initial = left
            self.fields["major"].initial = f"{Money(left, self.payment.currency).major:f}"
            self.fields["major"].help_text = _("In %(currency)s; at most %(most)s.") % {
                "currency": self.payment.currency,
                "most": money(left, self.payment.currency),
            }

    @staticmethod
    def yes_or_no(*, label: Any, initial: bool) -> forms.BooleanField:
        return forms.BooleanField(label=label, initial=initial, required=False, widget=UnfoldBooleanWidget)

    def payments(self) -> Any:
        """The payments that the visitor may act on."""
        return Payment.objects.all()

    def left_minor(self, payment: Payment) -> int:
        raise NotImplementedError

    @property
    def amount(self) -> Money:
        amount: Money = self.cleaned_data["major"]
        return amount

    def clean_major(self) -> Money:
        if self.payment is None:
            raise forms.ValidationError(_("There is no such payment."))
        try:
            amount = Money.from_major(self.cleaned_data["major"].strip(), self.payment.currency)
        except InvalidAmount as error:
            raise forms.ValidationError(error.detail or error.title) from error
        if not 0 < amount.minor <= self.left_minor(self.payment):
            raise forms.ValidationError(_("The amount must be more than nothing and at most what is left."))
        return amount
