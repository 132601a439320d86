"""Invoices that a subscription has open: let go before something else takes their place.

A gateway may still take money for an order: :func:`close_at_gateway` asks it to close what is live, with no transaction
open; then :func:`cancel_open_orders` ends the orders in the transaction of the change, which refuses when a payment is
live again. An order is locked before its subscription.
"""

from collections.abc import Sequence
from datetime import datetime

from memberships.invoices.paying import mark_void
from memberships.models import Invoice, Subscription
from memberships.subscriptions.change_codes import free_code
from memberships.subscriptions.recording import Why
from payments.errors import OrderNotOpen, PaymentInProgress
from payments.orders.models import Order, Payment
from payments.orders.services import cancel_order, close_payment
from payments.orders.transitions import LIVE_PAYMENT

ANY_KIND = (Invoice.Kind.START, Invoice.Kind.RENEWAL, Invoice.Kind.CHANGE)


def open_invoices(subscription_id: str, *, kinds: Sequence[str] = ANY_KIND) -> list[Invoice]:
    unpaid = (Invoice.Status.OPEN, Invoice.Status.UNCOLLECTIBLE)
    rows = Invoice.objects.filter(subscription_id=subscription_id, kind__in=kinds, status__in=unpaid)
    return list(rows.select_related("order").order_by("id"))


def close_at_gateway(subscription_id: str, *, kinds: Sequence[str] = ANY_KIND) -> None:
    """Ask the gateways to close every live attempt to pay an open invoice. Changes no membership."""
    orders = [invoice.order_id for invoice in open_invoices(subscription_id, kinds=kinds) if invoice.order_id]
    for payment in Payment.objects.filter(order_id__in=orders, status__in=LIVE_PAYMENT).select_related("order"):
        if payment.status != Payment.Status.AUTHORIZED:
            close_payment(payment)


def cancel_open_orders(subscription_id: str, *, kinds: Sequence[str] = ANY_KIND) -> None:
    """In the running transaction, before the subscription is locked. PaymentInProgress while an order may still be
    paid, or was paid this very second and is about to count."""
    for invoice in open_invoices(subscription_id, kinds=kinds):
        if invoice.order is not None:
            _cancel(invoice.order)


def _cancel(order: Order) -> None:
    if order.payments.filter(status__in=LIVE_PAYMENT).exists():
        raise PaymentInProgress
    try:
        cancel_order(order.id)
    except OrderNotOpen as error:
        if error.extra.get("status") in (Order.Status.PAID, Order.Status.CLOSED):
            raise PaymentInProgress from error


def void_open_invoices(subscription: Subscription, why: Why, *, kinds: Sequence[str] = ANY_KIND) -> None:
    """Of the locked subscription, whose orders were canceled just now; credit they used is the member's again, on the
    row in memory. PaymentInProgress when a new one was opened meanwhile."""
    for invoice in open_invoices(subscription.id, kinds=kinds):
        if invoice.order is not None and invoice.order.status in (Order.Status.OPEN, Order.Status.PAID):
            raise PaymentInProgress
        subscription.credit_minor += credit_held(invoice)
        mark_void(invoice, now=why.now)
        free_code(invoice)


def credit_held(invoice: Invoice) -> int:
    """Minor units of the member's credit that an invoice holds, to be paid with. One that could not be collected has
    given it back."""
    return invoice.credit_minor if invoice.status == Invoice.Status.OPEN else 0


def void_unpaid(subscription: Subscription, invoice: Invoice, *, now: datetime) -> None:
    """An invoice of the locked subscription that nobody can pay any more, with the credit that it held; the row is
    saved. Nothing for one that was paid, or is void."""
    invoice.refresh_from_db(fields=["status"])
    if invoice.status in (Invoice.Status.PAID, Invoice.Status.VOID):
        return
    held = credit_held(invoice)
    mark_void(invoice, now=now)
    free_code(invoice)
    if held:
        subscription.credit_minor += held
        subscription.save(update_fields=["credit_minor"])
