"""Money for an order that cannot take it: a second success, or a success after the order ended.

It is in ``suspense`` and has an open case from the moment it is known. Policy sends it back at once (``refund``) or
leaves it to a person (``hold``), who refunds it or gives it to the order.
"""

from django.conf import settings
from django.db import transaction

from merchants.queries import get_merchant, merchant_fee
from paycore.clock import database_now
from paycore.events import publish
from paycore.money import Money
from payments.errors import NotSurplus
from payments.events import OrderPaid, OrderReopened
from payments.ledger import chart
from payments.ledger.services import Entry, Leg, post
from payments.orders import transitions
from payments.orders.models import Order, Payment
from payments.orders.refunds import SYSTEM, RefundOrder, lock_payment, request_refund
from riskcontrol.cases import resolve_cases
from riskcontrol.models import Case


def handle_surplus(payment: Payment) -> None:
    """What policy says about it, in the door's transaction."""
    if settings.PAYCORE_SURPLUS_POLICY == "refund":
        refund_surplus(payment.id, requested_by=SYSTEM)


def refund_surplus(payment_id: str, *, requested_by: str) -> None:
    """Send all of it back: it belongs to nobody here, so no merchant's review applies. NotSurplus for other money."""
    request = RefundOrder(payment_id=payment_id, amount=None, reason="surplus payment", requested_by=requested_by)
    with transaction.atomic():
        _order, payment = lock_payment(payment_id)
        if not payment.is_surplus:
            raise NotSurplus
        request_refund(request, is_reviewed=True)


def accept_surplus(payment_id: str, *, decided_by: str) -> Order:
    """Give the money to its order, which had expired or been canceled: the order is re-opened and paid.

    :class:`NotSurplus` when there is nothing to accept, a refund is under way, a dispute took of it, or the order was
    paid otherwise.
    """
    with transaction.atomic():
        order, payment = lock_payment(payment_id)
        is_free = payment.refunded_minor == 0 and payment.refund_pending_minor == 0 and payment.disputed_minor == 0
        if not payment.is_surplus or not is_free or not transitions.ORDER.allows(order.status, "open"):
            raise NotSurplus
        now = database_now()
        Order.objects.filter(id=order.id).update(status=Order.Status.OPEN, next_attempt_at=now)
        Order.objects.filter(id=order.id).update(status=Order.Status.PAID, next_attempt_at=None, paid_at=now)
        Payment.objects.filter(id=payment.id).update(is_surplus=False)
        merchant = get_merchant(order.merchant_id)
        owner = chart.merchant_pending(merchant.id)
        taken = Money(payment.captured_minor, payment.currency)
        legs = [
            Leg(chart.SUSPENSE, owner, taken),
            Leg(owner, chart.REVENUE_FEES, merchant_fee(merchant, taken)),
        ]
        post(Entry("payment", payment.id, "surplus_accepted", legs))
        publish(OrderReopened(order.id, order.merchant_id))
        publish(OrderPaid(order.id, payment.id, order.user_id, order.merchant_id, order.has_codes))
        resolve_cases(
            kind=Case.Kind.SURPLUS_PAYMENT,
            object_id=payment.id,
            resolution="accepted into the order",
            resolved_by_id=decided_by,
        )
    order.refresh_from_db()
    return order
