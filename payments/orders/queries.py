"""Reading orders and what belongs to them, scoped to who asks."""

from dataclasses import dataclass

from django.db.models import QuerySet

from paycore.errors import NotFound
from payments.orders.models import Evidence, Order, Payment, Refund


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: a user sees own orders, a merchant's server the merchant's."""

    user_id: str | None = None
    merchant_id: str | None = None

    @property
    def id(self) -> str:
        return self.user_id or self.merchant_id or ""


def orders_of(viewer: Viewer) -> QuerySet[Order]:
    if viewer.merchant_id:
        return Order.objects.filter(merchant_id=viewer.merchant_id)
    if viewer.user_id:
        return Order.objects.filter(user_id=viewer.user_id)
    return Order.objects.none()


def get_order(viewer: Viewer, order_id: str) -> Order:
    """NotFound also for another's order."""
    order = orders_of(viewer).filter(id=order_id).first()
    if order is None:
        raise NotFound
    return order


def payments_of(viewer: Viewer) -> QuerySet[Payment]:
    if viewer.merchant_id:
        return Payment.objects.filter(order__merchant_id=viewer.merchant_id)
    if viewer.user_id:
        return Payment.objects.filter(order__user_id=viewer.user_id)
    return Payment.objects.none()


def get_payment(viewer: Viewer, payment_id: str) -> Payment:
    payment = payments_of(viewer).select_related("order").filter(id=payment_id).first()
    if payment is None:
        raise NotFound
    return payment


def refunds_of(viewer: Viewer) -> QuerySet[Refund]:
    if viewer.merchant_id:
        return Refund.objects.filter(payment__order__merchant_id=viewer.merchant_id)
    if viewer.user_id:
        return Refund.objects.filter(payment__order__user_id=viewer.user_id)
    return Refund.objects.none()


def get_refund(viewer: Viewer, refund_id: str) -> Refund:
    refund = refunds_of(viewer).select_related("payment").filter(id=refund_id).first()
    if refund is None:
        raise NotFound
    return refund


def latest_payment(order: Order) -> Payment | None:
    return order.payments.order_by("-id").first()


def evidence_about(object_id: str) -> list[Evidence]:
    """All that was said about one payment or refund, oldest first."""
    return list(Evidence.objects.filter(object_id=object_id).order_by("id"))
