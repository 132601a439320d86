"""Giving money back: reserve, review, send, resolve.

The amount is reserved on the payment with the request, so that refunds together can never exceed what was captured.
Sending repeats the same request number until the gateway gives evidence; silence is never a failure.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F

from merchants.models import Merchant
from merchants.queries import get_merchant, refund_needs_review
from paycore import bell, metrics
from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.events import publish
from paycore.money import Money
from payments.bells import REFUNDS
from payments.errors import PaymentNotRefundable, RefundExceedsPayment, RefundIsYourOwn
from payments.events import (
    OrderClosed,
    RefundApproved,
    RefundFailed,
    RefundRejected,
    RefundRequested,
    RefundSucceeded,
)
from payments.gateways.contract import (
    GatewayError,
    GatewayRejected,
    Outcome,
    RefundRequest,
    RefundResult,
)
from payments.ledger import chart
from payments.ledger.services import Entry, Leg, post
from payments.orders import transitions
from payments.orders.models import Evidence, Order, Payment, Refund
from payments.orders.schedule import QUERY_DELAYS_SECONDS
from payments.routing.connections import ask, connect, webhook_url
from payments.routing.models import GatewayAccount
from payments.routing.services import get_account
from payments.wallet.errors import TopUpNotRefundable
from payments.wallet.queries import is_top_up
from riskcontrol.cases import open_case, resolve_cases
from riskcontrol.models import Case

log = structlog.get_logger(__name__)

SYSTEM = "system"
SEND_LEASE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """``amount`` None: all that can still be refunded. ``requested_by`` is an id (user, key or ``system``)."""

    payment_id: str
    amount: Money | None
    reason: str
    requested_by: str


def request_refund(request: RefundOrder, *, is_reviewed: bool = False) -> Refund:
    """Reserve and record, in the running transaction; approved at once when the merchant's limit needs no review.

    Raises NotFound, PaymentNotRefundable, RefundExceedsPayment, TopUpNotRefundable.
    """
    with transaction.atomic():
        order, payment = lock_payment(request.payment_id)
        if payment.status != Payment.Status.SUCCEEDED and not payment.captured_minor:
            raise PaymentNotRefundable
        if not payment.is_surplus and is_top_up(order.id):
            raise TopUpNotRefundable
        amount = request.amount or payment.refundable
        if amount.currency != payment.currency or amount.minor <= 0 or not _reserve(payment, amount):
            raise RefundExceedsPayment(refundable_minor=payment.refundable.minor, currency=payment.currency)
        merchant = get_merchant(order.merchant_id)
        refund = Refund.objects.create(
            payment=payment,
            currency=amount.currency,
            amount_minor=amount.minor,
            reason=request.reason[:300],
            requested_by=request.requested_by,
        )
        publish(RefundRequested(refund.id, payment.id, order.merchant_id))
        if is_reviewed or not _needs_review(merchant, amount):
            _approve(refund, reviewed_by=SYSTEM, note="", now=database_now())
    return refund


def _needs_review(merchant: Merchant, amount: Money) -> bool:
    return refund_needs_review(merchant, amount)


def approve_refund(refund_id: str, *, reviewed_by: str, note: str = "") -> Refund:
    """A person says yes; the worker sends it. IllegalTransition when it is not waiting for review."""
    with transaction.atomic():
        refund = _lock_refund(refund_id)
        _require_other_person(refund, reviewed_by)
        _approve(refund, reviewed_by=reviewed_by, note=note, now=database_now())
    return refund


def reject_refund(refund_id: str, *, reviewed_by: str, note: str) -> Refund:
    """A person says no: the reservation is let go."""
    with transaction.atomic():
        refund = _lock_refund(refund_id)
        _require_other_person(refund, reviewed_by)
        transitions.REFUND.require(refund.status, Refund.Status.REJECTED)
        _release(refund, refunded_minor=0)
        refund.status = Refund.Status.REJECTED
        refund.reviewed_by, refund.review_note = reviewed_by, note[:300]
        refund.save(update_fields=["status", "reviewed_by", "review_note"])
        publish(RefundRejected(refund.id, refund.payment.order.merchant_id))
    return refund


def _require_other_person(refund: Refund, reviewed_by: str) -> None:
    """Who asks and who decides are two; who asked can never change."""
    if refund.requested_by == reviewed_by:
        raise RefundIsYourOwn


def send_refund(refund_id: str) -> Refund:
    """Ask the gateway: first time, or again with the same request number. No transaction is open meanwhile."""
    refund = _mark_submitting(refund_id)
    if refund.status != Refund.Status.SUBMITTING:
        return refund
    account = get_account(refund.payment.gateway_account_id)
    if account is None:
        raise NotFound
    request = RefundRequest(
        reference=refund.id,
        payment_reference=refund.payment_id,
        payment_gateway_reference=refund.payment.gateway_reference,
        payment_amount_minor=refund.payment.amount_minor,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        reason=refund.reason,
        webhook_url=webhook_url(account),
    )
    try:
        result = _ask_refund(refund, request, account=account)
    except GatewayError as error:
        log.warning("refund_unknown", refund_id=refund.id, reason=error.code or type(error).__name__)
        return refund
    return record_refund_result(refund.id, result, source=Evidence.Source.RESPONSE)


def _ask_refund(refund: Refund, request: RefundRequest, *, account: GatewayAccount) -> RefundResult:
    """Send, or ask first when it may have been sent before. Only a refused *sending* of which the gateway knows
    nothing is evidence that no money went back; a refused question says nothing."""
    adapter = connect(account)
    if refund.attempts > 1:
        known = ask(
            account,
            adapter.fetch_refund,
            refund.id,
            payment_reference=request.payment_reference,
            payment_gateway_reference=request.payment_gateway_reference,
        )
        if known.outcome is not Outcome.NOT_FOUND:
            return known
    try:
        return ask(account, adapter.create_refund, request)
    except GatewayRejected as error:
        return RefundResult(refund.id, Outcome.FAILED, failure_code=error.code or "gateway_rejected")


def record_refund_result(refund_id: str, result: RefundResult, *, source: Evidence.Source) -> Refund:
    """The refunds' door: apply one piece of evidence once; the refund as it is afterwards."""
    with transaction.atomic():
        refund = _lock_refund(refund_id)
        is_wrong = (result.amount_minor not in (None, refund.amount_minor)) or (
            result.currency not in (None, refund.currency)
        )
        target = {Outcome.SUCCEEDED: "succeeded", Outcome.FAILED: "failed", Outcome.CANCELED: "failed"}.get(
            result.outcome
        )
        is_applied = target is not None and not is_wrong and transitions.REFUND.allows(refund.status, target)
        # A bank may send money back weeks later: it is ours again, and the payer has nothing.
        has_come_back = target == "failed" and refund.status == Refund.Status.SUCCEEDED
        if source != Evidence.Source.QUERY or is_applied or has_come_back:
            _note(refund, result, source=source, is_applied=is_applied)
        has_ended_otherwise = refund.status in (Refund.Status.FAILED, Refund.Status.REJECTED)
        if has_come_back or (target == "succeeded" and (is_wrong or has_ended_otherwise)):
            _open_mismatch(refund, result)
        elif is_applied and target == "succeeded":
            _succeed(refund, result)
        elif is_applied:
            _fail(refund, result)
        return refund


def _open_mismatch(refund: Refund, result: RefundResult) -> None:
    facts = {
        "reported_minor": result.amount_minor,
        "reported_currency": result.currency,
        "reported": str(result.outcome),
        "failure_code": result.failure_code,
        "status": refund.status,
    }
    open_case(kind=Case.Kind.REFUND_MISMATCH, object_id=refund.id, facts=facts)


def _approve(refund: Refund, *, reviewed_by: str, note: str, now: datetime) -> None:
    transitions.REFUND.require(refund.status, Refund.Status.APPROVED)
    refund.status = Refund.Status.APPROVED
    refund.reviewed_by, refund.review_note, refund.next_attempt_at = reviewed_by, note[:300], now
    refund.save(update_fields=["status", "reviewed_by", "review_note", "next_attempt_at"])
    publish(RefundApproved(refund.id, refund.payment.order.merchant_id))
    bell.ring_on_commit(REFUNDS)


def _mark_submitting(refund_id: str) -> Refund:
    """Commit the intent to send, and when to look again if this process dies."""
    with transaction.atomic():
        refund = _lock_refund(refund_id)
        if refund.status == Refund.Status.APPROVED:
            refund.status = Refund.Status.SUBMITTING
        if refund.status == Refund.Status.SUBMITTING:
            delay = QUERY_DELAYS_SECONDS[min(refund.attempts, len(QUERY_DELAYS_SECONDS) - 1)]
            refund.attempts += 1
            refund.next_attempt_at = database_now() + max(timedelta(seconds=delay), SEND_LEASE)
            refund.save(update_fields=["status", "attempts", "next_attempt_at"])
    return refund


def _succeed(refund: Refund, result: RefundResult) -> None:
    payment, now = refund.payment, database_now()
    _release(refund, refunded_minor=refund.amount_minor)
    refund.status, refund.succeeded_at, refund.next_attempt_at = Refund.Status.SUCCEEDED, now, None
    refund.gateway_reference = result.gateway_reference
    refund.save(update_fields=["status", "succeeded_at", "next_attempt_at", "gateway_reference"])
    owner = chart.SUSPENSE if payment.is_surplus else chart.merchant_pending(payment.order.merchant_id)
    leg = Leg(owner, chart.gateway(payment.gateway_account_id), refund.amount)
    post(Entry("refund", refund.id, "succeeded", [leg]))
    order = payment.order
    publish(RefundSucceeded(refund.id, payment.id, order.id, order.merchant_id, order.has_codes))
    _count(refund)
    if payment.is_surplus:
        close_surplus_when_gone(payment)
    else:
        _close_order_if_fully_refunded(payment.order, refund)


def _fail(refund: Refund, result: RefundResult) -> None:
    _release(refund, refunded_minor=0)
    refund.status, refund.next_attempt_at = Refund.Status.FAILED, None
    refund.failure_code = (result.failure_code or "refund_failed")[:64]
    refund.save(update_fields=["status", "next_attempt_at", "failure_code"])
    publish(RefundFailed(refund.id, refund.payment_id, refund.failure_code, refund.payment.order.merchant_id))
    _count(refund)


def _count(refund: Refund) -> None:
    account = get_account(refund.payment.gateway_account_id)
    metrics.REFUNDS.labels(gateway=account.gateway if account else "", outcome=refund.status).inc()


def close_surplus_when_gone(payment: Payment) -> None:
    """Nothing of it is in suspense any more: refunds and disputes took it."""
    payment.refresh_from_db(fields=["refunded_minor", "disputed_minor", "captured_minor"])
    if payment.refunded_minor + payment.disputed_minor >= payment.captured_minor:
        resolve_cases(kind=Case.Kind.SURPLUS_PAYMENT, object_id=payment.id, resolution="refunded")


def _close_order_if_fully_refunded(order: Order, refund: Refund) -> None:
    order.refunded_minor += refund.amount_minor
    order.save(update_fields=["refunded_minor"])
    captured = order.payments.filter(status="succeeded", is_surplus=False).values_list("captured_minor", flat=True)
    if order.status == Order.Status.PAID and order.refunded_minor >= sum(captured):
        order.status = Order.Status.CLOSED
        order.save(update_fields=["status"])
        publish(OrderClosed(order.id, order.merchant_id, order.has_codes))


def lock_payment(payment_id: str) -> tuple[Order, Payment]:
    """Order, then payment: the lock order of the house."""
    order_id = Payment.objects.filter(id=payment_id).values_list("order_id", flat=True).first()
    if order_id is None:
        raise NotFound
    order = Order.objects.select_for_update(no_key=True).get(id=order_id)
    payment = Payment.objects.select_for_update(no_key=True).get(id=payment_id)
    payment.order = order
    return order, payment


def _lock_refund(refund_id: str) -> Refund:
    payment_id = Refund.objects.filter(id=refund_id).values_list("payment_id", flat=True).first()
    if payment_id is None:
        raise NotFound
    _order, payment = lock_payment(payment_id)
    refund = Refund.objects.select_for_update(no_key=True).get(id=refund_id)
    refund.payment = payment
    return refund


def _reserve(payment: Payment, amount: Money) -> bool:
    """Conditional update: holds under any race, with the CHECK behind it."""
    updated = Payment.objects.filter(
        id=payment.id,
        captured_minor__gte=F("refunded_minor") + F("refund_pending_minor") + F("disputed_minor") + amount.minor,
    ).update(refund_pending_minor=F("refund_pending_minor") + amount.minor)
    return bool(updated)


def _release(refund: Refund, *, refunded_minor: int) -> None:
    """The reservation becomes a refund (``refunded_minor`` of it) or nothing."""
    Payment.objects.filter(id=refund.payment_id).update(
        refund_pending_minor=F("refund_pending_minor") - refund.amount_minor,
        refunded_minor=F("refunded_minor") + refunded_minor,
    )


def _note(refund: Refund, result: RefundResult, *, source: Evidence.Source, is_applied: bool) -> None:
    Evidence.objects.create(
        object_id=refund.id,
        source=source,
        outcome=str(result.outcome),
        is_applied=is_applied,
        details={
            name: value
            for name, value in {
                "amount_minor": result.amount_minor,
                "currency": result.currency,
                "gateway_reference": result.gateway_reference,
                "failure_code": result.failure_code,
            }.items()
            if value not in (None, "")
        },
    )


def due_refunds(*, limit: int) -> list[str]:
    """Ids of refunds to send or to ask about now; each is put off by a lease, so that workers share the work."""
    return claim_due(Refund, lease=SEND_LEASE, limit=limit)
