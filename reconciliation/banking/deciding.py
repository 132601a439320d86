"""What people decide about open bank lines: above a limit one proposes, and another approves exactly that."""

import hashlib
import json

from django.conf import settings
from django.db import transaction

from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.events import publish
from payments.orders.models import Order, Payment
from payments.orders.refunds import lock_payment
from reconciliation.banking.bookkeeping import finish_if_used, lock_entry, write_off
from reconciliation.banking.errors import (
    DecisionChanged,
    DecisionIsYourOwn,
    EntryIsNotOpen,
    PaymentCannotTakeMoney,
    RemedyDoesNotFitEntry,
)
from reconciliation.banking.matching import CAN_TAKE_MONEY, accept_short, assign_to
from reconciliation.banking.models import BankDecision, BankEntry
from reconciliation.banking.payouts import has_payout_alive, send_back
from reconciliation.errors import ReasonIsMissing
from reconciliation.events import BankLineDecided
from reconciliation.transitions import BANK_DECISION

Remedy, Status, Question = BankDecision.Remedy, BankDecision.Status, BankEntry.Question


def fitting_remedies(entry: BankEntry) -> tuple[BankDecision.Remedy, ...]:
    if entry.status != BankEntry.Status.OPEN or has_payout_alive(entry):
        return ()
    if not entry.is_credit:
        return (Remedy.WRITE_OFF,)
    if entry.question == Question.UNDERPAID and entry.payment and entry.payment.status in CAN_TAKE_MONEY:
        is_open = entry.payment.order.status == Order.Status.OPEN
        return (Remedy.ACCEPT_SHORT, Remedy.RETURN) if is_open else (Remedy.RETURN,)
    return Remedy.ASSIGN, Remedy.RETURN, Remedy.WRITE_OFF


def fingerprint_of(entry: BankEntry, *, remedy: str, payment_id: str, reason: str) -> str:
    """SHA-256 of what would be done and why: an approval is of this and of nothing else."""
    content = [entry.facts, remedy, payment_id, reason, _missing(entry) if remedy == Remedy.ACCEPT_SHORT else 0]
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def propose(entry_id: str, *, remedy: str, reason: str, proposed_by: str, payment_id: str = "") -> BankDecision:
    """Done at once when the amount needs no second person.

    NotFound, EntryIsNotOpen, RemedyDoesNotFitEntry, ReasonIsMissing, PaymentCannotTakeMoney.
    """
    reason, payment_id = reason.strip()[:300], payment_id.strip() if remedy == Remedy.ASSIGN else ""
    if not reason:
        raise ReasonIsMissing
    with transaction.atomic():
        entry = _lock(entry_id, payment_id=payment_id)
        _require_fit(entry, remedy, payment_id)
        if entry.decisions.filter(status=Status.WAITING).exists():
            raise EntryIsNotOpen
        decision = BankDecision.objects.create(
            entry=entry,
            remedy=remedy,
            payment_id=payment_id,
            reason=reason,
            needs_second_person=_size(entry, remedy) > settings.PAYCORE_BANK_SECOND_PERSON_ABOVE_MINOR,
            fingerprint=fingerprint_of(entry, remedy=remedy, payment_id=payment_id, reason=reason),
            proposed_by=proposed_by,
        )
        if not decision.needs_second_person:
            _carry_out(entry, decision, by=proposed_by, note="")
    return decision


def approve(decision_id: str, *, fingerprint: str, approved_by: str, note: str = "") -> BankDecision:
    """Another person agrees, and it is done, once. ``fingerprint`` is of what that person looked at.

    NotFound, DecisionIsYourOwn, DecisionChanged, PaymentCannotTakeMoney.
    """
    with transaction.atomic():
        entry, decision = _lock_decision(decision_id)
        if decision.proposed_by == approved_by:
            raise DecisionIsYourOwn
        now_means = fingerprint_of(
            entry, remedy=decision.remedy, payment_id=decision.payment_id, reason=decision.reason
        )
        if not decision.fingerprint == fingerprint == now_means:
            raise DecisionChanged
        _require_fit(entry, decision.remedy, decision.payment_id)
        _carry_out(entry, decision, by=approved_by, note=note)
    return decision


def reject(decision_id: str, *, rejected_by: str, note: str) -> BankDecision:
    """Another person disagrees: the line stays open. NotFound, DecisionIsYourOwn, DecisionChanged."""
    with transaction.atomic():
        _entry, decision = _lock_decision(decision_id)
        if decision.proposed_by == rejected_by:
            raise DecisionIsYourOwn
        _end(decision, Status.REJECTED, by=rejected_by, note=note)
    return decision


def withdraw(decision_id: str, *, withdrawn_by: str) -> BankDecision:
    """Whoever proposed it takes it back. NotFound (also for another's), DecisionChanged."""
    with transaction.atomic():
        _entry, decision = _lock_decision(decision_id)
        if decision.proposed_by != withdrawn_by:
            raise NotFound
        _end(decision, Status.WITHDRAWN, by=withdrawn_by, note="")
    return decision


def waiting_decision(entry: BankEntry) -> BankDecision | None:
    return entry.decisions.filter(status=Status.WAITING).first()


def _lock(entry_id: str, *, payment_id: str) -> BankEntry:
    """Order and payment first, as everywhere. NotFound."""
    known = BankEntry.objects.filter(id=entry_id).first()
    if known is None:
        raise NotFound
    about = payment_id or known.payment_id
    if about and Payment.objects.filter(id=about).exists():
        lock_payment(about)
    elif payment_id:
        raise PaymentCannotTakeMoney(payment=payment_id)
    return lock_entry(entry_id)


def _lock_decision(decision_id: str) -> tuple[BankEntry, BankDecision]:
    known = BankDecision.objects.filter(id=decision_id).first()
    if known is None:
        raise NotFound
    entry = _lock(known.entry_id, payment_id=known.payment_id)
    decision = BankDecision.objects.select_for_update(no_key=True).get(id=decision_id)
    if decision.status != Status.WAITING:
        raise DecisionChanged
    return entry, decision


def _require_fit(entry: BankEntry, remedy: str, payment_id: str) -> None:
    fitting = fitting_remedies(entry)
    if not fitting:
        raise EntryIsNotOpen
    if remedy not in fitting:
        raise RemedyDoesNotFitEntry(remedy=remedy)
    if remedy != Remedy.ASSIGN:
        return
    payment = Payment.objects.filter(
        id=payment_id, gateway_account_id=entry.gateway_account_id, currency=entry.currency, status__in=CAN_TAKE_MONEY
    )
    if not payment.exists():
        raise PaymentCannotTakeMoney(payment=payment_id)


def _size(entry: BankEntry, remedy: str) -> int:
    return _missing(entry) if remedy == Remedy.ACCEPT_SHORT else entry.unallocated_minor


def _missing(entry: BankEntry) -> int:
    """What of its payment has not come, or is on its way back."""
    if entry.payment is None:
        return 0
    waiting = BankEntry.objects.filter(payment_id=entry.payment_id, status="open", question=Question.UNDERPAID)
    arrived = sum(row.unallocated_minor for row in waiting if not has_payout_alive(row))
    return entry.payment.amount_minor - arrived


def _carry_out(entry: BankEntry, decision: BankDecision, *, by: str, note: str) -> None:
    _end(decision, Status.APPROVED, by=by, note=note)
    match decision.remedy:
        case Remedy.ASSIGN:
            assign_to(entry.id, decision.payment_id)
        case Remedy.ACCEPT_SHORT:
            accept_short(entry.id, str(entry.payment_id))
        case Remedy.RETURN:
            send_back(entry)
        case Remedy.WRITE_OFF:
            write_off(entry, decision.id)
            finish_if_used(entry, resolution="written off")
    publish(BankLineDecided(entry.id, decision.id, decision.remedy))


def _end(decision: BankDecision, status: BankDecision.Status, *, by: str, note: str) -> None:
    BANK_DECISION.require(decision.status, status)
    decision.status, decision.decided_by, decision.note = status, by, note[:300]
    decision.decided_at = database_now()
    decision.save(update_fields=["status", "decided_by", "note", "decided_at"])
