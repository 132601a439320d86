"""Rows that people may look at and never edit; what may be done with them is an action."""

from typing import Any, TypeVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.http import HttpRequest
from unfold.admin import ModelAdmin

ModelT = TypeVar("ModelT", bound=models.Model)


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    """View only, whatever permissions the visitor has. Counting every row for the page's head is left out."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return may_be_looked_up(self.model, lookup) and bool(super().lookup_allowed(lookup, value, request))


def may_be_looked_up(model: type[models.Model], lookup: str) -> bool:
    """Whether ``?lookup=`` may reach the database: hashes and sealed bytes are nobody's to search by, and where bytes,
    lists or documents are expected, a made-up text would be an error there."""
    name = lookup.split("__", 1)[0]
    return not any(
        name in {field.name, field.attname} and isinstance(field, models.BinaryField | ArrayField | models.JSONField)
        for field in model._meta.concrete_fields
    )
