"""What payments' news means for members."""

from memberships.services import activate_purchase, revoke_purchase
from paycore.events import handles
from payments.events import OrderClosed, OrderPaid


@handles(OrderPaid, when=lambda event: event.user_id is not None)
def activate_what_was_bought(event: OrderPaid) -> None:
    activate_purchase(event.order_id)


@handles(OrderClosed)
def revoke_what_was_refunded(event: OrderClosed) -> None:
    revoke_purchase(event.order_id)
