"""Filters that offer fixed choices and use an index; none of them counts or lists what is in a table."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter
from unfold.utils import parse_date_str

from paycore.identifiers import PrefixedIdField, earliest_id
from paycore.money import CURRENCIES


class CurrencyFilter(DropdownFilter):  # type: ignore[misc]  # Unfold ships no types
    title = _("currency")
    parameter_name = "currency"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(currency, currency) for currency in sorted(CURRENCIES)]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.filter(currency=self.value()) if self.value() in CURRENCIES else queryset


class MadeBetweenFilter(RangeDateFilter):  # type: ignore[misc]  # Unfold ships no types
    """Days in UTC, both included, found by the id that carries its time."""

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        key = queryset.model._meta.pk
        if not isinstance(key, PrefixedIdField):
            raise TypeError(f"the ids of {queryset.model} carry no time")
        if (first := self._midnight("from")) is not None:
            queryset = queryset.filter(pk__gte=earliest_id(key.prefix, first))
        if (last := self._midnight("to")) is not None:
            queryset = queryset.filter(pk__lt=earliest_id(key.prefix, last + timedelta(days=1)))
        return queryset

    def _midnight(self, end: str) -> datetime | None:
        """None also for what is no date: the filter then does nothing."""
        try:
            day = parse_date_str(str(self.used_parameters.get(f"{self.parameter_name}_{end}") or ""))
            return datetime.combine(day, time(), tzinfo=UTC) if day and 1970 < day.year < 9999 else None
        except ValueError:
            return None
