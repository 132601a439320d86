"""Orders and checkout sessions, for staff."""

from collections.abc import Sequence
from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.template.defaultfilters import truncatechars
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import facts, money, money_or_none, state_label
from payments.admin.filters import CurrencyFilter, MadeBetweenFilter
from payments.admin.pages import MoneyPage, Panel
from payments.admin.panels import (
    events_panel,
    lines_panel,
    payments_panel,
    refunds_panel,
    sessions_panel,
    transfers_panel,
)
from payments.checkout.models import CheckoutSession
from payments.orders.models import Order, Refund


class OrderColumns(MoneyPage):
    """How an order's facts look, on both consoles."""

    @admin.display(description=_("Status"), ordering="status")
    def state(self, order: Order) -> SafeString:
        return state_label(order.status, order.get_status_display())

    @admin.display(description=_("Amount"), ordering="amount_minor")
    def total(self, order: Order) -> str:
        return money(order.amount_minor, order.currency)

    @admin.display(description=_("Refunded"))
    def refunded(self, order: Order) -> str:
        return money_or_none(order.refunded_minor, order.currency)

    @admin.display(description=_("Taken back by disputes"))
    def disputed(self, order: Order) -> str:
        return money_or_none(sum(order.payments.values_list("disputed_minor", flat=True)), order.currency)

    @admin.display(description=_("Description"))
    def short_description(self, order: Order) -> str:
        return truncatechars(order.description, 40)

    @admin.display(description=_("Metadata"))
    def notes(self, order: Order) -> SafeString | str:
        return facts(order.metadata)


@admin.register(Order, site=ops_site)
class OrderAdmin(OrderColumns, ReadOnlyAdmin):
    list_display = ("id", "state", "total", "merchant", "short_description", "made")
    list_select_related = ("merchant",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        CurrencyFilter,
        ("merchant", AutocompleteSelectFilter),
        ("created_at", MadeBetweenFilter),
    )
    searches: ClassVar = {
        "ord_": ("id",),
        "pay_": ("payments__id",),
        "ref_": ("payments__refunds__id",),
        "cs_": ("checkout_sessions__id",),
        "usr_": ("user_id",),
        "": ("merchant_order_number",),
    }
    search_help_text = _("Id of an order, payment, refund, session or user, or the merchant's order number")
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("id", "state"),
                    ("total", "refunded"),
                    ("disputed", "description"),
                    ("merchant", "merchant_order_number"),
                )
            },
        ),
        (_("Payer"), {"fields": (("user", "capture_method"),)}),
        (_("Dates"), {"fields": (("created_at", "paid_at"), ("expires_at", "next_attempt_at"))}),
        (_("Merchant's notes"), {"fields": ("notes",)}),
    )

    def panels(self, request: HttpRequest, row: Order) -> Sequence[Panel]:
        payments = list(row.payments.values_list("id", flat=True))
        refunds = list(Refund.objects.filter(payment_id__in=payments).order_by("-id"))
        shown = [lines_panel(row), payments_panel(row, site="ops", is_staff=True)]
        shown += [refunds_panel(refunds, site="ops")] if refunds else []
        shown.append(sessions_panel(row, site="ops"))
        about = [("payment", payment_id) for payment_id in payments] + [("refund", refund.id) for refund in refunds]
        if request.user.has_perm("payments.view_transfer"):
            shown.append(transfers_panel(about))
        shown.append(events_panel([row.id, *(object_id for _kind, object_id in about)], site="ops"))
        return shown


@admin.register(CheckoutSession, site=ops_site)
class CheckoutSessionAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "order", "amount", "created_by", "made")
    list_select_related = ("order",)
    list_filter = (("created_at", MadeBetweenFilter),)
    searches: ClassVar = {"cs_": ("id",), "ord_": ("order_id",)}
    search_help_text = _("Id of a session or an order")
    ordering = ("-id",)
    fields = (("id", "order"), ("amount", "created_by"), "success_url", "cancel_url", "created_at")

    @admin.display(description=_("Amount"))
    def amount(self, session: CheckoutSession) -> str:
        return money(session.order.amount_minor, session.order.currency)
