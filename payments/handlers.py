"""What news makes happen inside payments. The database only; the network is for tasks."""

from paycore.events import handles
from paycore.money import Money
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify
from payments.events import OrderPaid, RefundFailed, RefundSucceeded, WebhookReceived
from payments.orders.models import Order, Refund
from payments.webhooks.services import process_webhook


@handles(WebhookReceived)
def process_received_webhook(event: WebhookReceived) -> None:
    process_webhook(event.receipt_id)


@handles(OrderPaid, when=lambda event: event.user_id is not None)
def send_receipt(event: OrderPaid) -> None:
    order = Order.objects.select_related("merchant").get(id=event.order_id)
    _tell_payer(order, template="payment_received", amount=order.amount, occasion=order.id)


@handles(RefundSucceeded)
def tell_payer_of_refund(event: RefundSucceeded) -> None:
    _tell_of_refund(event.refund_id, template="refund_succeeded")


@handles(RefundFailed)
def tell_payer_of_failed_refund(event: RefundFailed) -> None:
    _tell_of_refund(event.refund_id, template="refund_failed")


def _tell_of_refund(refund_id: str, *, template: str) -> None:
    refund = Refund.objects.select_related("payment__order__merchant").get(id=refund_id)
    _tell_payer(refund.payment.order, template=template, amount=refund.amount, occasion=refund.id)


def _tell_payer(order: Order, *, template: str, amount: Money, occasion: str) -> None:
    """Only users have an address here; what a merchant's own customers hear is the merchant's to say."""
    if order.user_id is None:
        return
    notify(
        template=template,
        to=Recipient(user_id=order.user_id),
        context={
            "amount_minor": amount.minor,
            "currency": amount.currency,
            "merchant_name": order.merchant.name,
            "description": order.description,
            "order_id": order.id,
        },
        key=f"{template}:{occasion}",
    )
