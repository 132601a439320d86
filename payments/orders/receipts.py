"""What a receipt says: mailed when an order is paid, and given again with a person's data."""

from collections.abc import Callable

from paycore.money import Money
from payments.orders.models import Order

_tellers: list[Callable[[str], bool]] = []


def register_teller(tells: Callable[[str], bool]) -> None:
    """An app above tells the payer of the money of its own orders in its own words. ``tells`` is asked by order id."""
    if tells not in _tellers:
        _tellers.append(tells)


def is_told_elsewhere(order_id: str) -> bool:
    """Whether the payer hears of this order's payment and refunds from another app: one message is enough."""
    return any(tells(order_id) for tells in _tellers)


def receipt_facts(order: Order, *, amount: Money) -> dict[str, str | int]:
    """The context of the notification templates about money."""
    return {
        "amount_minor": amount.minor,
        "currency": amount.currency,
        "merchant_name": order.merchant.name,
        "description": order.description,
        "order_id": order.id,
    }
