"""Codes that lower an order: while it is made, or (one) on the open order before anybody pays; and what becomes of
their uses when the order is paid, ends or is refunded."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F, Sum

from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.events import publish
from paycore.money import Money
from payments.errors import OrderHasExpired, OrderNotOpen, PaymentInProgress
from payments.events import OrderTotalChanged
from payments.orders.models import Order, Payment
from payments.orders.transitions import LIVE_PAYMENT
from payments.promotions.codes import normal_code
from payments.promotions.errors import OrderWouldBeFree, PromotionCodesNotAllowed, PromotionNotCombinable
from payments.promotions.funding import fund
from payments.promotions.models import Redemption
from payments.promotions.persons import PersonKey, keys_of_customer
from payments.promotions.services import PlannedUse, Purchase, carry_out, plan_uses, release, use, withdraw


@dataclass(frozen=True, slots=True)
class Customer:
    """A merchant's own customer in the merchant's words, for limits per person. ``is_first_purchase``: the merchant
    says that they never bought before. ``keys``: who they are, where only that was kept."""

    reference: str = ""
    email: str = ""
    is_first_purchase: bool = False
    keys: Sequence[PersonKey] = ()

    def known_as(self, merchant_id: str) -> Sequence[PersonKey]:
        return self.keys or keys_of_customer(self.reference, merchant_id=merchant_id, email=self.email)


def lower_by_codes(order: Order, codes: Sequence[str], *, customer: Customer) -> None:
    """Take the discounts of ``codes`` off a new ``order``, which then takes their uses along when it is stored.

    The refusals of :func:`payments.promotions.services.take`; OrderWouldBeFree.
    """
    planned = _plan(order, codes, customer=customer)
    _move_total(order, off=sum(one.redemption.amount_minor for one in planned))
    order.promotion_codes = " ".join(one.redemption.code.code for one in planned)
    order.planned_uses = planned


def add_code(order_id: str, typed: str, *, customer: Customer) -> Order:
    """Lower an open order by one code before anybody tries to pay it; the order as it is then. The same code again
    changes nothing.

    OrderNotOpen, OrderHasExpired, PaymentInProgress, PromotionCodesNotAllowed, PromotionNotCombinable beside another
    code, and what :func:`lower_by_codes` refuses.
    """
    with transaction.atomic():
        order = _lock_unpaid(order_id)
        if order.has_codes and order.promotion_codes == normal_code(typed):
            return order
        if order.has_codes:
            raise PromotionNotCombinable
        planned = _plan(order, [typed], customer=customer)
        carry_out(planned)
        _move_total(order, off=planned[0].redemption.amount_minor)
        order.promotion_codes = planned[0].redemption.code.code
        return _save_total(order)


def remove_code(order_id: str) -> Order:
    """The code is off again and its slot free; nothing changes where there is none. Refusals as :func:`add_code`."""
    with transaction.atomic():
        order = _lock_unpaid(order_id)
        if not order.has_codes:
            return order
        held = Redemption.objects.filter(subject_id=order.id).exclude(status=Redemption.Status.RELEASED)
        taken = held.aggregate(off=Sum("amount_minor", default=0))["off"]
        withdraw(order.id)
        _move_total(order, off=-taken)
        order.promotion_codes = ""
        return _save_total(order)


def settle_uses(order_id: str) -> None:
    """Bring the codes of an order to how it stands now, in the running transaction: kept when it was paid, given back
    when it ended unpaid or was refunded in full; and what the platform adds of its own to what the payer has not got
    back. News may come in any order, and twice.
    """
    order = Order.objects.select_for_update(no_key=True).get(id=order_id)
    if not order.has_codes or order.status == Order.Status.OPEN:
        return
    if order.status == Order.Status.PAID:
        use(order.id)
    else:
        release(order.id)
    paid = order.payments.filter(is_surplus=False, status=Payment.Status.SUCCEEDED).aggregate(
        captured=Sum("captured_minor", default=0), returned=Sum(F("refunded_minor") + F("disputed_minor"), default=0)
    )
    captured, returned = Money(paid["captured"], order.currency), Money(paid["returned"], order.currency)
    fund(order.id, captured=captured, returned=returned)


def _is_first(order: Order) -> bool:
    paid = (Order.Status.PAID, Order.Status.CLOSED)
    return not Order.objects.filter(user_id=order.user_id, merchant_id=order.merchant_id, status__in=paid).exists()


def _plan(order: Order, codes: Sequence[str], *, customer: Customer) -> list[PlannedUse]:
    purchase = Purchase(
        user_id=order.user_id or "",
        merchant_id=order.merchant_id,
        amount=order.amount,
        kind="order",
        is_first=_is_first(order) if order.user_id else customer.is_first_purchase,
        known_as=() if order.user_id else customer.known_as(order.merchant_id),
    )
    return plan_uses(codes, purchase, subject_id=order.id, now=database_now())


def _move_total(order: Order, *, off: int) -> None:
    if off >= order.amount_minor:
        raise OrderWouldBeFree
    order.amount_minor -= off
    order.discount_minor += off


def _lock_unpaid(order_id: str) -> Order:
    """The lock that every beginning of a payment takes first: nothing begins until the total is settled."""
    order = Order.objects.select_for_update(no_key=True).filter(id=order_id).first()
    if order is None:
        raise NotFound
    if order.status != Order.Status.OPEN:
        raise OrderNotOpen(status=order.status)
    if order.expires_at <= database_now():
        raise OrderHasExpired
    if not order.takes_codes:
        raise PromotionCodesNotAllowed
    tried = set(order.payments.values_list("status", flat=True))
    if tried & {*LIVE_PAYMENT, Payment.Status.SUCCEEDED}:
        raise PaymentInProgress
    if tried:  # it may still take its money late, and that would be another total
        raise PromotionCodesNotAllowed
    return order


def _save_total(order: Order) -> Order:
    order.save(update_fields=["amount_minor", "discount_minor", "promotion_codes"])
    publish(OrderTotalChanged(order.id, order.merchant_id))
    order.refresh_from_db()
    return order
