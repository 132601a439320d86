"""A refund of what a membership cost has succeeded: its credit note, and the credit that comes back with it."""

from django.db import transaction

from memberships.invoices.crediting import issue_credit_note
from memberships.models import CreditNote, Invoice
from memberships.subscriptions.recording import SYSTEM, Why, lock_subscription, save_change
from payments.orders.models import Order, Refund


def credit_refund(refund_id: str) -> CreditNote | None:
    """Once. Money that was never the order's (surplus) has no invoice, and an order of something else has none."""
    refund = Refund.objects.select_related("payment").get(id=refund_id)
    order_id = refund.payment.order_id
    invoice = Invoice.objects.filter(order_id=order_id).first()
    if invoice is None or refund.payment.is_surplus:
        return None
    with transaction.atomic():
        Order.objects.select_for_update(no_key=True).get(id=order_id)
        subscription = lock_subscription(invoice.subscription_id) if invoice.subscription_id else None
        note = issue_credit_note(
            order_id=order_id, source=CreditNote.Source.REFUND, source_id=refund.id, amount=refund.amount
        )
        if note is not None and subscription is not None and note.credit_minor:
            subscription.credit_minor += note.credit_minor
            details = {"invoice": invoice.id, "credit_note": note.id, "credit_minor": note.credit_minor}
            why = Why("credit_returned", SYSTEM, note.issued_at, details=details)
            save_change(subscription, why, was=subscription.status, fields=("credit_minor",))
    return note
