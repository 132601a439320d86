"""Merchants' webhooks as staff see them: to look at, and never a secret."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from merchants.admin.webhook_columns import (
    DeliveryColumns,
    EndpointColumns,
    EventColumns,
    EventTypeFilter,
    OwnTypeFilter,
)
from merchants.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from paycore.sites import ops_site
from paycore.sites.filters import MadeBetweenFilter
from paycore.sites.read_only import ReadOnlyAdmin


@admin.register(WebhookEndpoint, site=ops_site)
class EndpointAdmin(EndpointColumns, ReadOnlyAdmin):
    site_name = "ops"
    list_display = ("url", "state", "merchant", "kinds", "made")
    list_select_related = ("merchant",)
    list_filter = (("status", ChoicesDropdownFilter), ("merchant", AutocompleteSelectFilter))
    search_fields = ("id__exact", "merchant_id__exact", "url")
    search_help_text = _("Id of an endpoint or a merchant, or a part of the address")
    ordering = ("-id",)
    fields = (
        ("id", "merchant"),
        ("url", "description"),
        ("state", "reason"),
        "kinds",
        ("failing_since", "hold_until"),
        ("secret_version", "previous_secret_until"),
        ("created_by", "made"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.defer("secret", "previous_secret")


@admin.register(WebhookDelivery, site=ops_site)
class DeliveryAdmin(DeliveryColumns, ReadOnlyAdmin):
    site_name = "ops"
    list_display = ("event_type", "state", "merchant", "address", "outcome", "attempts", "made")
    list_select_related = ("endpoint", "merchant")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        EventTypeFilter,
        ("merchant", AutocompleteSelectFilter),
        ("created_at", MadeBetweenFilter),
    )
    search_fields = ("id__exact", "event_id__exact", "endpoint_id__exact", "event__object_id__exact")
    search_help_text = _("Id of a delivery, an event, an endpoint, or of what the event is about")
    ordering = ("-id",)
    fields = (
        ("id", "state"),
        ("merchant", "address"),
        ("event_type", "event_page"),
        ("attempts", "next_attempt_at"),
        ("outcome", "delivered_at"),
    )


@admin.register(WebhookEvent, site=ops_site)
class EventAdmin(EventColumns, ReadOnlyAdmin):
    site_name = "ops"
    list_display = ("id", "type", "merchant", "position", "object_id", "sequence", "happened")
    list_select_related = ("merchant",)
    list_filter = (OwnTypeFilter, ("merchant", AutocompleteSelectFilter), ("created_at", MadeBetweenFilter))
    search_fields = ("id__exact", "object_id__exact", "merchant_id__exact")
    search_help_text = _("Id of an event, a merchant, or of what the event is about")
    ordering = ("-id",)
    fields = (("id", "merchant"), ("type", "position"), ("object_id", "sequence"), "happened", "content")
