"""What a receipt says: mailed when an order is paid, and given again with a person's data."""

from paycore.money import Money
from payments.orders.models import Order


def receipt_facts(order: Order, *, amount: Money) -> dict[str, str | int]:
    """The context of the notification templates about money."""
    return {
        "amount_minor": amount.minor,
        "currency": amount.currency,
        "merchant_name": order.merchant.name,
        "description": order.description,
        "order_id": order.id,
    }
