"""The disputes' door: what a gateway says of a dispute, applied once, in one short transaction.

The money moves when the provider says that a dispute stands (not for an early alert): what it takes from us is the
merchant's to bear, its fee is a cost of ours (``expense:disputes``). Won, the money comes back; the fee does not.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F

from paycore.clock import database_now
from paycore.errors import NotFound, PaycoreError
from paycore.events import publish
from paycore.money import CURRENCIES, Money
from payments.events import DisputeLost, DisputeOpened, DisputeUpdated, DisputeWon
from payments.gateways.contract import DisputeNotice, DisputeStatus
from payments.ledger import chart
from payments.ledger.services import Entry, Leg, post
from payments.orders import transitions
from payments.orders.disputes.models import Dispute
from payments.orders.models import Evidence, Order, Payment
from payments.orders.refunds import SYSTEM, RefundOrder, close_surplus_when_gone, lock_payment, request_refund
from payments.routing.models import GatewayAccount
from riskcontrol.cases import open_case, resolve_cases
from riskcontrol.models import Case

log = structlog.get_logger(__name__)

LOOK_AGAIN = timedelta(hours=12)
_STANDS = (DisputeStatus.NEEDS_RESPONSE, DisputeStatus.UNDER_REVIEW, DisputeStatus.LOST)


@dataclass(frozen=True, slots=True)
class _Locked:
    order: Order
    payment: Payment
    dispute: Dispute
    is_new: bool


def record_dispute_notice(account: GatewayAccount, notice: DisputeNotice, *, source: Evidence.Source) -> Dispute:
    """The dispute as it is afterwards. Twice, late or out of order is safe. NotFound when no payment of the account is
    meant."""
    now = database_now()
    with transaction.atomic():
        order, payment = lock_payment(_payment_id(account, notice))
        notice = _with_money(notice, payment)
        locked = _lock(account, notice, order=order, payment=payment, now=now)
        dispute = locked.dispute
        before = (dispute.status, dispute.evidence_due_at, dispute.fee_minor)
        moves = locked.is_new or _moves(dispute, notice)
        has_other_money = notice.currency != dispute.currency or notice.amount_minor != dispute.amount_minor
        _note(dispute, notice, source=source, is_applied=moves)
        if has_other_money:
            facts = {"reported_minor": notice.amount_minor, "reported_currency": notice.currency}
            open_case(
                kind=Case.Kind.PAYMENT_MISMATCH, object_id=dispute.id, facts=facts, merchant_id=dispute.merchant_id
            )
            return dispute
        if moves:
            _reopen_answer(dispute, notice)
            dispute.status = notice.status.value
            dispute.said_at = notice.occurred_at or dispute.said_at
        dispute.evidence_due_at = notice.evidence_due_at or dispute.evidence_due_at
        _book_fee(dispute, notice.fee_minor)
        _move_money(locked)
        _set_clock(dispute, now=now)
        dispute.save()
        if moves or before != (dispute.status, dispute.evidence_due_at, dispute.fee_minor):
            _tell(locked, before=before[0])
    return dispute


def _moves(dispute: Dispute, notice: DisputeNotice) -> bool:
    """A decided dispute is opened anew only by a word that is newer than the decision: late copies are older. So does
    one that is being decided go back to asking for an answer, unless the provider says no times."""
    if not transitions.DISPUTE.allows(dispute.status, notice.status):
        return False
    goes_back = dispute.status == Dispute.Status.UNDER_REVIEW and notice.status == DisputeStatus.NEEDS_RESPONSE
    if not dispute.is_decided and not goes_back:
        return True
    if notice.occurred_at is None or dispute.said_at is None:
        return goes_back
    return notice.occurred_at > dispute.said_at


def _reopen_answer(dispute: Dispute, notice: DisputeNotice) -> None:
    """Asked for once more, the merchant may answer once more."""
    is_asked = notice.status == DisputeStatus.NEEDS_RESPONSE
    if is_asked and dispute.status in (Dispute.Status.WON, Dispute.Status.UNDER_REVIEW):
        dispute.answer, dispute.answered_at, dispute.reminded_at = Dispute.Answer.OPEN, None, None


def _with_money(notice: DisputeNotice, payment: Payment) -> DisputeNotice:
    """Some banks' early alerts name no amount: the whole payment is meant."""
    if notice.status != DisputeStatus.WARNING or notice.currency or notice.amount_minor:
        return notice
    return replace(notice, amount_minor=payment.captured_minor, currency=payment.currency)


def _lock(account: GatewayAccount, notice: DisputeNotice, *, order: Order, payment: Payment, now: datetime) -> _Locked:
    if notice.currency not in CURRENCIES or notice.amount_minor <= 0:
        raise NotFound
    is_known = Dispute.objects.filter(gateway_account_id=account.id, gateway_reference=notice.gateway_reference)
    if notice.currency != payment.currency and not is_known.exists():
        raise NotFound  # what a payment in one currency lost in another cannot be booked: a person looks
    dispute, is_new = Dispute.objects.select_for_update(no_key=True).get_or_create(
        gateway_account_id=account.id,
        gateway_reference=notice.gateway_reference,
        defaults={
            "payment": payment,
            "merchant_id": order.merchant_id,
            "status": notice.status.value,
            "reason": notice.reason if notice.reason in Dispute.Reason else Dispute.Reason.OTHER,
            "currency": notice.currency,
            "amount_minor": notice.amount_minor,
            "evidence_due_at": notice.evidence_due_at,
            "next_attempt_at": None if notice.status in transitions.DISPUTE.final else now + LOOK_AGAIN,
            "decided_at": now if notice.status in transitions.DISPUTE.final else None,
        },
    )
    if dispute.payment_id != payment.id:
        raise NotFound
    return _Locked(order, payment, dispute, is_new)


def _payment_id(account: GatewayAccount, notice: DisputeNotice) -> str:
    """By the dispute when it is known, else by our number, else by the provider's: one account's own only."""
    known = Dispute.objects.filter(gateway_account_id=account.id, gateway_reference=notice.gateway_reference)
    if payment_id := known.values_list("payment_id", flat=True).first():
        return payment_id
    payments = Payment.objects.filter(gateway_account_id=account.id)
    by_number = payments.filter(id=notice.payment_reference) if notice.payment_reference else payments.none()
    by_theirs = (
        payments.filter(gateway_reference=notice.payment_gateway_reference)
        if notice.payment_gateway_reference
        else payments.none()
    )
    payment_id = by_number.values_list("id", flat=True).first() or by_theirs.values_list("id", flat=True).first()
    if payment_id is None:
        raise NotFound
    return payment_id


def _move_money(locked: _Locked) -> None:
    """In the books the money is gone exactly while the dispute stands against us."""
    dispute, payment = locked.dispute, locked.payment
    stands = dispute.status in _STANDS
    owner = chart.SUSPENSE if payment.is_surplus else chart.merchant_pending(dispute.merchant_id)
    gateway = chart.gateway(dispute.gateway_account_id)
    if stands and not dispute.withdrawn_minor:
        dispute.rounds += 1
        dispute.withdrawn_minor = dispute.amount_minor
        post(Entry("dispute", dispute.id, f"withdrawn:{dispute.rounds}", [Leg(owner, gateway, dispute.amount)]))
        Payment.objects.filter(id=payment.id).update(disputed_minor=F("disputed_minor") + dispute.amount_minor)
        if payment.is_surplus:
            close_surplus_when_gone(payment)
    elif dispute.status == Dispute.Status.WON and dispute.withdrawn_minor:
        dispute.withdrawn_minor = 0
        post(Entry("dispute", dispute.id, f"returned:{dispute.rounds}", [Leg(gateway, owner, dispute.amount)]))
        Payment.objects.filter(id=payment.id).update(disputed_minor=F("disputed_minor") - dispute.amount_minor)
        if payment.is_surplus:
            facts = {"order": payment.order_id, "amount_minor": dispute.amount_minor, "currency": dispute.currency}
            open_case(
                kind=Case.Kind.SURPLUS_PAYMENT,
                object_id=payment.id,
                facts=facts,
                merchant_id=dispute.merchant_id,
            )


def _book_fee(dispute: Dispute, told_minor: int) -> None:
    """What the provider charges for it so far; a provider that says nothing later has not given it back."""
    if told_minor <= dispute.fee_minor:
        return
    more = Money(told_minor - dispute.fee_minor, dispute.currency)
    leg = Leg(chart.EXPENSE_DISPUTES, chart.gateway(dispute.gateway_account_id), more)
    post(Entry("dispute", dispute.id, f"fee:{told_minor}", [leg]))
    dispute.fee_minor = told_minor


def _set_clock(dispute: Dispute, *, now: datetime) -> None:
    if dispute.is_decided:
        dispute.decided_at = dispute.decided_at or now
        dispute.next_attempt_at = None
        if dispute.answer in (Dispute.Answer.SUBMITTING, Dispute.Answer.ACCEPTING):
            is_sent = dispute.answer == Dispute.Answer.SUBMITTING
            dispute.answer = Dispute.Answer.SUBMITTED if is_sent else Dispute.Answer.ACCEPTED
        return
    dispute.decided_at = None
    if dispute.answer not in (Dispute.Answer.SUBMITTING, Dispute.Answer.ACCEPTING):
        dispute.next_attempt_at = now + LOOK_AGAIN


def _tell(locked: _Locked, *, before: str) -> None:
    dispute, order = locked.dispute, locked.order
    is_reopened = before in transitions.DISPUTE.final and not dispute.is_decided
    ids = (dispute.id, dispute.payment_id, order.id)
    if locked.is_new or is_reopened or (before == "warning" and dispute.status != "warning"):
        publish(DisputeOpened(*ids, dispute.status == Dispute.Status.WARNING, dispute.merchant_id))
    else:
        publish(DisputeUpdated(dispute.id, dispute.payment_id, dispute.merchant_id))
    if dispute.is_decided and (locked.is_new or before != dispute.status):
        ended = DisputeWon if dispute.status == Dispute.Status.WON else DisputeLost
        publish(ended(*ids, dispute.merchant_id))
        resolve_cases(kind=Case.Kind.DISPUTE, object_id=dispute.id, resolution=dispute.status)
    if dispute.is_decided:
        return
    _open_case(dispute)
    if dispute.status == Dispute.Status.WARNING and locked.is_new:
        _refund_by_policy(dispute, locked.payment)


def _open_mismatch(dispute: Dispute, notice: DisputeNotice) -> None:
    open_case(
        kind=Case.Kind.PAYMENT_MISMATCH,
        object_id=dispute.id,
        facts={"reported_minor": notice.amount_minor, "reported_currency": notice.currency},
        merchant_id=dispute.merchant_id,
    )


def _open_case(dispute: Dispute) -> None:
    facts = {
        "payment": dispute.payment_id,
        "reason": dispute.reason,
        "amount_minor": dispute.amount_minor,
        "currency": dispute.currency,
        "answer_by": dispute.evidence_due_at.isoformat(timespec="seconds") if dispute.evidence_due_at else "",
    }
    open_case(kind=Case.Kind.DISPUTE, object_id=dispute.id, facts=facts, merchant_id=dispute.merchant_id)


def _refund_by_policy(dispute: Dispute, payment: Payment) -> None:
    """An early alert below the limit is cheaper to refund than to answer: what it is about, as far as that is still
    there. A refusal leaves it to a person."""
    limit = settings.PAYCORE_EARLY_ALERT_REFUND.get(dispute.currency)
    if limit is None or dispute.amount_minor > limit:
        return
    amount = min(dispute.amount, payment.refundable)
    request = RefundOrder(dispute.payment_id, amount=amount, reason="early dispute alert", requested_by=SYSTEM)
    try:
        with transaction.atomic():
            request_refund(request, is_reviewed=True)
    except PaycoreError as refusal:
        log.info("early_alert_not_refunded", dispute_id=dispute.id, reason=refusal.code)


def _note(dispute: Dispute, notice: DisputeNotice, *, source: Evidence.Source, is_applied: bool) -> None:
    if source == Evidence.Source.QUERY and not is_applied:
        return
    details = {
        "amount_minor": notice.amount_minor,
        "currency": notice.currency,
        "fee_minor": notice.fee_minor,
        "gateway_reference": notice.gateway_reference,
        "occurred_at": notice.occurred_at.isoformat() if notice.occurred_at else "",
    }
    Evidence.objects.create(
        object_id=dispute.id,
        source=source,
        outcome=notice.status.value,
        is_applied=is_applied,
        details={name: value for name, value in details.items() if value not in (None, "", 0)},
    )
