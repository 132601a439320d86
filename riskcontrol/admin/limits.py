"""Limits before a payment: written in major units, read back as a sentence."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from paycore.money import CURRENCIES, InvalidAmount, Money
from paycore.sites import ops_site
from paycore.sites.columns import money, tag
from paycore.sites.filters import CurrencyFilter
from riskcontrol.decisions import forget_limits
from riskcontrol.models import PaymentLimit

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

Kind, Per = PaymentLimit.Kind, PaymentLimit.CountedPer
COUNTS = frozenset({Kind.HOUR_COUNT.value, Kind.DAY_COUNT.value})
_SENTENCES: "dict[tuple[str, str], StrOrPromise]" = {
    (Kind.PAYMENT, Per.USER): _("One payment may be at most %(bound)s."),
    (Kind.PAYMENT, Per.MERCHANT): _("One payment may be at most %(bound)s."),
    (Kind.DAY_SUM, Per.USER): _("Each payer may pay at most %(bound)s a day."),
    (Kind.DAY_SUM, Per.MERCHANT): _("Each merchant may take at most %(bound)s a day."),
    (Kind.MONTH_SUM, Per.USER): _("Each payer may pay at most %(bound)s a month."),
    (Kind.MONTH_SUM, Per.MERCHANT): _("Each merchant may take at most %(bound)s a month."),
    (Kind.HOUR_COUNT, Per.USER): _("Payments of each payer in an hour: at most %(bound)s."),
    (Kind.HOUR_COUNT, Per.MERCHANT): _("Payments to each merchant in an hour: at most %(bound)s."),
    (Kind.DAY_COUNT, Per.USER): _("Payments of each payer in a day: at most %(bound)s."),
    (Kind.DAY_COUNT, Per.MERCHANT): _("Payments to each merchant in a day: at most %(bound)s."),
}


def bound(limit: PaymentLimit) -> str:
    if limit.max_amount_minor is not None:
        return money(limit.max_amount_minor, limit.currency)
    return str(limit.max_count)


def sentence(limit: PaymentLimit) -> str:
    """What the limit says, as a person would."""
    said = str(_SENTENCES[limit.kind, limit.counted_per]) % {"bound": bound(limit)}
    only = []
    if limit.merchant:
        only.append(gettext("merchant %(name)s") % {"name": limit.merchant.name})
    if limit.kyc_level is not None:
        only.append(gettext("identity level: %(level)s") % {"level": limit.get_kyc_level_display()})
    if limit.method:
        only.append(gettext("method %(name)s") % {"name": limit.method})
    if not only:
        return said
    what = pgettext("between the items of a list", ", ").join(only)
    return gettext("%(limit)s Only for: %(what)s.") % {"limit": said, "what": what}


class PaymentLimitForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    currency = forms.ChoiceField(
        label=_("Currency"),
        required=False,
        choices=[("", "–"), *((currency, currency) for currency in sorted(CURRENCIES))],
        widget=UnfoldAdminSelectWidget,
    )
    major = forms.CharField(
        label=_("Largest amount"),
        max_length=24,
        required=False,
        help_text=_("As people write it, e.g. 500.00. Empty for a number of payments."),
        widget=UnfoldAdminTextInputWidget,
    )

    class Meta:
        model = PaymentLimit
        fields = ("kind", "counted_per", "merchant", "kyc_level", "method", "currency", "max_count", "is_active")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if not self.instance._state.adding and "major" in self.fields and self.instance.max_amount_minor:
            limit = Money(self.instance.max_amount_minor, self.instance.currency)
            self.fields["major"].initial = f"{limit.major:f}"

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        kind = cleaned.get("kind") or self.instance.kind
        if kind in COUNTS:
            self._clean_count(cleaned)
        else:
            self._clean_amount(cleaned)
        return cleaned

    def _clean_count(self, cleaned: dict[str, Any]) -> None:
        if (cleaned.get("max_count") or 0) <= 0:
            self.add_error("max_count", _("How many payments may there be? At least one."))
        if cleaned.get("major"):
            self.add_error("major", _("This kind of limit counts payments: leave the amount empty."))
        cleaned["currency"], self.instance.max_amount_minor = "", None

    def _clean_amount(self, cleaned: dict[str, Any]) -> None:
        currency = cleaned.get("currency") or self.instance.currency
        if "max_count" in self.fields and cleaned.get("max_count") is not None:
            self.add_error("max_count", _("This kind of limit is about an amount: leave the number empty."))
        if currency not in CURRENCIES:
            self.add_error("currency", _("An amount needs its currency."))
            return
        if not cleaned.get("major"):
            self.add_error("major", _("How much may it be?"))
            return
        try:
            limit = Money.from_major(cleaned["major"].strip(), currency)
        except InvalidAmount as error:
            self.add_error("major", ValidationError(error.detail or error.title))
            return
        self.instance.max_amount_minor = limit.minor
        if not limit.is_positive:
            self.add_error("major", _("The amount must be more than nothing."))


@admin.register(PaymentLimit, site=ops_site)
class PaymentLimitAdmin(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    """Whom and what a limit is for stays; how much it is, and whether it holds, may change."""

    form = PaymentLimitForm
    list_display = ("id", "state", "says", "kind", "limit", "merchant")
    list_select_related = ("merchant",)
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        ("counted_per", ChoicesDropdownFilter),
        ("kyc_level", ChoicesDropdownFilter),
        CurrencyFilter,
        ("merchant", AutocompleteSelectFilter),
        "is_active",
    )
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ("=id", "=merchant__id", "merchant__name", "=method")
    search_help_text = _("The merchant's name or id, a payment method, or a limit's id")
    show_full_result_count = False
    ordering = ("-id",)
    autocomplete_fields = ("merchant",)

    @admin.display(description=_("What it says"))
    def says(self, limit: PaymentLimit) -> str:
        return sentence(limit)

    @admin.display(description=_("Status"), ordering="is_active")
    def state(self, limit: PaymentLimit) -> SafeString:
        return tag(_("Active"), "success") if limit.is_active else tag(_("Off"), "default")

    @admin.display(description=_("Limit"), ordering="max_amount_minor")
    def limit(self, limit: PaymentLimit) -> str:
        return bound(limit)

    def get_readonly_fields(self, request: HttpRequest, obj: PaymentLimit | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return ("says", "kind", "counted_per", "merchant", "kyc_level", "method", "currency", "limit")

    def get_fieldsets(self, request: HttpRequest, obj: PaymentLimit | None = None) -> Any:
        who = (_("For whom"), {"fields": (("merchant", "kyc_level"), "method")})
        if obj is None:
            kind = (None, {"fields": (("kind", "counted_per"),)})
            amount = (
                _("How much"),
                {
                    "fields": (("currency", "major"), "max_count", "is_active"),
                    "description": _(
                        "A largest payment and the amounts per day and month need a currency and an amount; "
                        "the numbers of payments need a number. Days and months are those of UTC."
                    ),
                },
            )
            return (kind, who, amount)
        may_change = self.has_change_permission(request, obj)
        changing = ("max_count" if obj.kind in COUNTS else "major") if may_change else "limit"
        return (
            (None, {"fields": ("says", ("kind", "counted_per"), "currency")}),
            who,
            (_("How much"), {"fields": (changing, "is_active")}),
        )

    def save_model(self, request: HttpRequest, obj: PaymentLimit, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget_limits()

    def has_delete_permission(self, request: HttpRequest, obj: PaymentLimit | None = None) -> bool:
        return False
