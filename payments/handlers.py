"""What news makes happen inside payments. The database only; the network is for tasks."""

from paycore.events import handles
from paycore.money import Money
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify
from payments.events import (
    OrderPaid,
    PaymentCanceled,
    PaymentFailed,
    PaymentSucceeded,
    RefundFailed,
    RefundSucceeded,
    WebhookReceived,
)
from payments.merchant_news import handlers as merchant_news
from payments.orders.clearance import give_back
from payments.orders.holds import release_held, withdraw_held
from payments.orders.models import Order, Payment, Refund
from payments.orders.receipts import receipt_facts
from payments.webhooks.services import process_webhook
from riskcontrol.events import CaseDecided
from riskcontrol.models import Case, Outcome
from riskcontrol.outcomes import record_outcome

__all__ = ["merchant_news"]  # importing it subscribes it


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


@handles(CaseDecided, when=lambda event: event.kind == Case.Kind.RISK_REVIEW)
def carry_out_review(event: CaseDecided) -> None:
    if event.verdict == Case.Verdict.APPROVED:
        release_held(event.about)
    else:
        withdraw_held(event.about, why="rejected by a risk review")


@handles(PaymentFailed, when=lambda event: not event.is_passed_on)
def tell_risk_of_failure(event: PaymentFailed) -> None:
    _tell_risk_of_end(event.payment_id)


@handles(PaymentCanceled)
def tell_risk_of_cancellation(event: PaymentCanceled) -> None:
    _tell_risk_of_end(event.payment_id)


def _tell_risk_of_end(payment_id: str) -> None:
    give_back(Payment.objects.get(id=payment_id))


@handles(PaymentSucceeded, when=lambda event: event.is_late)
def tell_risk_of_late_success(event: PaymentSucceeded) -> None:
    payment = Payment.objects.get(id=event.payment_id)
    _tell_risk(payment, Outcome.Kind.SUCCEEDED_LATE, amount=payment.amount, occasion=payment.id)


@handles(RefundSucceeded)
def tell_risk_of_refund(event: RefundSucceeded) -> None:
    refund = Refund.objects.select_related("payment").get(id=event.refund_id)
    _tell_risk(refund.payment, Outcome.Kind.REFUNDED, amount=refund.amount, occasion=refund.id)


def _tell_risk(payment: Payment, kind: Outcome.Kind, *, amount: Money, occasion: str) -> None:
    if decision_id := payment.risk.get("decision", ""):
        record_outcome(decision_id=decision_id, kind=kind, amount=amount, occasion=occasion)


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
        context=receipt_facts(order, amount=amount),
        key=f"{template}:{occasion}",
    )
