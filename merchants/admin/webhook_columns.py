"""How webhooks look, on both consoles: endpoints, events, deliveries and what became of each attempt."""

import json
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter
from unfold.paginator import InfinitePaginator
from unfold.utils import display_for_label

from accounts.models import User
from merchants.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from merchants.webhooks.event_types import EVENT_TYPES, TEST_EVENT
from paycore.sites.columns import page_link, tag
from paycore.sites.pages import FactsPage, Panel, moment

NEWEST = 50
_COLOURS = {
    "enabled": "success",
    "disabled": "default",
    "disabled_by_failures": "danger",
    "deleted": "default",
    "pending": "info",
    "delivered": "success",
    "failed": "danger",
}
_ERRORS = {
    "timed_out": _("No answer in time"),
    "not_reached": _("Not reached"),
    "connection_lost": _("The connection broke"),
    "address_refused": _("The address is not on the public internet"),
    "answer_too_large": _("The answer is too large"),
    "redirect_not_followed": _("A redirect, which is not followed"),
    "status_not_2xx": _("The answer is not 2xx"),
    "endpoint_gone": _("The endpoint said that it is gone"),
    "endpoint_not_enabled": _("The endpoint was disabled"),
    "abandoned": _("Given up after ten attempts that did not end"),
}


class WebhookPage(FactsPage):
    """Lists without COUNT; searches by equality, for which there are indexes."""

    paginator = InfinitePaginator
    list_per_page = 50
    list_filter_submit = True
    list_fullwidth = True
    list_disable_select_all = True
    show_full_result_count = False
    site_name = "merchant"


class EventTypeFilter(DropdownFilter):  # type: ignore[misc]  # Unfold ships no types
    title = _("event type")
    parameter_name = "event_type"
    column = "event_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in (*sorted(EVENT_TYPES), TEST_EVENT)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


class OwnTypeFilter(EventTypeFilter):
    column = "type"


class EndpointColumns(WebhookPage):
    @admin.display(description=_("Status"), ordering="status")
    def state(self, endpoint: WebhookEndpoint) -> SafeString:
        shown = state_label(endpoint.status, endpoint.get_status_display())
        is_failing = endpoint.failing_since and endpoint.is_enabled
        return format_html("{} {}", shown, tag(_("Failing"), "warning")) if is_failing else shown

    @admin.display(description=_("Hears of"))
    def kinds(self, endpoint: WebhookEndpoint) -> str:
        return ", ".join(endpoint.event_types) or gettext("everything")

    @admin.display(description=_("Why disabled"))
    def reason(self, endpoint: WebhookEndpoint) -> str:
        reasons = {
            "answered_410": gettext("It answered 410 Gone"),
            "only_failures": gettext("Every attempt failed for days"),
        }
        return reasons.get(endpoint.disabled_reason, endpoint.disabled_reason) or "–"

    @admin.display(description=_("Created"), ordering="pk")
    def made(self, row: Any) -> SafeString | str:
        return moment(row.created_at)

    def panels(self, request: HttpRequest, row: WebhookEndpoint) -> Sequence[Panel]:
        return deliveries_panel(row, site=self.site_name), deeds_panel(row)


class EventColumns(WebhookPage):
    @admin.display(description=_("Happened"), ordering="position")
    def happened(self, event: WebhookEvent) -> SafeString | str:
        return moment(event.occurred_at)

    @admin.display(description=_("Content"))
    def content(self, event: WebhookEvent) -> SafeString:
        return shown_json(event.body)

    def panels(self, request: HttpRequest, row: WebhookEvent) -> Sequence[Panel]:
        rows = [
            (
                page_link(self.site_name, "merchants_webhookdelivery", delivery.id),
                delivery.endpoint.url,
                state_label(delivery.status, delivery.get_status_display()),
                moment(delivery.delivered_at),
            )
            for delivery in row.deliveries.select_related("endpoint").defer(*SECRETS).order_by("-id")[:NEWEST]
        ]
        headers = (_("Delivery"), _("Endpoint"), _("Status"), _("Delivered"))
        return (Panel(title=_("Deliveries"), headers=headers, rows=rows, empty=_("No endpoint wanted it.")),)


SECRETS = ("endpoint__secret", "endpoint__previous_secret")


class DeliveryColumns(WebhookPage):
    @admin.display(description=_("Status"), ordering="status")
    def state(self, delivery: WebhookDelivery) -> SafeString:
        return state_label(delivery.status, delivery.get_status_display())

    @admin.display(description=_("Last answer"))
    def outcome(self, delivery: WebhookDelivery) -> str:
        return outcome_text(delivery.last_status_code, delivery.last_error)

    @admin.display(description=_("Endpoint"))
    def address(self, delivery: WebhookDelivery) -> str:
        return delivery.endpoint.url

    @admin.display(description=_("Event"))
    def event_page(self, delivery: WebhookDelivery) -> SafeString:
        return page_link(self.site_name, "merchants_webhookevent", delivery.event_id)

    @admin.display(description=_("Created"), ordering="pk")
    def made(self, delivery: WebhookDelivery) -> SafeString | str:
        return moment(delivery.created_at)

    @admin.display(description=_("Content"))
    def content(self, delivery: WebhookDelivery) -> SafeString:
        return shown_json(delivery.event.body)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer(*SECRETS)

    def panels(self, request: HttpRequest, row: WebhookDelivery) -> Sequence[Panel]:
        return (attempts_panel(row),)


def state_label(status: str, text: Any) -> SafeString:
    label: SafeString = display_for_label((status, str(text)), "–", _COLOURS)
    return label


def outcome_text(status_code: int | None, error: str) -> str:
    told = str(_ERRORS.get(error, error.replace("_", " ")))
    return " · ".join(filter(None, [str(status_code or ""), told])) or "–"


def shown_json(text: str) -> SafeString:
    return format_html('<pre class="paycore-json">{}</pre>', json.dumps(json.loads(text), indent=2, ensure_ascii=False))


def attempts_panel(delivery: WebhookDelivery) -> Panel:
    rows = [
        (
            moment(attempt.started_at),
            outcome_text(attempt.status_code, attempt.error_code),
            gettext("%(count)d ms") % {"count": attempt.duration_ms},
            format_html('<pre class="paycore-json">{}</pre>', attempt.response_excerpt)
            if attempt.response_excerpt
            else "–",
        )
        for attempt in delivery.log.order_by("-id")[:NEWEST]
    ]
    headers = (_("When"), _("Outcome"), _("Duration"), _("Beginning of the answer"))
    return Panel(title=_("Attempts"), headers=headers, rows=rows, numbers={2}, empty=_("Not tried yet."))


def deliveries_panel(endpoint: WebhookEndpoint, *, site: str) -> Panel:
    rows = [
        (
            page_link(site, "merchants_webhookdelivery", delivery.id, text=delivery.event_type),
            state_label(delivery.status, delivery.get_status_display()),
            outcome_text(delivery.last_status_code, delivery.last_error),
            delivery.attempts,
            moment(delivery.created_at),
        )
        for delivery in endpoint.deliveries.order_by("-id")[:20]
    ]
    headers = (_("Event"), _("Status"), _("Last answer"), _("Attempts"), _("Created"))
    return Panel(title=_("Newest deliveries"), headers=headers, rows=rows, numbers={3})


def deeds_panel(endpoint: WebhookEndpoint) -> Panel:
    """The journal. A person's name is shown where the actor is one; a key's id where it is a key."""
    deeds = list(endpoint.deeds.order_by("-id")[:NEWEST])
    users = User.objects.filter(pk__in=[deed.actor for deed in deeds if deed.actor.startswith("usr_")])
    people = {user.pk: user.name or user.email or user.pk for user in users}
    rows = [
        (moment(deed.done_at), deed.get_kind_display(), people.get(deed.actor, deed.actor), deed.detail or "–")
        for deed in deeds
    ]
    return Panel(title=_("Journal"), headers=(_("When"), _("What"), _("Who"), _("Details")), rows=rows)
