"""Tax rates, for staff: one a country and day; what has begun is history and stays."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from memberships.invoices.drafting import round_half_away
from memberships.invoices.tax import forget_rates
from memberships.models import TaxRate
from paycore.clock import database_now
from paycore.countries import COUNTRIES
from paycore.sites import ops_site

_FIELDS = ("country", "name", "rate_basis_points", "starts_on")
_EXAMPLE_MINOR = 10_000


class TaxRateForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    class Meta:
        model = TaxRate
        fields = _FIELDS

    def clean_country(self) -> str:
        country = str(self.cleaned_data["country"]).strip().upper()
        if country not in COUNTRIES:
            raise forms.ValidationError(_("There is no such country."))
        return country

    def clean_starts_on(self) -> Any:
        starts_on = self.cleaned_data["starts_on"]
        if starts_on < database_now().date():
            raise forms.ValidationError(_("A rate begins today or later: invoices of the past are as they are."))
        return starts_on


@admin.register(TaxRate, site=ops_site)
class TaxRateAdmin(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    form = TaxRateForm
    list_display = ("country", "name", "rate", "starts_on", "is_begun", "on_top", "inside")
    list_filter = ("country", ("starts_on", admin.DateFieldListFilter))
    search_fields = ("=country", "name")
    search_help_text = _("Country or name")
    ordering = ("country", "-starts_on")
    show_full_result_count = False

    @admin.display(description=_("Rate"), ordering="rate_basis_points")
    def rate(self, row: TaxRate) -> str:
        return f"{row.rate_basis_points / 100:g} %"

    @admin.display(description=_("Has begun"), boolean=True)
    def is_begun(self, row: TaxRate) -> bool:
        return row.starts_on <= database_now().date()

    @admin.display(description=_("Added to a price of 100"))
    def on_top(self, row: TaxRate) -> str:
        return _hundredths(_EXAMPLE_MINOR + row.rate_basis_points)

    @admin.display(description=_("Contained in a price of 100"))
    def inside(self, row: TaxRate) -> str:
        return _hundredths(round_half_away(_EXAMPLE_MINOR * row.rate_basis_points, 10_000 + row.rate_basis_points))

    def has_change_permission(self, request: HttpRequest, obj: TaxRate | None = None) -> bool:
        may: bool = super().has_change_permission(request, obj)
        return may and (obj is None or obj.starts_on > database_now().date())

    def has_delete_permission(self, request: HttpRequest, obj: TaxRate | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: TaxRate, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget_rates()


def _hundredths(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"
