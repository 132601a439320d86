"""What merchants are told of their orders, payments, refunds, disputes and mandates.

Nothing is written for a merchant who does not listen. The object is shown as it is when the news is recorded, a moment
after it happened, and may be further already; ``sequence`` tells the order in which things happened.
"""

from typing import Any

from merchants.webhooks.feed import News, listens, record_event
from paycore.events import Event, current_occurrence, handles
from payments.events import (
    DisputeLost,
    DisputeOpened,
    DisputeUpdated,
    DisputeWon,
    MandateAgreed,
    MandateEnded,
    OrderCanceled,
    OrderClosed,
    OrderCreated,
    OrderExpired,
    OrderPaid,
    OrderReopened,
    OrderTotalChanged,
    PaymentAuthorized,
    PaymentCanceled,
    PaymentFailed,
    PaymentSucceeded,
    RefundApproved,
    RefundFailed,
    RefundRejected,
    RefundRequested,
    RefundSucceeded,
)
from payments.methods.models import Mandate
from payments.methods.presentation import present_mandate
from payments.orders.disputes.models import Dispute
from payments.orders.disputes.presentation import present_dispute
from payments.orders.models import Order, Payment, Refund
from payments.orders.presentation import present_order, present_payment, present_refund


def _listens(event: Any) -> bool:
    return listens(event.merchant_id)


@handles(OrderCreated, when=_listens)
def tell_order_created(event: OrderCreated) -> None:
    _tell_of_order(event, merchant_id=event.merchant_id)


@handles(OrderTotalChanged, when=_listens)
def tell_order_total_changed(event: OrderTotalChanged) -> None:
    _tell_of_order(event, merchant_id=event.merchant_id)


@handles(OrderPaid, when=_listens)
def tell_order_paid(event: OrderPaid) -> None:
    _tell_of_order(event, merchant_id=event.merchant_id)


@handles(OrderCanceled, when=_listens)
def tell_order_canceled(event: OrderCanceled) -> None:
    _tell_of_order(event, merchant_id=event.merchant_id)


@handles(OrderExpired, when=_listens)
def tell_order_expired(event: OrderExpired) -> None:
    _tell_of_order(event, merchant_id=event.merchant_id)


@handles(OrderClosed, when=_listens)
def tell_order_closed(event: OrderClosed) -> None:
    _tell_of_order(event, merchant_id=event.merchant_id)


@handles(OrderReopened, when=_listens)
def tell_order_reopened(event: OrderReopened) -> None:
    _tell_of_order(event, merchant_id=event.merchant_id)


@handles(PaymentAuthorized, when=_listens)
def tell_payment_authorized(event: PaymentAuthorized) -> None:
    _tell_of_payment(event, merchant_id=event.merchant_id)


@handles(PaymentSucceeded, when=_listens)
def tell_payment_succeeded(event: PaymentSucceeded) -> None:
    _tell_of_payment(event, merchant_id=event.merchant_id)


@handles(PaymentFailed, when=_listens)
def tell_payment_failed(event: PaymentFailed) -> None:
    _tell_of_payment(event, merchant_id=event.merchant_id)


@handles(PaymentCanceled, when=_listens)
def tell_payment_canceled(event: PaymentCanceled) -> None:
    _tell_of_payment(event, merchant_id=event.merchant_id)


@handles(RefundRequested, when=_listens)
def tell_refund_requested(event: RefundRequested) -> None:
    _tell_of_refund(event, merchant_id=event.merchant_id)


@handles(RefundApproved, when=_listens)
def tell_refund_approved(event: RefundApproved) -> None:
    _tell_of_refund(event, merchant_id=event.merchant_id)


@handles(RefundRejected, when=_listens)
def tell_refund_rejected(event: RefundRejected) -> None:
    _tell_of_refund(event, merchant_id=event.merchant_id)


@handles(RefundSucceeded, when=_listens)
def tell_refund_succeeded(event: RefundSucceeded) -> None:
    _tell_of_refund(event, merchant_id=event.merchant_id)


@handles(RefundFailed, when=_listens)
def tell_refund_failed(event: RefundFailed) -> None:
    _tell_of_refund(event, merchant_id=event.merchant_id)


@handles(DisputeOpened, when=_listens)
def tell_dispute_opened(event: DisputeOpened) -> None:
    _tell_of_dispute(event, merchant_id=event.merchant_id)


@handles(DisputeUpdated, when=_listens)
def tell_dispute_updated(event: DisputeUpdated) -> None:
    _tell_of_dispute(event, merchant_id=event.merchant_id)


@handles(DisputeWon, when=_listens)
def tell_dispute_won(event: DisputeWon) -> None:
    _tell_of_dispute(event, merchant_id=event.merchant_id)


@handles(DisputeLost, when=_listens)
def tell_dispute_lost(event: DisputeLost) -> None:
    _tell_of_dispute(event, merchant_id=event.merchant_id)


@handles(MandateAgreed, when=_listens)
def tell_mandate_agreed(event: MandateAgreed) -> None:
    _tell_of_mandate(event, merchant_id=event.merchant_id)


@handles(MandateEnded, when=_listens)
def tell_mandate_ended(event: MandateEnded) -> None:
    _tell_of_mandate(event, merchant_id=event.merchant_id)


def _tell_of_mandate(event: Event, *, merchant_id: str) -> None:
    _record(event, merchant_id=merchant_id, data=present_mandate(Mandate.objects.get(id=event.object_id)))


def _tell_of_order(event: Event, *, merchant_id: str) -> None:
    _record(event, merchant_id=merchant_id, data=present_order(Order.objects.get(id=event.object_id)))


def _tell_of_payment(event: Event, *, merchant_id: str) -> None:
    _record(event, merchant_id=merchant_id, data=present_payment(Payment.objects.get(id=event.object_id)))


def _tell_of_refund(event: Event, *, merchant_id: str) -> None:
    _record(event, merchant_id=merchant_id, data=present_refund(Refund.objects.get(id=event.object_id)))


def _tell_of_dispute(event: Event, *, merchant_id: str) -> None:
    _record(event, merchant_id=merchant_id, data=present_dispute(Dispute.objects.get(id=event.object_id)))


def _record(event: Event, *, merchant_id: str, data: dict[str, Any]) -> None:
    occurrence = current_occurrence()
    record_event(
        News(
            merchant_id=merchant_id,
            type=event.name,
            object_id=event.object_id,
            sequence=occurrence.sequence,
            occurred_at=occurrence.occurred_at,
            data=data,
        )
    )
