"""What gateways told us, for staff."""

import json
from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import moment, tag
from payments.admin.filters import MadeBetweenFilter
from payments.admin.pages import MoneyPage
from payments.webhooks.models import WebhookReceipt


@admin.register(WebhookReceipt, site=ops_site)
class WebhookReceiptAdmin(MoneyPage, ReadOnlyAdmin):
    """The body may name people: only who may view callbacks reads it, parsed, and no list or search touches it."""

    list_display = ("id", "event_type", "standing", "gateway_account", "event_id", "received")
    list_select_related = ("gateway_account",)
    list_filter = (("gateway_account", AutocompleteSelectFilter), ("received_at", MadeBetweenFilter))
    searches: ClassVar = {"whr_": ("id",), "": ("event_id",)}
    search_help_text = _("Id of a receipt, or the provider's event id")
    ordering = ("-id",)
    fields = (
        ("id", "standing"),
        ("event_type", "event_id"),
        "gateway_account",
        ("received_at", "processed_at"),
        "content",
    )

    @admin.display(description=_("Status"))
    def standing(self, receipt: WebhookReceipt) -> SafeString:
        return tag(_("Processed"), "success") if receipt.processed_at else tag(_("Waiting"), "warning")

    @admin.display(description=_("Received"), ordering="id")
    def received(self, receipt: WebhookReceipt) -> SafeString | str:
        return moment(receipt.received_at)

    @admin.display(description=_("Content"))
    def content(self, receipt: WebhookReceipt) -> SafeString | str:
        body = bytes(receipt.body)
        try:
            text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            return gettext("%(count)d bytes that are not JSON") % {"count": len(body)}
        return format_html('<pre class="paycore-json">{}</pre>', text)

    def get_fields(self, request: HttpRequest, obj: WebhookReceipt | None = None) -> tuple[object, ...]:
        may_read = request.user.has_perm("payments.view_webhookreceipt")
        return self.fields if may_read else self.fields[:-1]
