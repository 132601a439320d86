"""Orders, payments and refunds as a merchant's people see them: their own, and without the platform's inner matters
(routing, risk, the provider's fees)."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from merchants.console import FINANCE, MerchantScopedAdmin, active_membership, may_act
from paycore.sites import merchant_site
from payments.admin.amount_forms import AmountForm, AmountLeftChanged
from payments.admin.exports import ExportedOrders, ExportedPayments, ExportedRefunds
from payments.admin.filters import CurrencyFilter, MadeBetweenFilter, MethodFilter
from payments.admin.order_pages import OrderColumns
from payments.admin.pages import MoneyPage, Panel, asks_first
from payments.admin.panels import disputes_panel, lines_panel, payments_panel, refunds_panel
from payments.admin.payment_links import PaymentLinks
from payments.admin.payment_pages import PaymentColumns
from payments.admin.refund_pages import RefundColumns
from payments.admin.timeline import timeline_panel
from payments.orders.models import Order, Payment, Refund
from payments.orders.queries import Viewer, payments_of
from payments.orders.refunds import RefundOrder, lock_payment, request_refund


class OwnPage(MoneyPage, MerchantScopedAdmin):
    """Without the row's history: it names the platform's staff and what they did."""

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **options: Any) -> HttpResponse:
        return super().render_change_form(request, context | {"show_history": False}, **options)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        raise Http404


@admin.register(Order, site=merchant_site)
class OwnOrderAdmin(PaymentLinks, ExportedOrders, OrderColumns, OwnPage):
    list_display = ("id", "state", "total", "merchant_order_number", "short_description", "made")
    list_filter = (("status", ChoicesDropdownFilter), CurrencyFilter, ("created_at", MadeBetweenFilter))
    searches: ClassVar = {
        "ord_": ("id", "merchant_order_number"),
        "pay_": ("payments__id", "merchant_order_number"),
        "ref_": ("payments__refunds__id", "merchant_order_number"),
        "": ("merchant_order_number",),
    }
    search_help_text = _("Your order number, or the id of an order, payment or refund")
    ordering = ("-id",)
    fieldsets = (
        (
            None,
            {"fields": (("id", "state"), ("total", "refunded"), ("merchant_order_number", "disputed"), "description")},
        ),
        (_("Dates"), {"fields": (("created_at", "paid_at"), "expires_at")}),
        (_("Your notes"), {"fields": ("notes",)}),
    )

    def panels(self, request: HttpRequest, row: Order) -> Sequence[Panel]:
        refunds = list(Refund.objects.filter(payment__order=row).order_by("-id"))
        shown = [lines_panel(row), payments_panel(row, site="merchant", is_staff=False)]
        return [*shown, refunds_panel(refunds, site="merchant")] if refunds else shown


class RefundForm(AmountForm):
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 3}))

    def payments(self) -> Any:
        membership = active_membership(self.request)
        return payments_of(Viewer(merchant_id=membership.merchant_id if membership else None))

    def left_minor(self, payment: Payment) -> int:
        return payment.refundable.minor


@admin.register(Payment, site=merchant_site)
class OwnPaymentAdmin(ExportedPayments, PaymentColumns, OwnPage):
    merchant_lookup = "order__merchant"
    list_display = ("id", "state", "total", "way", "order_number", "refunded", "made")
    list_select_related = ("order",)
    list_filter = (("status", ChoicesDropdownFilter), MethodFilter, CurrencyFilter, ("created_at", MadeBetweenFilter))
    searches: ClassVar = {
        "pay_": ("id", "order__merchant_order_number"),
        "ord_": ("order_id", "order__merchant_order_number"),
        "ref_": ("refunds__id", "order__merchant_order_number"),
        "": ("order__merchant_order_number",),
    }
    search_help_text = _("Your order number, or the id of a payment, order or refund")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "state"), ("total", "way"), ("order", "order_number"), "failure")}),
        (_("Amounts"), {"fields": (("authorized", "captured"), ("refunded", "refunds_under_way"), "disputed")}),
        (_("Dates"), {"fields": (("created_at", "succeeded_at"),)}),
    )
    actions_detail = ("ask_refund",)

    @admin.display(description=_("Your order number"))
    def order_number(self, payment: Payment) -> str:
        return payment.order.merchant_order_number

    def panels(self, request: HttpRequest, row: Payment) -> Sequence[Panel]:
        shown = [refunds_panel(row.refunds.order_by("-id"), site="merchant")]
        return [*shown, disputes_panel(row, site="merchant")] if row.disputes.exists() else shown

    def fitting_actions(self, row: Payment) -> Collection[str]:
        return {"ask_refund"} if row.refundable.is_positive and not row.is_surplus else ()

    def has_ask_refund_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return may_act(request, FINANCE)

    @asks_first(
        title=_("Request a refund"),
        text=_("The amount is set aside at once. Above your limit the platform reviews the request before it is sent."),
        submit=_("Request"),
        permission="ask_refund",
        icon="undo",
        variant=ActionVariant.PRIMARY,
        form=RefundForm,
    )
    def ask_refund(self, request: HttpRequest, form: RefundForm, object_id: str) -> HttpResponse:
        payment = self.require_row(request, object_id)
        return self.carry_out(
            request, payment, lambda: _request_refund(payment.id, form, str(request.user.pk)), done=_what_follows
        )


def _request_refund(payment_id: str, form: RefundForm, user_id: str) -> Refund:
    with transaction.atomic():
        _order, payment = lock_payment(payment_id)
        if payment.refundable.minor != form.cleaned_data["left"]:
            raise AmountLeftChanged
        return request_refund(
            RefundOrder(
                payment_id=payment_id, amount=form.amount, reason=form.cleaned_data["reason"], requested_by=user_id
            )
        )


def _what_follows(refund: Refund) -> str:
    if refund.status == Refund.Status.REQUESTED:
        return gettext("The refund was requested and waits for the platform's review.")
    return gettext("The refund was requested and is being sent.")


@admin.register(Refund, site=merchant_site)
class OwnRefundAdmin(ExportedRefunds, RefundColumns, OwnPage):
    merchant_lookup = "payment__order__merchant"
    list_display = ("id", "state", "total", "order_number", "short_reason", "made")
    list_select_related = ("payment__order",)
    list_filter = (("status", ChoicesDropdownFilter), CurrencyFilter, ("created_at", MadeBetweenFilter))
    searches: ClassVar = {
        "ref_": ("id", "payment__order__merchant_order_number"),
        "pay_": ("payment_id", "payment__order__merchant_order_number"),
        "ord_": ("payment__order_id", "payment__order__merchant_order_number"),
        "": ("payment__order__merchant_order_number",),
    }
    search_help_text = _("Your order number, or the id of a refund, payment or order")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "state"), ("total", "payment"), "reason")}),
        (_("Decision"), {"fields": ("review_note", "failure_code")}),
        (_("Dates"), {"fields": (("created_at", "succeeded_at"),)}),
    )

    def panels(self, request: HttpRequest, row: Refund) -> Sequence[Panel]:
        return (timeline_panel(row, is_staff=False),)

    @admin.display(description=_("Your order number"))
    def order_number(self, refund: Refund) -> str:
        return refund.payment.order.merchant_order_number
