"""What became of a merchant's events, for its owners and developers: the delivery log and the feed."""

from collections.abc import Collection
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.enums import ActionVariant

from merchants.admin.webhook_columns import DeliveryColumns, EventColumns, EventTypeFilter, OwnTypeFilter
from merchants.console import DEVELOPERS, MerchantScopedAdmin, active_membership, may_act
from merchants.models import WebhookDelivery, WebhookEvent
from merchants.webhooks import services
from paycore.errors import PaycoreError
from paycore.sites import merchant_site
from paycore.sites.dialogs import asks_first
from paycore.sites.filters import MadeBetweenFilter


class OwnEndpointFilter(DropdownFilter):  # type: ignore[misc]  # Unfold ships no types
    title = _("endpoint")
    parameter_name = "endpoint"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        membership = active_membership(request)
        rows = services.endpoints_of(membership.merchant_id) if membership else ()
        return [(endpoint.id, endpoint.url) for endpoint in rows]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.filter(endpoint_id=self.value()) if self.value() else queryset


@admin.register(WebhookDelivery, site=merchant_site)
class OwnDeliveryAdmin(DeliveryColumns, MerchantScopedAdmin):
    view_roles = DEVELOPERS
    list_display = ("event_type", "state", "address", "outcome", "attempts", "made")
    list_select_related = ("endpoint",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        EventTypeFilter,
        OwnEndpointFilter,
        ("created_at", MadeBetweenFilter),
    )
    search_fields = ("id__exact", "event_id__exact", "event__object_id__exact")
    search_help_text = _("Id of a delivery, of its event, or of the order, payment or refund that it is about")
    ordering = ("-id",)
    fields = (
        ("id", "state"),
        ("event_type", "event_page"),
        "address",
        ("attempts", "next_attempt_at"),
        ("outcome", "delivered_at"),
        "content",
    )
    actions = ("resend",)
    actions_detail = ("resend_this",)

    def fitting_actions(self, row: WebhookDelivery) -> Collection[str]:
        return {"resend_this"} if row.endpoint.is_enabled else ()

    def has_manage_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return may_act(request, DEVELOPERS)

    @admin.action(description=_("Send again"), permissions=["manage"])
    def resend(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        count = 0
        for delivery_id, merchant_id in queryset.values_list("id", "merchant_id"):
            try:
                services.resend(merchant_id=merchant_id, delivery_id=delivery_id)
                count += 1
            except PaycoreError as refusal:
                self.message_user(request, f"{delivery_id}: {refusal.title}", messages.ERROR)
        text = ngettext("%(count)d delivery is sent again.", "%(count)d deliveries are sent again.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS if count else messages.WARNING)

    @asks_first(
        title=_("Send again"),
        text=_("The same event with the same id is sent now, from the first attempt."),
        submit=_("Send"),
        permission="manage",
        icon="replay",
        variant=ActionVariant.PRIMARY,
    )
    def resend_this(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: services.resend(merchant_id=row.merchant_id, delivery_id=row.id),
            done=lambda _answer: gettext("It is on its way."),
        )


@admin.register(WebhookEvent, site=merchant_site)
class OwnEventAdmin(EventColumns, MerchantScopedAdmin):
    view_roles = DEVELOPERS
    list_display = ("position", "type", "object_id", "sequence", "happened", "id")
    list_display_links = ("position", "id")
    list_filter = (OwnTypeFilter, ("created_at", MadeBetweenFilter))
    search_fields = ("id__exact", "object_id__exact")
    search_help_text = _("Id of an event, or of the order, payment or refund that it is about")
    ordering = ("-position",)
    fields = (("id", "position"), ("type", "happened"), ("object_id", "sequence"), "content")
