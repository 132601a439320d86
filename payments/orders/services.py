"""Orders: made, cancelled, expired. How they are paid is in :mod:`payments.orders.charging`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from paycore.bulk import new_row
from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.events import publish
from paycore.identifiers import new_id
from paycore.money import Money
from payments.errors import OrderNotOpen, OrderNumberTaken, PaymentInProgress
from payments.events import OrderCanceled, OrderCreated, OrderExpired
from payments.gateways.abilities import CloseCapable
from payments.gateways.contract import GatewayOutcomeUnknown, GatewayRejected, GatewayUnavailable
from payments.orders.asking import ask_about
from payments.orders.charging import record_no_answer, record_payment_result
from payments.orders.discounts import Customer, lower_by_codes
from payments.orders.holds import withdraw_held
from payments.orders.models import Evidence, Order, Payment
from payments.orders.transitions import LIVE_PAYMENT
from payments.promotions.services import carry_out
from payments.routing.connections import ask, connect
from payments.routing.services import get_account

EXPIRY_LEASE = timedelta(seconds=30)
HELD_LOOK_AGAIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class OrderLine:
    """``amount_minor`` is for the whole quantity. ``reference`` is the seller's own (a price, an article)."""

    description: str
    amount_minor: int
    quantity: int = 1
    reference: str = ""


@dataclass(frozen=True)
class OrderDraft:
    """``amount`` is the total after ``discount_minor``; lines add up to both together. ``order_id`` is given where the
    same order must never exist twice (:func:`paycore.identifiers.derived_id`). ``promotion_codes`` lower the
    amount when the order is made; ``customer`` is who the merchant says uses them. ``takes_codes``: one may still lower
    it later, when none came with it."""

    merchant_id: str
    amount: Money
    description: str
    merchant_order_number: str = ""
    user_id: str | None = None
    lines: Sequence[OrderLine] = ()
    discount_minor: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)
    capture_method: str = "automatic"
    lifetime_seconds: int | None = None
    order_id: str = ""
    promotion_codes: Sequence[str] = ()
    customer: Customer | None = None
    takes_codes: bool = False


def build_order(draft: OrderDraft) -> Order:
    """An order not yet stored. Without a number of the merchant's, its own id serves."""
    order_id = draft.order_id or new_id("ord")
    order = new_row(
        Order,
        id=order_id,
        merchant_id=draft.merchant_id,
        merchant_order_number=draft.merchant_order_number or order_id,
        user_id=draft.user_id,
        currency=draft.amount.currency,
        amount_minor=draft.amount.minor,
        discount_minor=draft.discount_minor,
        description=draft.description[:200],
        lines=[asdict(line) for line in draft.lines],
        metadata=dict(draft.metadata),
        capture_method=draft.capture_method,
        takes_codes=draft.takes_codes and not draft.promotion_codes,
    )
    if draft.promotion_codes:
        lower_by_codes(order, draft.promotion_codes, customer=draft.customer or Customer())
    return order


def create_order(draft: OrderDraft) -> Order:
    """Store an open order and say so, in the running transaction or its own. OrderNumberTaken on a second use; what
    :func:`lower_by_codes` refuses."""
    order = build_order(draft)
    lifetime = timedelta(seconds=draft.lifetime_seconds or settings.PAYCORE_ORDER_LIFETIME_SECONDS)
    now = database_now()
    order.created_at, order.expires_at, order.next_attempt_at = now, now + lifetime, now + lifetime
    try:
        with transaction.atomic():
            order.save(force_insert=True)
            carry_out(order.planned_uses)
            publish(OrderCreated(order.id, order.merchant_id))
    except IntegrityError as error:
        if "order_number_unique" in str(error):
            raise OrderNumberTaken from error
        raise
    return order


def cancel_order(order_id: str) -> Order:
    """Close what may still be paid at the gateway, then cancel. OrderNotOpen when it is over, PaymentInProgress when
    the gateway cannot promise that no money will come."""
    if not _close_live_payments(order_id):
        raise PaymentInProgress
    return _end_order(order_id, status=Order.Status.CANCELED)


def expire_order(order_id: str) -> Order | None:
    """End an order whose time is over, once no attempt can still take money; None when it has to wait or was paid."""
    held = Payment.objects.filter(order_id=order_id, status=Payment.Status.AUTHORIZED)
    if held.exists():
        # Held money waits for the merchant's capture or void, not for the payer.
        Order.objects.filter(id=order_id, status=Order.Status.OPEN).update(next_attempt_at=Now() + HELD_LOOK_AGAIN)
        return None
    if not _close_live_payments(order_id):
        return None
    try:
        return _end_order(order_id, status=Order.Status.EXPIRED)
    except (OrderNotOpen, PaymentInProgress):
        return None


def due_orders(*, limit: int) -> list[str]:
    """Ids of open orders whose time is over, leased so that workers share the work."""
    return claim_due(Order, lease=EXPIRY_LEASE, limit=limit, condition="status = 'open'")


def _close_live_payments(order_id: str) -> bool:
    """Ask the gateway to close each live attempt; whether none is left. Held money is the merchant's to let go."""
    for payment in Payment.objects.filter(order_id=order_id, status__in=LIVE_PAYMENT):
        if payment.status == Payment.Status.AUTHORIZED or close_payment(payment).status in LIVE_PAYMENT:
            return False
    return True


def close_payment(payment: Payment) -> Payment:
    """Make sure at the gateway that an unpaid attempt will never be paid; its row after the gateway's answer. One that
    was not sent yet needs no gateway."""
    if payment.status == Payment.Status.CREATED:
        payment = withdraw_held(payment.id, why="its order ended")
        if payment.is_final:
            return payment
    account = get_account(payment.gateway_account_id)
    if account is None:
        raise NotFound
    adapter = connect(account)
    try:
        if isinstance(adapter, CloseCapable):
            result = ask(
                account,
                adapter.close_payment,
                payment.id,
                gateway_reference=payment.gateway_reference,
                method=payment.method,
                expires_at=_payable_until(payment),
            )
        else:
            result = ask_about(payment, account)
    except (GatewayRejected, GatewayUnavailable, GatewayOutcomeUnknown) as error:
        return record_no_answer(payment.id, code=error.code or "unknown", source=Evidence.Source.QUERY)
    return record_payment_result(payment.id, result, source=Evidence.Source.QUERY)


def _payable_until(payment: Payment) -> datetime:
    """How long the payer may still act on what the gateway gave out."""
    told = (payment.action or {}).get("expires_at")
    return datetime.fromisoformat(told) if told else payment.order.expires_at


def _end_order(order_id: str, *, status: Order.Status) -> Order:
    with transaction.atomic():
        order = Order.objects.select_for_update(no_key=True).filter(id=order_id).first()
        if order is None:
            raise NotFound
        if order.status != Order.Status.OPEN:
            raise OrderNotOpen(status=order.status)
        if order.payments.filter(status__in=LIVE_PAYMENT).exists():
            raise PaymentInProgress
        order.status, order.next_attempt_at = status, None
        order.save(update_fields=["status", "next_attempt_at"])
        ended = OrderCanceled if status == Order.Status.CANCELED else OrderExpired
        publish(ended(order.id, order.merchant_id, order.has_codes))
    return order
