"""Forms about what is for sale: a new version of a plan, and a new price."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from memberships.catalogue.services import MOST_OF_A_FEATURE, MOST_SEATS, Offer, Terms
from memberships.models import Feature, Plan, PlanVersion, Price
from paycore.money import CURRENCIES, InvalidAmount, Money


@dataclass(frozen=True)
class FeatureRow:
    """A line of the table: the feature, whether it is given, and how much of it (a switch has no such field)."""

    feature: Feature
    name: str
    given: forms.BoundField
    limit: forms.BoundField | None


class VersionForm(forms.Form):
    """One line a feature in use, filled in as the newest version has it. ``seen`` is that version's number: what
    somebody else published meanwhile is not overwritten unseen."""

    seats_included = forms.IntegerField(
        label=_("Seats included"), min_value=1, max_value=MOST_SEATS, widget=UnfoldAdminIntegerFieldWidget
    )
    seats_most = forms.IntegerField(
        label=_("Most seats"), min_value=1, max_value=MOST_SEATS, widget=UnfoldAdminIntegerFieldWidget
    )
    seen = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, newest: PlanVersion | None) -> None:
        given = newest.features if newest else {}
        self.newest_number = newest.number if newest else 0
        initial = {
            "seats_included": newest.seats_included if newest else 1,
            "seats_most": newest.seats_most if newest else 1,
            "seen": self.newest_number,
        }
        super().__init__(data, initial=initial)
        self.known = list(Feature.objects.filter(is_active=True).order_by("code"))
        for feature in self.known:
            self.fields[_given(feature)] = forms.BooleanField(
                required=False, initial=feature.code in given, widget=UnfoldBooleanWidget
            )
            if feature.kind != Feature.Kind.SWITCH:
                self.fields[_limit(feature)] = forms.IntegerField(
                    required=False,
                    min_value=0,
                    max_value=MOST_OF_A_FEATURE,
                    initial=given.get(feature.code),
                    widget=UnfoldAdminIntegerFieldWidget({"aria-label": feature.name(get_language() or "en")}),
                )

    @property
    def feature_rows(self) -> Sequence[FeatureRow]:
        language = get_language() or "en"
        return [
            FeatureRow(
                feature,
                feature.name(language),
                self[_given(feature)],
                self[_limit(feature)] if _limit(feature) in self.fields else None,
            )
            for feature in self.known
        ]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("seen") != self.newest_number:
            raise ValidationError(_("Another version was published meanwhile. Load the page again."))
        if cleaned.get("seats_most", 1) < cleaned.get("seats_included", 1):
            self.add_error("seats_most", _("At least as many as are included."))
        for feature in self.known:
            if not cleaned.get(_given(feature)) and cleaned.get(_limit(feature)) is not None:
                self.add_error(_limit(feature), _("Tick the feature as well, or leave the number out."))
        return cleaned

    @property
    def terms(self) -> Terms:
        given = [feature for feature in self.known if self.cleaned_data[_given(feature)]]
        return Terms(
            {feature.code: self.cleaned_data.get(_limit(feature)) for feature in given},
            seats_included=self.cleaned_data["seats_included"],
            seats_most=self.cleaned_data["seats_most"],
        )


def _given(feature: Feature) -> str:
    return f"given_{feature.pk}"


def _limit(feature: Feature) -> str:
    return f"limit_{feature.pk}"


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """Amounts in major units, as people write them."""

    currency = forms.ChoiceField(
        label=_("Currency"),
        choices=[(currency, currency) for currency in sorted(CURRENCIES)],
        initial="USD",
        widget=UnfoldAdminSelectWidget,
    )
    amount = forms.CharField(label=_("Amount"), max_length=24, widget=UnfoldAdminTextInputWidget)
    setup_fee = forms.CharField(
        label=_("Set-up fee"), max_length=24, initial="0", required=False, widget=UnfoldAdminTextInputWidget
    )
    seat_amount = forms.CharField(
        label=_("Each seat more"), max_length=24, initial="0", required=False, widget=UnfoldAdminTextInputWidget
    )

    class Meta:
        model = Price
        fields = ("plan", "interval", "interval_count", "trial_days", "is_tax_inclusive")

    def clean_plan(self) -> Plan:
        plan: Plan = self.cleaned_data["plan"]
        if plan.archived_at is not None:
            raise ValidationError(_("The plan is archived. Restore it first."))
        return plan

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        for name in ("amount", "setup_fee", "seat_amount"):
            self._read_amount(name, cleaned)
        if not 1 <= (cleaned.get("interval_count") or 0) <= 366:
            self.add_error("interval_count", _("From 1 to 366."))
        if (cleaned.get("trial_days") or 0) > 730:
            self.add_error("trial_days", _("At most 730."))
        return cleaned

    def _read_amount(self, name: str, cleaned: dict[str, Any]) -> None:
        if name in self.errors or "currency" not in cleaned:
            return
        try:
            amount = Money.from_major((cleaned.get(name) or "0").strip(), cleaned["currency"])
        except InvalidAmount as error:
            self.add_error(name, ValidationError(error.detail or error.title))
            return
        cleaned[name] = amount
        if amount.is_negative:
            self.add_error(name, _("The amount is not negative."))
        elif name == "amount" and amount.is_zero:
            self.add_error(name, _("The amount must be more than nothing."))

    def _post_clean(self) -> None:
        """The model is filled and checked by the service that adds the price."""

    @property
    def offer(self) -> Offer:
        cleaned = self.cleaned_data
        return Offer(
            cleaned["amount"],
            interval=cleaned["interval"],
            interval_count=cleaned["interval_count"],
            trial_days=cleaned["trial_days"],
            setup_fee=cleaned["setup_fee"],
            seat_amount=cleaned["seat_amount"],
            is_tax_inclusive=cleaned["is_tax_inclusive"],
        )
