"""What payments tells the rest of the house. Ids and minor units only; never what was bought.

Every one but the receipt of a callback says whose business it is, so that the cheapest look decides who cares.
"""

from dataclasses import dataclass
from typing import ClassVar

from paycore.events import Event


@dataclass(frozen=True)
class OrderCreated(Event):
    name: ClassVar[str] = "order.created"
    order_id: str
    merchant_id: str


@dataclass(frozen=True)
class OrderTotalChanged(Event):
    """A promotion code lowered an open order, or was taken off it again."""

    name: ClassVar[str] = "order.total_changed"
    order_id: str
    merchant_id: str


@dataclass(frozen=True)
class OrderPaid(Event):
    """``user_id`` is None for an order of a merchant's own customer. ``has_codes``, here and below: promotions lowered
    it."""

    name: ClassVar[str] = "order.paid"
    order_id: str
    payment_id: str
    user_id: str | None
    merchant_id: str
    has_codes: bool = False


@dataclass(frozen=True)
class OrderCanceled(Event):
    name: ClassVar[str] = "order.canceled"
    order_id: str
    merchant_id: str
    has_codes: bool = False


@dataclass(frozen=True)
class OrderExpired(Event):
    name: ClassVar[str] = "order.expired"
    order_id: str
    merchant_id: str
    has_codes: bool = False


@dataclass(frozen=True)
class OrderClosed(Event):
    """Fully refunded."""

    name: ClassVar[str] = "order.closed"
    order_id: str
    merchant_id: str
    has_codes: bool = False


@dataclass(frozen=True)
class OrderReopened(Event):
    name: ClassVar[str] = "order.reopened"
    order_id: str
    merchant_id: str


@dataclass(frozen=True)
class PaymentAuthorized(Event):
    name: ClassVar[str] = "payment.authorized"
    payment_id: str
    order_id: str
    merchant_id: str


@dataclass(frozen=True)
class PaymentSucceeded(Event):
    """``is_late``: the attempt had failed, or was canceled, before it took money after all."""

    name: ClassVar[str] = "payment.succeeded"
    payment_id: str
    order_id: str
    is_surplus: bool
    is_late: bool
    merchant_id: str


@dataclass(frozen=True)
class PaymentFailed(Event):
    """``is_passed_on``: the same request goes on at another gateway account."""

    name: ClassVar[str] = "payment.failed"
    payment_id: str
    order_id: str
    failure_code: str
    is_passed_on: bool
    merchant_id: str


@dataclass(frozen=True)
class PaymentCanceled(Event):
    """Also an expired one: it will take no money."""

    name: ClassVar[str] = "payment.canceled"
    payment_id: str
    order_id: str
    merchant_id: str


@dataclass(frozen=True)
class RefundRequested(Event):
    name: ClassVar[str] = "refund.requested"
    refund_id: str
    payment_id: str
    merchant_id: str


@dataclass(frozen=True)
class RefundApproved(Event):
    name: ClassVar[str] = "refund.approved"
    refund_id: str
    merchant_id: str


@dataclass(frozen=True)
class RefundRejected(Event):
    name: ClassVar[str] = "refund.rejected"
    refund_id: str
    merchant_id: str


@dataclass(frozen=True)
class RefundSucceeded(Event):
    name: ClassVar[str] = "refund.succeeded"
    refund_id: str
    payment_id: str
    order_id: str
    merchant_id: str
    has_codes: bool = False


@dataclass(frozen=True)
class RefundFailed(Event):
    name: ClassVar[str] = "refund.failed"
    refund_id: str
    payment_id: str
    failure_code: str
    merchant_id: str


@dataclass(frozen=True)
class DisputeOpened(Event):
    """Also an early alert (``is_warning``), and a decided one that is opened anew."""

    name: ClassVar[str] = "dispute.opened"
    dispute_id: str
    payment_id: str
    order_id: str
    is_warning: bool
    merchant_id: str


@dataclass(frozen=True)
class DisputeUpdated(Event):
    """Another state, another date to answer by, or the answer was sent."""

    name: ClassVar[str] = "dispute.updated"
    dispute_id: str
    payment_id: str
    merchant_id: str


@dataclass(frozen=True)
class DisputeWon(Event):
    name: ClassVar[str] = "dispute.won"
    dispute_id: str
    payment_id: str
    order_id: str
    merchant_id: str


@dataclass(frozen=True)
class DisputeLost(Event):
    name: ClassVar[str] = "dispute.lost"
    dispute_id: str
    payment_id: str
    order_id: str
    merchant_id: str


@dataclass(frozen=True)
class WebhookReceived(Event):
    name: ClassVar[str] = "webhook.received"
    receipt_id: str


@dataclass(frozen=True)
class PaymentMethodSaved(Event):
    name: ClassVar[str] = "payment_method.saved"
    payment_method_id: str
    user_id: str


@dataclass(frozen=True)
class PaymentMethodRemoved(Event):
    """By its owner, by the provider, or with the account; the row stays without what could charge it."""

    name: ClassVar[str] = "payment_method.removed"
    payment_method_id: str
    user_id: str


@dataclass(frozen=True)
class MandateAgreed(Event):
    """From now on the merchant may charge the method unasked."""

    name: ClassVar[str] = "mandate.agreed"
    mandate_id: str
    payment_method_id: str
    merchant_id: str


@dataclass(frozen=True)
class MandateEnded(Event):
    """``ended_by``: payer, gateway, staff, replaced, merged or erased."""

    name: ClassVar[str] = "mandate.ended"
    mandate_id: str
    payment_method_id: str
    merchant_id: str
    ended_by: str
