"""What news makes happen inside reconciliation. The database only; the network is for tasks."""

from paycore.events import handles
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify
from payments.orders.models import Payment
from reconciliation.events import BankTransferShort


@handles(BankTransferShort, when=lambda event: event.user_id is not None)
def ask_payer_for_the_rest(event: BankTransferShort) -> None:
    """Only users have an address here; what a merchant's own customers hear is the merchant's to say."""
    if event.user_id is None:
        return
    payment = Payment.objects.select_related("order__merchant").get(id=event.payment_id)
    notify(
        template="bank_transfer_short",
        to=Recipient(user_id=event.user_id),
        context={
            "amount_minor": event.missing_minor,
            "currency": payment.currency,
            "merchant_name": payment.order.merchant.name,
            "order_id": event.order_id,
            "reference": payment.gateway_reference,
        },
        key=f"bank_transfer_short:{event.entry_id}",
    )
