"""What staff fill in for each kind of deed; the answer is its terms."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from memberships.actions.deeds import MOST_DAYS
from memberships.models import Invoice, MemberAction, Price, Subscription
from memberships.subscriptions.refunding import FULL, NONE, PRORATED
from paycore.money import InvalidAmount, Money
from payments.admin.columns import money
from payments.orders.models import Payment

Kind = MemberAction.Kind


class DeedForm(forms.Form):
    """``subscriptions``: whom it is about."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=300,
        help_text=_("It is kept in the history."),
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )
    field_order: Sequence[str] | None = None

    def __init__(self, *arguments: Any, subscriptions: Sequence[Subscription] = (), **options: Any) -> None:
        self.subscriptions = subscriptions
        super().__init__(*arguments, **options)
        self.order_fields([*(name for name in self.fields if name != "reason"), "reason"])

    def terms(self) -> dict[str, Any]:
        return {}


class ExtendForm(DeedForm):
    days = forms.IntegerField(
        label=_("Days"), min_value=1, max_value=MOST_DAYS, initial=7, widget=UnfoldAdminIntegerFieldWidget
    )

    def terms(self) -> dict[str, Any]:
        return {"days": self.cleaned_data["days"]}


class CancelNowForm(DeedForm):
    policy = forms.ChoiceField(
        label=_("Money back"),
        choices=[
            (PRORATED, _("The unused part")),
            (FULL, _("All of the running period")),
            (NONE, _("Nothing")),
        ],
        widget=UnfoldAdminSelectWidget,
    )

    def terms(self) -> dict[str, Any]:
        return {"policy": self.cleaned_data["policy"]}


class PauseForm(DeedForm):
    until = forms.DateField(
        label=_("Until"),
        required=False,
        help_text=_("Midnight UTC at the beginning of this day; the longest pause when left empty."),
        widget=UnfoldAdminSingleDateWidget,
    )

    def terms(self) -> dict[str, Any]:
        day = self.cleaned_data["until"]
        return {"until": datetime.combine(day, time.min, tzinfo=UTC).isoformat()} if day else {}


class PriceForm(DeedForm):
    price = forms.ChoiceField(label=_("Price"), widget=UnfoldAdminSelectWidget)
    quantity = forms.IntegerField(
        label=_("Seats"),
        required=False,
        min_value=1,
        max_value=10_000,
        help_text=_("As many as now when left empty."),
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        currencies = {subscription.currency for subscription in self.subscriptions}
        prices = Price.objects.filter(is_active=True, currency__in=currencies, plan__is_active=True)
        self.fields["price"].choices = [  # type: ignore[attr-defined]  # a ChoiceField has them
            (price.id, _price_name(price)) for price in prices.select_related("plan").order_by("plan", "amount_minor")
        ]

    def terms(self) -> dict[str, Any]:
        quantity = self.cleaned_data["quantity"]
        return {"price": self.cleaned_data["price"]} | ({"quantity": quantity} if quantity else {})


class RefundForm(DeedForm):
    payment = forms.ChoiceField(label=_("Payment"), widget=UnfoldAdminSelectWidget)
    major = forms.CharField(label=_("Amount"), max_length=24, widget=UnfoldAdminTextInputWidget)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        orders = Invoice.objects.filter(subscription__in=self.subscriptions, order__isnull=False).values("order_id")
        rows = Payment.objects.filter(order_id__in=orders, status="succeeded").order_by("-id")[:50]
        self.payments = {payment.id: payment for payment in rows if payment.refundable.is_positive}
        self.fields["payment"].choices = [  # type: ignore[attr-defined]  # as above
            (payment.id, f"{payment.id} · {money(payment.refundable.minor, payment.currency)}")
            for payment in self.payments.values()
        ]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        payment = self.payments.get(cleaned.get("payment", ""))
        if payment is not None and cleaned.get("major"):
            try:
                cleaned["amount"] = Money.from_major(cleaned["major"].strip(), payment.currency)
            except InvalidAmount as error:
                self.add_error("major", forms.ValidationError(error.detail or error.title))
        return cleaned

    def terms(self) -> dict[str, Any]:
        return {"payment": self.cleaned_data["payment"], "amount_minor": self.cleaned_data["amount"].minor}


FORMS: Mapping[str, type[DeedForm]] = {
    Kind.EXTEND: ExtendForm,
    Kind.CANCEL_AT_END: DeedForm,
    Kind.CANCEL_NOW: CancelNowForm,
    Kind.PAUSE: PauseForm,
    Kind.CHANGE_NOW: PriceForm,
    Kind.MOVE_TO_PRICE: PriceForm,
    Kind.REFUND: RefundForm,
    Kind.FORGIVE: DeedForm,
}


def _price_name(price: Price) -> str:
    amount = price.amount.format(get_language() or "en")
    return (
        f"{price.plan.name(get_language() or 'en')} · {amount} / {price.interval_count} {price.get_interval_display()}"
    )
