"""Filters that offer fixed choices and use an index; none of them counts or lists what is in a table."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from paycore.sites.filters import CurrencyFilter, MadeBetweenFilter
from payments.checkout.presentation import method_name
from payments.gateways.registry import GATEWAYS

__all__ = ["CurrencyFilter", "MadeBetweenFilter", "MethodFilter", "method_choices"]


def method_choices() -> list[tuple[str, str]]:
    """Every method that some gateway knows, and a name that tells it from the others."""
    methods = dict.fromkeys(method for gateway in GATEWAYS.values() for method in gateway.methods)
    return [(method, method_name(method)) for method in methods]


class MethodFilter(DropdownFilter):  # type: ignore[misc]  # Unfold ships no types
    title = _("method")
    parameter_name = "method"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return method_choices()

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.filter(method=self.value()) if self.value() else queryset
