"""Moving the database's appointments instead of its clock, which nobody can move."""

from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now

from payments.orders.models import Capture, Order, Payment, Refund
from payments.orders.services import due_orders, expire_order


def make_time_run_out(order_id: str) -> None:
    """The order's time is over by the database's clock."""
    Order.objects.filter(id=order_id).update(expires_at=Now() - timedelta(seconds=1), next_attempt_at=Now())


def let_orders_expire() -> None:
    """What the expiry task does."""
    for order_id in due_orders(limit=100):
        expire_order(order_id)


def make_refund_due(refund_id: str) -> None:
    Refund.objects.filter(id=refund_id).update(next_attempt_at=Now())


def make_capture_due(payment_id: str) -> None:
    Capture.objects.filter(payment_id=payment_id, status="submitting").update(next_attempt_at=Now())


def make_older(payment_id: str, *, by: timedelta) -> None:
    Payment.objects.filter(id=payment_id).update(created_at=F("created_at") - by)
