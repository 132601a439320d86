"""The form of one promotion: money as people write it, conditions as lists."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from paycore.errors import PaycoreError
from paycore.money import CURRENCIES, Money
from payments.promotions.models import Promotion
from payments.promotions.terms import settle_terms, wrong_terms

_AMOUNT = re.compile(r"([A-Za-z]{3})\s*[:=]?\s*([0-9.]+)\Z")
_BY_CURRENCY = ("amounts", "most_off", "least")


class AmountsByCurrencyField(forms.CharField):
    """``USD 5.00, EUR 4.50`` as ``{"USD": 500, "EUR": 450}``."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("help_text", _("For example USD 5.00, EUR 4.50"))
        super().__init__(required=False, widget=UnfoldAdminTextInputWidget, **options)

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return ", ".join(f"{currency} {Money(int(minor), currency).major:f}" for currency, minor in value.items())

    def to_python(self, value: Any) -> Any:
        text = str(super().to_python(value) or "").strip()
        return dict(self._read(part.strip()) for part in re.split(r"[,;\n]", text) if part.strip())

    def _read(self, part: str) -> tuple[str, int]:
        match = _AMOUNT.match(part)
        if match is None:
            raise forms.ValidationError(_("Write currency and amount: USD 5.00, EUR 4.50"))
        try:
            money = Money.from_major(match[2], match[1].upper())
        except PaycoreError as refusal:
            raise forms.ValidationError(refusal.detail or refusal.title) from refusal
        return money.currency, money.minor

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(super().has_changed(self.prepare_value(initial), data))


class ReferencesField(forms.CharField):
    """Words of the seller's own, one a line or with commas between."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextareaWidget({"rows": 2}), **options)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        text = str(super().to_python(value) or "")
        words = [word.strip() for word in re.split(r"[,\s]+", text) if word.strip()]
        if any(len(word) > 64 for word in words):
            raise forms.ValidationError(_("One of them is too long."))
        return list(dict.fromkeys(words))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(super().has_changed(self.prepare_value(initial), data))


class PromotionForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """``seller_id``: whose promotion a new one will be, when that is not chosen here."""

    seller_id: ClassVar[str] = ""

    percent = forms.DecimalField(
        label=_("Percent off"),
        required=False,
        min_value=Decimal("0.01"),
        max_value=100,
        decimal_places=2,
        widget=UnfoldAdminDecimalFieldWidget,
    )
    amounts = AmountsByCurrencyField(label=_("Amounts off"))
    most_off = AmountsByCurrencyField(label=_("Most off"), help_text=_("However much the percentage is."))
    least = AmountsByCurrencyField(label=_("Smallest amounts"), help_text=_("Empty: any. Else no other currency."))
    currencies = forms.MultipleChoiceField(
        label=_("Currencies"),
        required=False,
        choices=[(currency, currency) for currency in sorted(CURRENCIES)],
        help_text=_("Empty: any."),
        widget=UnfoldAdminSelect2MultipleWidget,
    )
    plans = ReferencesField(label=_("Plans"), help_text=_("Ids. Empty: any."))
    excluded_plans = ReferencesField(label=_("Excluded plans"))
    prices = ReferencesField(label=_("Prices"), help_text=_("Ids. Empty: any."))
    excluded_prices = ReferencesField(label=_("Excluded prices"))
    intervals = ReferencesField(label=_("Intervals"), help_text=_("For example month or year. Empty: any."))
    users = ReferencesField(label=_("People"), help_text=_("Ids of users. Empty: anybody."))
    budget = AmountsByCurrencyField(
        label=_("Budget"), help_text=_("No more is given than this, for example USD 1000. Only in its currency then.")
    )

    class Meta:
        model = Promotion
        fields: ClassVar = (
            "merchant", "name", "title", "title_zh", "kind", "amounts", "most_off", "free_days", "duration", "periods",
            "applies_to", "least", "currencies", "plans", "excluded_plans", "prices", "excluded_prices", "intervals",
            "is_first_only", "users", "joined_from", "joined_until", "starts_at", "ends_at", "stacking", "position",
            "max_uses", "max_per_person", "max_per_day", "funded_by",
        )  # fmt: skip

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        promotion = self.instance
        if promotion.percent_basis_points:
            self.initial["percent"] = Decimal(promotion.percent_basis_points) / 100
        if promotion.budget_minor is not None:
            self.initial["budget"] = {promotion.budget_currency: promotion.budget_minor}

    def clean_budget(self) -> dict[str, int]:
        budget: dict[str, int] = self.cleaned_data["budget"]
        if len(budget) > 1:
            raise forms.ValidationError(_("A budget is in one currency."))
        return budget

    def clean_percent(self) -> int:
        percent = self.cleaned_data.get("percent")
        try:
            return int((percent or Decimal(0)) * 100)
        except InvalidOperation as error:
            raise forms.ValidationError(_("Write a percentage like 20 or 12.5.")) from error

    def validate_unique(self) -> None:
        """The last step of checking: the instance is filled. What the database would refuse is told in people's words
        before it does."""
        promotion, cleaned = self.instance, self.cleaned_data
        if self.seller_id and promotion._state.adding:
            promotion.merchant_id = self.seller_id
        if "percent" in cleaned:
            promotion.percent_basis_points = cleaned["percent"]
        if "budget" in cleaned:
            [(currency, minor)] = cleaned["budget"].items() or [("", None)]
            promotion.budget_currency, promotion.budget_minor = currency, minor
        settle_terms(promotion)
        shown = {"percent_basis_points": "percent", "budget_minor": "budget", "budget_currency": "budget"}
        wrong = wrong_terms(promotion)
        if "percent_basis_points" in wrong:
            wrong["percent_basis_points"] = _("More than 0, and 100 at most.")
        for name, text in wrong.items():
            field = shown.get(name, name)
            if field not in self.errors:
                self.add_error(field if field in self.fields else None, text)
        super().validate_unique()
