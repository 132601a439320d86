"""Seats, for staff. Addresses are not shown: an invitation's is the owner's business."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from memberships.models import Seat
from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import state_label
from payments.admin.filters import MadeBetweenFilter
from payments.admin.pages import MoneyPage


@admin.register(Seat, site=ops_site)
class SeatAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "state", "subscription", "owner", "user", "made")
    list_select_related = ("subscription__user", "user")
    list_filter = (("status", ChoicesDropdownFilter), ("created_at", MadeBetweenFilter))
    searches: ClassVar = {
        "sea_": ("id",),
        "sub_": ("subscription_id",),
        "usr_": ("user_id", "subscription__user_id"),
        "": ("user__email", "subscription__user__email"),
    }
    search_help_text = _("Id of a seat, subscription or user, or the member's or owner's e-mail address")
    ordering = ("-id",)
    fields = (
        ("id", "state"),
        ("subscription", "owner"),
        ("user", "accepted_at"),
        ("expires_at", "removed_at"),
        ("removed_by", "created_at"),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Seat]":
        """Unseals nothing."""
        rows: QuerySet[Seat] = super().get_queryset(request)
        return rows.defer("email")

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: Seat) -> SafeString:
        return state_label(row.status, row.get_status_display())

    @admin.display(description=_("Owner"))
    def owner(self, row: Seat) -> str:
        return str(row.subscription.user)
