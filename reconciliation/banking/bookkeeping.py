"""What a bank line posts. Its money is in suspense from its arrival until it was used, line by line:

in: bank ← suspense, then suspense ← gateway (and the door: gateway ← merchant); out: the other way round.
"""

from typing import Protocol

from django.db import transaction

from paycore.money import Money
from payments.ledger import chart
from payments.ledger.services import Entry, Leg, post
from reconciliation.banking.models import BankAllocation, BankEntry
from reconciliation.discrepancies.bookkeeping import EXPENSE_DISCREPANCIES
from reconciliation.transitions import BANK_ENTRY
from riskcontrol.cases import open_case, resolve_cases
from riskcontrol.models import Case

SUSPENSE_PREFIX = f"{chart.SUSPENSE}:bank:"
Purpose = BankAllocation.Purpose

CASES = {
    BankEntry.Question.UNDERPAID: Case.Kind.BANK_UNDERPAID,
    BankEntry.Question.OVERPAID: Case.Kind.BANK_OVERPAID,
    BankEntry.Question.UNKNOWN: Case.Kind.BANK_UNKNOWN,
    BankEntry.Question.RETURNED: Case.Kind.BANK_RETURNED,
}


class _OfAccount(Protocol):
    @property
    def gateway_account_id(self) -> str: ...


def bank(row: _OfAccount) -> str:
    return f"bank:{row.gateway_account_id}"


def suspense(row: _OfAccount) -> str:
    """Apart from payments' own suspense, whose owners are known payments, and from statements' discrepancies."""
    return f"{SUSPENSE_PREFIX}{row.gateway_account_id}"


def lock_entry(entry_id: str) -> BankEntry:
    return BankEntry.objects.select_for_update(no_key=True).get(id=entry_id)


def book_arrival(entry: BankEntry) -> None:
    """Once, with the line's first move: the money is in the books whatever it is for."""
    accounts = (bank(entry), suspense(entry)) if entry.is_credit else (suspense(entry), bank(entry))
    _post(entry, Leg(*accounts, entry.amount), phase="arrived")


def use_for_payment(entry: BankEntry, payment_id: str, amount: Money) -> None:
    """It becomes what the gateway account has; the door gives it to the merchant."""
    allocation = _use(entry, Purpose.PAYMENT, payment_id, amount)
    leg = Leg(suspense(entry), chart.gateway(entry.gateway_account_id), amount)
    _post(entry, leg, phase=f"payment:{allocation.id}")


def use_for_payout(entry: BankEntry, payout_id: str, amount: Money, *, taken_from: str) -> None:
    """``taken_from``: the account whose owner the money went to, by code; empty when another line in suspense pays."""
    allocation = _use(entry, Purpose.PAYOUT, payout_id, amount)
    if taken_from:
        _post(entry, Leg(taken_from, suspense(entry), amount), phase=f"payout:{allocation.id}")


def write_off(entry: BankEntry, decision_id: str) -> None:
    """What is left becomes our cost, or our gain."""
    amount = entry.unallocated
    allocation = _use(entry, Purpose.WRITE_OFF, decision_id, amount)
    accounts = (suspense(entry), EXPENSE_DISCREPANCIES) if entry.is_credit else (EXPENSE_DISCREPANCIES, suspense(entry))
    _post(entry, Leg(*accounts, amount), phase=f"write_off:{allocation.id}")


def bear_shortfall(entry: BankEntry, amount: Money) -> None:
    """The payment is taken as whole: what is missing is our cost."""
    leg = Leg(EXPENSE_DISCREPANCIES, chart.gateway(entry.gateway_account_id), amount)
    _post(entry, leg, phase="shortfall")


def leave_open(entry: BankEntry, question: BankEntry.Question, **facts: object) -> None:
    """With the line locked: what is left of it waits for more money or a person, and has a case from now on."""
    if entry.status != BankEntry.Status.OPEN:
        BANK_ENTRY.require(entry.status, BankEntry.Status.OPEN)
    if entry.question and entry.question != question:
        _close_case(entry, resolution=f"became {question}")
    entry.status, entry.question, entry.next_attempt_at = BankEntry.Status.OPEN, question, None
    entry.save(update_fields=["status", "question", "next_attempt_at", "unallocated_minor", "payment"])
    shown = {
        "amount_minor": entry.unallocated_minor,
        "currency": entry.currency,
        "direction": entry.direction,
        "account": entry.gateway_account_id,
        "booked_on": entry.booked_on.isoformat(),
        "references": entry.references,
        "payment": entry.payment_id,
    }
    open_case(kind=CASES[question], object_id=entry.id, facts=shown | facts)


def finish_if_used(entry: BankEntry, *, resolution: str) -> bool:
    """With the line locked: done when nothing of it is left."""
    if entry.unallocated_minor:
        return False
    BANK_ENTRY.require(entry.status, BankEntry.Status.DONE)
    _close_case(entry, resolution=resolution)
    entry.status, entry.question, entry.next_attempt_at = BankEntry.Status.DONE, "", None
    entry.save(update_fields=["status", "question", "next_attempt_at", "unallocated_minor", "payment"])
    return True


def _close_case(entry: BankEntry, *, resolution: str) -> None:
    if entry.question:
        resolve_cases(kind=CASES[BankEntry.Question(entry.question)], object_id=entry.id, resolution=resolution)


def _use(entry: BankEntry, purpose: BankAllocation.Purpose, subject_id: str, amount: Money) -> BankAllocation:
    """The line's own row follows in :func:`finish_if_used` or :func:`leave_open`, whichever it comes to."""
    entry.unallocated_minor -= amount.minor
    return BankAllocation.objects.create(entry=entry, purpose=purpose, subject_id=subject_id, amount_minor=amount.minor)


def _post(entry: BankEntry, leg: Leg, *, phase: str) -> None:
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("a line and its posting are one")
    post(Entry("bank_entry", entry.id, phase, [leg]))
