"""Payments that wait before they are sent: delayed by risk control, or until a person has looked.

Nothing of such a payment has left the house: its status is ``created``. Sending it commits ``submitting`` first; after
that it can only be asked about, as any other. Withdrawing it needs no gateway.
"""

from datetime import datetime

from django.db import transaction

from merchants.queries import may_sell
from paycore import bell
from paycore.clock import database_now
from paycore.errors import NotFound
from payments.bells import PAYMENTS
from payments.gateways.contract import Outcome, PaymentResult
from payments.methods.errors import MandateRequired
from payments.methods.models import PaymentMethod
from payments.methods.services import require_mandate
from payments.orders import statements
from payments.orders.charging import known_of, load, submit
from payments.orders.models import Evidence, Order, Payment
from payments.orders.outcomes import decide
from payments.orders.refunds import lock_payment
from payments.routing.services import get_account
from riskcontrol.cases import resolve_cases
from riskcontrol.models import Case


def advance_held(payment: Payment, *, now: datetime) -> Payment:
    """What is due for a payment that was not sent yet: send it, or give it up when its review took too long."""
    if _is_over(payment.order, now=now):
        return withdraw_held(payment.id, why="its order ended")
    if payment.held_until is not None and payment.held_until > now:
        return payment
    if payment.hold == Payment.Hold.REVIEW:
        return _end_review(payment)
    if not may_sell(payment.order.merchant_id):
        return withdraw_held(payment.id, why="its merchant takes no payments")
    if not _may_still_charge(payment):
        return withdraw_held(payment.id, why="its payer withdrew")
    return _send(payment)


def _may_still_charge(payment: Payment) -> bool:
    """Of a saved method: its owner may have removed it, or ended the mandate, while the payment waited."""
    if not payment.payment_method_id:
        return True
    method = PaymentMethod.objects.filter(id=payment.payment_method_id, status=PaymentMethod.Status.ACTIVE).first()
    if method is None or not payment.is_off_session:
        return method is not None
    try:
        require_mandate(method, merchant_id=payment.order.merchant_id, amount=payment.order.amount)
    except MandateRequired:
        return False
    return True


def _is_over(order: Order, *, now: datetime) -> bool:
    return order.status != Order.Status.OPEN or order.expires_at <= now


def _end_review(payment: Payment) -> Payment:
    """Its time is over. A verdict that was given in time counts: its news is still on the way."""
    why = "nobody decided in time"
    with transaction.atomic():
        lock_payment(payment.id)
        if resolve_cases(kind=Case.Kind.RISK_REVIEW, object_id=payment.id, resolution=why):
            return withdraw_held(payment.id, why=why)
    return load(payment.id)


def release_held(payment_id: str) -> None:
    """A person approved it: it is due now. Nothing changes for one that was withdrawn or sent meanwhile."""
    with transaction.atomic():
        _order, payment = lock_payment(payment_id)
        if payment.status != Payment.Status.CREATED:
            return
        now = database_now()
        payment.hold, payment.held_until, payment.next_attempt_at = "", now, now
        payment.save(update_fields=["hold", "held_until", "next_attempt_at"])
        bell.ring_on_commit(PAYMENTS)


def withdraw_held(payment_id: str, *, why: str) -> Payment:
    """End a payment that was not sent; the row as it is afterwards, also when it was sent meanwhile."""
    with transaction.atomic():
        lock_payment(payment_id)
        payment = load(payment_id)
        if payment.status != Payment.Status.CREATED:
            return payment
        result = PaymentResult(payment.id, Outcome.CANCELED)
        known = known_of(payment)
        change = decide(known, result, now=database_now())
        change.note = why
        row = statements.change_as_row(known, change, result, source=Evidence.Source.OPERATOR)
        if not statements.apply(row, key=None, response=None):
            raise AssertionError("both rows are locked, so their versions stand")
        resolve_cases(kind=Case.Kind.RISK_REVIEW, object_id=payment.id, resolution=why)
        bell.ring_on_commit(bell.OUTBOX)
    return load(payment_id)


def _send(payment: Payment) -> Payment:
    account = get_account(payment.gateway_account_id)
    if account is None:
        raise NotFound
    with transaction.atomic():
        lock_payment(payment.id)
        payment = load(payment.id)
        if payment.status != Payment.Status.CREATED or _is_over(payment.order, now=database_now()):
            return payment  # money for another attempt may have come a moment ago
        payment.status, payment.hold = Payment.Status.SUBMITTING, ""
        payment.save(update_fields=["status", "hold"])
    sent, _is_passed_on = submit(
        load(payment.id), account, now=database_now(), key=None, render=None, may_try_elsewhere=False
    )
    return sent
