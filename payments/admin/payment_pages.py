"""Payments, for staff: what is known, why, and what may be done about it."""

from collections.abc import Collection, Sequence
from typing import ClassVar

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.enums import ActionVariant

from paycore.clock import database_now
from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.amount_forms import AmountForm, AmountLeftChanged
from payments.admin.columns import facts, moment, money, money_or_none, state_label
from payments.admin.filters import CurrencyFilter, MadeBetweenFilter, MethodFilter
from payments.admin.pages import MoneyPage, Panel, asks_first
from payments.admin.panels import (
    captures_panel,
    disputes_panel,
    events_panel,
    evidence_panel,
    failure,
    payment_state,
    refunds_panel,
    risk_text,
    said,
    transfers_panel,
)
from payments.admin.routing_panels import routing_panels
from payments.checkout.presentation import method_name
from payments.orders.captures import request_capture, send_capture, void_payment
from payments.orders.models import Capture, Evidence, Order, Payment
from payments.orders.refunds import lock_payment
from payments.orders.surplus import accept_surplus, refund_surplus
from payments.orders.syncing import sync_payment
from payments.orders.transitions import ORDER


class PaymentColumns(MoneyPage):
    """How a payment's facts look, on both consoles."""

    @admin.display(description=_("Status"), ordering="status")
    def state(self, payment: Payment) -> SafeString:
        label: SafeString = payment_state(payment)
        return label

    @admin.display(description=_("Amount"), ordering="amount_minor")
    def total(self, payment: Payment) -> str:
        return money(payment.amount_minor, payment.currency)

    @admin.display(description=_("Method"), ordering="method")
    def way(self, payment: Payment) -> str:
        return method_name(payment.method)

    @admin.display(description=_("Authorized"))
    def authorized(self, payment: Payment) -> str:
        return money_or_none(payment.authorized_minor, payment.currency)

    @admin.display(description=_("Captured"))
    def captured(self, payment: Payment) -> str:
        return money_or_none(payment.captured_minor, payment.currency)

    @admin.display(description=_("Refunded"))
    def refunded(self, payment: Payment) -> str:
        return money_or_none(payment.refunded_minor, payment.currency)

    @admin.display(description=_("Taken back by disputes"))
    def disputed(self, payment: Payment) -> str:
        return money_or_none(payment.disputed_minor, payment.currency)

    @admin.display(description=_("Refunds under way"))
    def refunds_under_way(self, payment: Payment) -> str:
        return money_or_none(payment.refund_pending_minor, payment.currency)

    @admin.display(description=_("Provider's fee"))
    def fee(self, payment: Payment) -> str:
        return money_or_none(payment.fee_minor, payment.currency)

    @admin.display(description=_("Failure"))
    def failure(self, payment: Payment) -> str:
        return failure(payment)


class CaptureForm(AmountForm):
    """How much of the held money to take."""

    is_final = AmountForm.yes_or_no(label=_("Let the rest go"), initial=True)

    def left_minor(self, payment: Payment) -> int:
        return payment.authorized_minor - payment.captured_minor


@admin.register(Payment, site=ops_site)
class PaymentAdmin(PaymentColumns, ReadOnlyAdmin):
    list_display = ("id", "state", "total", "way", "merchant", "gateway_account", "made")
    list_select_related = ("order__merchant", "gateway_account")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("hold", ChoicesDropdownFilter),
        MethodFilter,
        CurrencyFilter,
        ("order__merchant", AutocompleteSelectFilter),
        ("gateway_account", AutocompleteSelectFilter),
        ("created_at", MadeBetweenFilter),
    )
    searches: ClassVar = {
        "pay_": ("id", "gateway_reference"),
        "ord_": ("order_id",),
        "ref_": ("refunds__id",),
        "": ("gateway_reference", "order__merchant_order_number"),
    }
    search_help_text = _("Id of a payment, order or refund, the gateway's reference or the merchant's order number")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "state"), ("total", "way"), ("order", "merchant"), "failure")}),
        (
            _("Amounts"),
            {"fields": (("authorized", "captured"), ("refunded", "refunds_under_way"), ("disputed", "fee"))},
        ),
        (_("At the gateway"), {"fields": (("gateway_account", "gateway_reference"), "next_step")}),
        (_("Risk"), {"fields": ("risk_decision",)}),
        (_("Dates"), {"fields": (("created_at", "succeeded_at"), ("next_attempt_at", "poll_attempts"))}),
    )
    actions_detail = ("ask_gateway", "capture", "void", "accept", "send_back")

    @admin.display(description=_("Merchant"))
    def merchant(self, payment: Payment) -> str:
        return payment.order.merchant.name

    @admin.display(description=_("What the payer must do"))
    def next_step(self, payment: Payment) -> SafeString | str:
        return facts({name: value for name, value in (payment.action or {}).items() if value})

    @admin.display(description=_("Decision"))
    def risk_decision(self, payment: Payment) -> SafeString | str:
        return risk_text(payment)

    def panels(self, request: HttpRequest, row: Payment) -> Sequence[Panel]:
        refunds = list(row.refunds.order_by("-id"))
        shown = [refunds_panel(refunds, site="ops")]
        if row.disputes.exists():
            shown.append(disputes_panel(row, site="ops"))
        if row.captures.exists():
            shown.append(captures_panel(row))
        shown += [*routing_panels(row, site="ops"), evidence_panel(row.id)]
        if request.user.has_perm("payments.view_transfer"):
            shown.append(transfers_panel([("payment", row.id), *(("refund", refund.id) for refund in refunds)]))
        shown.append(events_panel([row.id, *(refund.id for refund in refunds)], site="ops"))
        return shown

    def fitting_actions(self, row: Payment) -> Collection[str]:
        fitting = set() if row.is_final else {"ask_gateway"}
        if row.status == Payment.Status.AUTHORIZED:
            fitting |= {"capture", "void"} if not row.captured_minor else {"capture"}
        if row.is_surplus and row.refundable.is_positive:
            fitting.add("send_back")
            if ORDER.allows(row.order.status, Order.Status.OPEN) and row.refundable.minor == row.captured_minor:
                fitting.add("accept")
        return fitting

    @asks_first(
        title=_("Ask the gateway now"),
        text=_("What the gateway says is recorded and may move the payment on, as if it had been asked on schedule."),
        submit=_("Ask"),
        permission="operate",
        icon="sync",
        variant=ActionVariant.PRIMARY,
    )
    def ask_gateway(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        payment = self.require_row(request, object_id)
        return self.carry_out(
            request,
            payment,
            lambda: sync_payment(payment.id, now=database_now()),
            done=lambda answer: (
                gettext("The gateway was asked. Status: %(status)s") % {"status": answer.get_status_display()}
            ),
        )

    @asks_first(
        title=_("Capture"),
        text=_("Takes held money. What is let go cannot be taken later."),
        submit=_("Capture"),
        permission="operate",
        icon="download",
        variant=ActionVariant.PRIMARY,
        form=CaptureForm,
    )
    def capture(self, request: HttpRequest, form: CaptureForm, object_id: str) -> HttpResponse:
        payment = self.require_row(request, object_id)
        return self.carry_out(
            request,
            payment,
            lambda: _capture(payment.id, form),
            done=lambda capture: gettext("Capture %(id)s: %(status)s") % {"id": capture.id, "status": capture.status},
        )

    @asks_first(
        title=_("Let the money go"),
        text=_("The hold on the payer's money ends. Nothing is taken, and nothing can be taken later."),
        submit=_("Let go"),
        permission="operate",
        icon="lock_open",
        variant=ActionVariant.DANGER,
    )
    def void(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        payment = self.require_row(request, object_id)
        return self.carry_out(
            request,
            payment,
            lambda: void_payment(payment.id),
            done=lambda answer: (
                gettext("The gateway was asked. Status: %(status)s") % {"status": answer.get_status_display()}
            ),
        )

    @asks_first(
        title=_("Give it to the order"),
        text=_(
            "The order is re-opened and paid with this money, and whoever waits for the order hears that it is paid."
        ),
        submit=_("Give it to the order"),
        permission="operate",
        icon="move_down",
    )
    def accept(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        payment = self.require_row(request, object_id)
        return self.carry_out(
            request,
            payment,
            lambda: accept_surplus(payment.id, decided_by=str(request.user.pk)),
            done=lambda order: gettext("The money was given to the order, which is now paid."),
        )

    @asks_first(
        title=_("Refund surplus"),
        text=_("All of it goes back to the payer."),
        submit=_("Refund"),
        permission="operate",
        icon="undo",
        variant=ActionVariant.DANGER,
    )
    def send_back(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        payment = self.require_row(request, object_id)
        return self.carry_out(
            request,
            payment,
            lambda: refund_surplus(payment.id, requested_by=str(request.user.pk)),
            done=lambda nothing: gettext("The money is on its way back to the payer."),
        )


def _capture(payment_id: str, form: CaptureForm) -> Capture:
    """Intent first, then the gateway, with no transaction open."""
    with transaction.atomic():
        _order, payment = lock_payment(payment_id)
        if form.left_minor(payment) != form.cleaned_data["left"]:
            raise AmountLeftChanged
        capture = request_capture(payment_id, amount=form.amount, is_final=form.cleaned_data["is_final"])
    return send_capture(capture.id)


@admin.register(Capture, site=ops_site)
class CaptureAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "state", "amount", "payment", "is_final", "made")
    list_select_related = ("payment",)
    list_filter = (("created_at", MadeBetweenFilter),)
    searches: ClassVar = {"cap_": ("id",), "pay_": ("payment_id",)}
    search_help_text = _("Id of a capture or a payment")
    ordering = ("-id",)
    fields = (("id", "state"), ("amount", "is_final"), ("payment", "failure_code"), ("attempts", "created_at"))

    @admin.display(description=_("Status"), ordering="status")
    def state(self, capture: Capture) -> SafeString:
        words = {"submitting": _("Sent, outcome unknown"), "succeeded": _("Succeeded"), "failed": _("Failed")}
        return state_label(capture.status, words.get(capture.status, capture.status))

    @admin.display(description=_("Amount"), ordering="amount_minor")
    def amount(self, capture: Capture) -> str:
        return money(capture.amount_minor, capture.payment.currency)


@admin.register(Evidence, site=ops_site)
class EvidenceAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "object_id", "source", "outcome", "is_applied", "note", "received")
    list_filter = (("source", ChoicesDropdownFilter), "is_applied")
    searches: ClassVar = {"": ("object_id",)}
    search_help_text = _("Id of a payment or a refund")
    ordering = ("-id",)
    fields = (("object_id", "source"), ("outcome", "is_applied"), "note", "details_said", "received_at")

    @admin.display(description=_("Received"), ordering="id")
    def received(self, evidence: Evidence) -> SafeString | str:
        return moment(evidence.received_at)

    @admin.display(description=_("Details"))
    def details_said(self, evidence: Evidence) -> SafeString | str:
        return facts(said(evidence))
