"""What news makes happen inside payments. The database only; the network is for tasks."""

from paycore.events import handles
from paycore.money import Money
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify
from payments.events import (
    DisputeLost,
    DisputeOpened,
    DisputeWon,
    OrderCanceled,
    OrderClosed,
    OrderExpired,
    OrderPaid,
    PaymentCanceled,
    PaymentFailed,
    PaymentMethodSaved,
    PaymentSucceeded,
    RefundFailed,
    RefundSucceeded,
    WebhookReceived,
)
from payments.merchant_news import handlers as merchant_news
from payments.methods.models import PaymentMethod
from payments.orders.clearance import give_back
from payments.orders.discounts import settle_uses
from payments.orders.disputes.models import Dispute
from payments.orders.disputes.telling import tell_merchant
from payments.orders.holds import release_held, withdraw_held
from payments.orders.models import Order, Payment, Refund
from payments.orders.receipts import is_told_elsewhere, receipt_facts
from payments.orders.transitions import PAYMENT
from payments.promotions.suspicion import note_card
from payments.routing.quotas import settle_quotas
from payments.wallet.freezing import freeze_for_dispute
from payments.wallet.services import credit_top_up
from payments.webhooks.services import process_webhook
from riskcontrol.events import CaseDecided
from riskcontrol.models import Case, Outcome
from riskcontrol.outcomes import record_outcome

__all__ = ["merchant_news"]  # importing it subscribes it
_TOLD_ONCE = ("payment_received", "refund_succeeded")


@handles(WebhookReceived)
def process_received_webhook(event: WebhookReceived) -> None:
    process_webhook(event.receipt_id)


@handles(OrderPaid, when=lambda event: event.user_id is not None)
def send_receipt(event: OrderPaid) -> None:
    order = Order.objects.select_related("merchant").get(id=event.order_id)
    _tell_payer(order, template="payment_received", amount=order.amount, occasion=order.id)


@handles(OrderPaid, when=lambda event: event.user_id is not None)
def credit_wallet(event: OrderPaid) -> None:
    """When the order was a top-up."""
    credit_top_up(event.order_id, payment_id=event.payment_id, merchant_id=event.merchant_id)


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


@handles(PaymentFailed)
def give_limits_back_after_failure(event: PaymentFailed) -> None:
    _settle_limits(event.payment_id)


@handles(PaymentCanceled)
def give_limits_back_after_cancellation(event: PaymentCanceled) -> None:
    _settle_limits(event.payment_id)


@handles(PaymentSucceeded, when=lambda event: event.is_late)
def take_limits_again(event: PaymentSucceeded) -> None:
    _settle_limits(event.payment_id)


def _settle_limits(payment_id: str) -> None:
    """By how the payment stands now, not by the news: those may come in any order."""
    status = Payment.objects.select_for_update(no_key=True).values_list("status", flat=True).get(id=payment_id)
    settle_quotas(payment_id, is_given_back=status in PAYMENT.final and status != Payment.Status.SUCCEEDED)


@handles(PaymentSucceeded, when=lambda event: event.is_late)
def tell_risk_of_late_success(event: PaymentSucceeded) -> None:
    payment = Payment.objects.get(id=event.payment_id)
    _tell_risk(payment, Outcome.Kind.SUCCEEDED_LATE, amount=payment.amount, occasion=payment.id)


@handles(RefundSucceeded)
def tell_risk_of_refund(event: RefundSucceeded) -> None:
    refund = Refund.objects.select_related("payment").get(id=event.refund_id)
    _tell_risk(refund.payment, Outcome.Kind.REFUNDED, amount=refund.amount, occasion=refund.id)


@handles(DisputeOpened, when=lambda event: not event.is_warning)
def tell_risk_of_dispute(event: DisputeOpened) -> None:
    dispute = Dispute.objects.select_related("payment").get(id=event.dispute_id)
    _tell_risk(dispute.payment, Outcome.Kind.DISPUTED, amount=dispute.amount, occasion=dispute.id)


@handles(DisputeOpened)
def tell_merchant_of_dispute(event: DisputeOpened) -> None:
    dispute = Dispute.objects.get(id=event.dispute_id)
    occasion = f"{dispute.rounds}" if not event.is_warning else ""
    tell_merchant(dispute, template="dispute_warned" if event.is_warning else "dispute_opened", occasion=occasion)


@handles(DisputeWon)
def tell_merchant_of_won_dispute(event: DisputeWon) -> None:
    dispute = Dispute.objects.get(id=event.dispute_id)
    tell_merchant(dispute, template="dispute_won", occasion=str(dispute.rounds))


@handles(DisputeLost)
def tell_merchant_of_lost_dispute(event: DisputeLost) -> None:
    dispute = Dispute.objects.get(id=event.dispute_id)
    tell_merchant(dispute, template="dispute_lost", occasion=str(dispute.rounds))


@handles(DisputeOpened)
def freeze_wallet_of_disputed_top_up(event: DisputeOpened) -> None:
    """Also on an early alert: until the dispute comes, the money could be spent."""
    freeze_for_dispute(event.order_id)


def _tell_risk(payment: Payment, kind: Outcome.Kind, *, amount: Money, occasion: str) -> None:
    if decision_id := payment.risk.get("decision", ""):
        record_outcome(decision_id=decision_id, kind=kind, amount=amount, occasion=occasion)


@handles(RefundFailed)
def tell_payer_of_failed_refund(event: RefundFailed) -> None:
    _tell_of_refund(event.refund_id, template="refund_failed")


def _tell_of_refund(refund_id: str, *, template: str) -> None:
    refund = Refund.objects.select_related("payment__order__merchant").get(id=refund_id)
    _tell_payer(refund.payment.order, template=template, amount=refund.amount, occasion=refund.id)


@handles(OrderPaid, when=lambda event: event.has_codes)
def keep_codes(event: OrderPaid) -> None:
    settle_uses(event.order_id)


@handles(OrderExpired, when=lambda event: event.has_codes)
def give_codes_back_after_expiry(event: OrderExpired) -> None:
    settle_uses(event.order_id)


@handles(OrderCanceled, when=lambda event: event.has_codes)
def give_codes_back_after_cancellation(event: OrderCanceled) -> None:
    settle_uses(event.order_id)


@handles(OrderClosed, when=lambda event: event.has_codes)
def give_codes_back_after_refund(event: OrderClosed) -> None:
    settle_uses(event.order_id)


@handles(RefundSucceeded, when=lambda event: event.has_codes)
def take_our_share_back(event: RefundSucceeded) -> None:
    settle_uses(event.order_id)


@handles(DisputeLost)
def take_our_share_back_after_dispute(event: DisputeLost) -> None:
    settle_uses(event.order_id)


@handles(DisputeWon)
def give_our_share_again(event: DisputeWon) -> None:
    settle_uses(event.order_id)


@handles(PaymentMethodSaved)
def look_for_people_with_two_accounts(event: PaymentMethodSaved) -> None:
    """The card becomes known only now; codes may have been used before."""
    method = PaymentMethod.objects.get(id=event.payment_method_id)
    if method.fingerprint is not None:
        note_card(event.user_id, key=bytes(method.fingerprint))


def _tell_payer(order: Order, *, template: str, amount: Money, occasion: str) -> None:
    """Only users have an address here; what a merchant's own customers hear is the merchant's to say."""
    if order.user_id is None or (template in _TOLD_ONCE and is_told_elsewhere(order.id)):
        return
    notify(
        template=template,
        to=Recipient(user_id=order.user_id),
        context=receipt_facts(order, amount=amount),
        key=f"{template}:{occasion}",
    )
