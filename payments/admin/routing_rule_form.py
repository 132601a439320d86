"""The form of one routing rule: when it matches, and which accounts, in which order or shares."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminSelectWidget,
)

from merchants.models import Merchant
from paycore.countries import country_choices
from paycore.money import CURRENCIES
from payments.admin.filters import method_choices
from payments.routing.models import GatewayAccount, RoutingRule, RoutingRuleSet

PLACES = 6
"""As many accounts one rule can name here."""


def _account_choices() -> list[tuple[str, str]]:
    accounts = GatewayAccount.objects.select_related("merchant").order_by("name", "id")
    return [("", "–"), *((account.id, _account_title(account)) for account in accounts)]


def _account_title(account: GatewayAccount) -> str:
    parts = [account.name, account.gateway]
    if account.merchant:
        parts.append(account.merchant.name)
    if not account.is_enabled:
        parts.append(gettext("switched off"))
    return " · ".join(parts)


def _merchant_choices() -> list[tuple[str, str]]:
    return list(Merchant.objects.order_by("name").values_list("id", "name")[:500])


def _many(label: Any, choices: Any, *, help_text: Any = "") -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=label,
        required=False,
        choices=choices,
        help_text=help_text or _("Empty: any."),
        widget=UnfoldAdminSelect2MultipleWidget,
    )


def _place_fields() -> dict[str, forms.Field]:
    fields: dict[str, forms.Field] = {}
    for place in range(1, PLACES + 1):
        fields[f"account_{place}"] = forms.ChoiceField(
            label=_("Gateway account"), required=False, widget=UnfoldAdminSelect2Widget
        )
        fields[f"share_{place}"] = forms.IntegerField(
            label=_("Share (percent)"), required=False, min_value=0, max_value=100, widget=UnfoldAdminIntegerFieldWidget
        )
    return fields


_Places: Any = type("_Places", (forms.ModelForm,), _place_fields())


class RoutingRuleForm(_Places):  # type: ignore[misc]  # made from the number of places
    """``account_1`` to ``account_6`` with ``share_1`` to ``share_6`` are the rule's accounts and weights."""

    rule_set = forms.ModelChoiceField(
        label=_("Draft"),
        queryset=RoutingRuleSet.objects.filter(status=RoutingRuleSet.Status.DRAFT).select_related("merchant"),
        widget=UnfoldAdminSelectWidget,
    )
    methods = _many(_("Methods"), method_choices)
    currencies = _many(_("Currencies"), [(currency, currency) for currency in sorted(CURRENCIES)])
    countries = _many(_("Payers' countries"), country_choices)
    merchants = _many(_("Merchants"), _merchant_choices)
    weekdays = forms.TypedMultipleChoiceField(
        label=_("Weekdays"),
        required=False,
        coerce=int,
        choices=list(WEEKDAYS.items()),
        help_text=_("Empty: every day."),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = RoutingRule
        fields: ClassVar = (
            "name", "position", "kind", "methods", "currencies", "countries", "merchants", "min_amount_minor",
            "max_amount_minor", "weekdays", "from_hour", "to_hour",
        )  # fmt: skip

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        accounts, weights = self.instance.accounts or [], self.instance.weights or []
        choices = _account_choices() if "account_1" in self.fields else []
        for place in range(PLACES):
            if f"account_{place + 1}" in self.fields:
                self.fields[f"account_{place + 1}"].choices = choices
                self.initial[f"account_{place + 1}"] = accounts[place] if place < len(accounts) else ""
                self.initial[f"share_{place + 1}"] = weights[place] if place < len(weights) else None
        if not self.instance._state.adding:
            self.fields.pop("rule_set", None)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        rule_set = self._rule_set(cleaned)
        places = [(cleaned.get(f"account_{n}") or "", cleaned.get(f"share_{n}")) for n in range(1, PLACES + 1)]
        named = [(account, share or 0) for account, share in places if account]
        self._check_accounts([account for account, _share in named], rule_set=rule_set)
        is_split = cleaned.get("kind") == RoutingRule.Kind.SPLIT
        if is_split and sum(share for _account, share in named) != 100:
            self.add_error("share_1", _("The shares are 100 percent together."))
        if not is_split and any(share for _account, share in places):
            self.add_error("share_1", _("Only a rule that shares out has shares."))
        if rule_set is not None and rule_set.merchant_id and cleaned.get("merchants"):
            self.add_error("merchants", _("These rules are one merchant's already."))
        smallest, largest = cleaned.get("min_amount_minor"), cleaned.get("max_amount_minor")
        if smallest is not None and largest is not None and smallest > largest:
            self.add_error("max_amount_minor", _("The largest amount is below the smallest."))
        if cleaned.get("from_hour") == cleaned.get("to_hour"):
            self.add_error("to_hour", _("The hours are equal: for the whole day write 0 and 24."))
        self.instance.accounts = [account for account, _share in named]
        self.instance.weights = [share for _account, share in named] if is_split else []
        return cleaned

    def _rule_set(self, cleaned: dict[str, Any]) -> RoutingRuleSet | None:
        return cleaned.get("rule_set") if self.instance._state.adding else self.instance.rule_set

    def _check_accounts(self, named: list[str], *, rule_set: RoutingRuleSet | None) -> None:
        if not named:
            self.add_error("account_1", _("Name at least one account."))
        if len(named) != len(set(named)):
            self.add_error("account_1", _("An account is named twice."))
        owner = rule_set.merchant_id if rule_set else None
        if owner is not None:
            foreign = GatewayAccount.objects.filter(id__in=named, merchant__isnull=False).exclude(merchant_id=owner)
            if foreign.exists():
                self.add_error("account_1", ValidationError(_("One of the accounts is another merchant's.")))

    def _get_validation_exclusions(self) -> set[str]:
        """Filled from the places above, and bound by the database's own constraint."""
        excluded: set[str] = super()._get_validation_exclusions()
        return excluded | {"accounts", "weights"}
