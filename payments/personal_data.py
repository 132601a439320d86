"""What payments keep about a person (accounts/personal_data/sections.py)."""

from collections.abc import Iterator
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.personal_data.sections import Attachment, Collected, Section, register_section
from paycore.errors import Conflict
from paycore.notifications.rendering import render
from payments.orders import transitions
from payments.orders.models import Order, Payment, Refund
from payments.orders.presentation import present_order, present_payment, present_refund
from payments.orders.receipts import receipt_facts

CHUNK = 200


class OrdersOpen(Conflict):
    code = "orders_open"
    title = _("An order of yours is still open. Pay or cancel it first; unpaid orders end by themselves.")


class PaymentsUnderWay(Conflict):
    code = "payments_under_way"
    title = _("A payment of yours is still under way. Wait for its end.")


class RefundsUnderWay(Conflict):
    code = "refunds_under_way"
    title = _("Money is still on its way back to you. Wait for the refund.")


def collect_orders(user_id: str) -> Collected:
    """Orders with their payments and refunds, and a receipt of each order that was paid, as it was mailed."""
    rows = Order.objects.filter(user_id=user_id).order_by("id").prefetch_related("payments__refunds")
    return Collected({"orders": [_order(order) for order in rows.iterator(chunk_size=CHUNK)]}, _receipts(user_id))


def erase_payer(user_id: str) -> None:
    """Amounts, dates and states stay; what a payer typed or where a browser was sent goes."""
    Order.objects.filter(user_id=user_id).exclude(metadata={}).update(metadata={})
    ended = Payment.objects.filter(order__user_id=user_id, status__in=transitions.PAYMENT.final)
    ended.update(request_options={}, return_url="", action=None)


def refuse_while_money_moves(user_id: str) -> None:
    refunds = Refund.objects.filter(payment__order__user_id=user_id)
    if refunds.exclude(status__in=transitions.REFUND.final).exists():
        raise RefundsUnderWay
    live = Payment.objects.filter(order=OuterRef("pk")).exclude(status__in=transitions.PAYMENT.final)
    orders = Order.objects.filter(user_id=user_id)
    if orders.filter(Exists(live)).exists():
        raise PaymentsUnderWay
    if orders.filter(status=Order.Status.OPEN).exists():
        raise OrdersOpen


def _order(order: Order) -> dict[str, Any]:
    return {
        **present_order(order),
        "payments": [
            {**present_payment(payment), "refunds": [present_refund(refund) for refund in payment.refunds.all()]}
            for payment in order.payments.all()
        ],
    }


def _receipts(user_id: str) -> Iterator[Attachment]:
    language = User.objects.values_list("locale", flat=True).get(pk=user_id)
    paid = Order.objects.filter(user_id=user_id, paid_at__isnull=False).select_related("merchant").order_by("id")
    for order in paid.iterator(chunk_size=CHUNK):
        message = render("payment_received", context=receipt_facts(order, amount=order.amount), language=language)
        yield Attachment(f"receipts/{order.id}.html", message.html.encode())
        yield Attachment(f"receipts/{order.id}.txt", message.text.encode())


register_section(
    Section(
        name="payments",
        collect=collect_orders,
        erase=erase_payer,
        refuse=refuse_while_money_moves,
        keeps=_(
            "Orders, payments, refunds and the books, without your name or address: tax and accounting law wants them "
            "for six to ten years (for example section 147 of Germany's AO; China's Accounting Archives rules: 30 "
            "years for ledgers), and so does the defence of claims (GDPR Art. 17(3)(b) and (e))."
        ),
    )
)
