"""Codes that lower an order while it is made (its total never changes afterwards, so that this is the only moment), and
what becomes of their uses when the order is paid, ends or is refunded."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F, Sum

from paycore.clock import database_now
from paycore.money import Money
from payments.orders.models import Order, Payment
from payments.promotions.errors import OrderWouldBeFree
from payments.promotions.funding import fund
from payments.promotions.services import Purchase, plan_uses, release, use


@dataclass(frozen=True, slots=True)
class Customer:
    """A merchant's own customer in the merchant's words, for limits per person. ``is_first_purchase``: the merchant
    says that they never bought before."""

    reference: str = ""
    email: str = ""
    is_first_purchase: bool = False


def lower_by_codes(order: Order, codes: Sequence[str], *, customer: Customer) -> None:
    """Take the discounts of ``codes`` off a new ``order``, which then takes their uses along when it is stored.

    The refusals of :func:`payments.promotions.services.take`; OrderWouldBeFree.
    """
    purchase = Purchase(
        user_id=order.user_id or "",
        merchant_id=order.merchant_id,
        amount=order.amount,
        kind="order",
        is_first=_is_first(order) if order.user_id else customer.is_first_purchase,
        email=customer.email,
        customer_reference=customer.reference,
    )
    planned = plan_uses(codes, purchase, subject_id=order.id, now=database_now())
    off = sum(one.redemption.amount_minor for one in planned)
    if off >= order.amount_minor:
        raise OrderWouldBeFree
    order.amount_minor -= off
    order.discount_minor += off
    order.promotion_codes = " ".join(one.redemption.code.code for one in planned)
    order.planned_uses = planned


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
