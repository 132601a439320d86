"""Rows that people may look at and never edit; what may be done with them is an action."""

from typing import Any, TypeVar

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
