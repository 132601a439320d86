"""Money that goes back when a membership ends early, through the refunds of payments."""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

from memberships.models import Invoice, PromisedRefund, Subscription
from memberships.subscriptions.promises import is_promised, promise
from memberships.subscriptions.worth import PaidTime, refundable_of
from paycore.money import Money
from payments.orders.models import Order, Payment, Refund
from payments.orders.refunds import RefundOrder, request_refund

NONE, PRORATED, FULL = "none", "prorated", "full"


def paid_payments(subscription_id: str) -> list[Payment]:
    """What was paid for the subscription and was not given back, newest first. Their orders are locked, for a refund
    needs them and an order is locked before its subscription."""
    orders = Invoice.objects.filter(
        subscription_id=subscription_id, status=Invoice.Status.PAID, order__isnull=False
    ).values_list("order_id", flat=True)
    locked = Order.objects.select_for_update(no_key=True).filter(id__in=list(orders)).order_by("id")
    ids = [order.id for order in locked]
    rows = Payment.objects.filter(order_id__in=ids, status=Payment.Status.SUCCEEDED, is_surplus=False)
    return [payment for payment in rows.order_by("-id") if payment.refundable.is_positive]


def money_back(
    subscription: Subscription, times: Sequence[PaidTime], *, policy: str, at: datetime, credit: Money | None = None
) -> Money:
    """By ``policy``: nothing, the unused part of what was paid, or all that was paid for the time that is not over;
    ``credit`` that the member has goes back with either."""
    nothing = Money.zero(subscription.currency)
    if policy == NONE:
        return nothing
    if policy == FULL:
        whole = sum((time.span.gross for time in times if time.is_bought), nothing)
    else:
        whole = refundable_of(times, at=at, currency=subscription.currency)
    return whole + (credit or nothing)


def request_refunds(payments: Sequence[Payment], amount: Money, *, by: str, reason: str) -> tuple[list[Refund], Money]:
    """Take ``amount`` from the newest payments first; the refunds and what could not be given back that way."""
    refunds, rest = [], amount
    for payment in payments:
        if not rest.is_positive or payment.currency != amount.currency:
            continue
        part = min(rest, payment.refundable)
        if part.is_positive:
            refunds.append(request_refund(RefundOrder(payment.id, part, reason, by)))
            rest -= part
    return refunds, rest


def give_back(invoice: Invoice, *, reason: str) -> None:
    """Money that came for something that can no longer be given goes back whole. Safe to repeat: what did not arrive is
    owed, and no business of the news that may come again."""
    if invoice.order_id is None:
        return
    rows = Payment.objects.filter(order_id=invoice.order_id, status=Payment.Status.SUCCEEDED, is_surplus=False)
    for payment in rows:
        if payment.refundable.is_positive and not is_promised(payment):
            refund = request_refund(RefundOrder(payment.id, None, reason, "system"), is_reviewed=True)
            promise(refund, kind=PromisedRefund.Kind.TOO_LATE, invoice=invoice)


def policy_now() -> str:
    policy = str(settings.PAYCORE_MEMBERSHIP_REFUND)
    return policy if policy in (NONE, PRORATED, FULL) else NONE
