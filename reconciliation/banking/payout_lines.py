"""Lines about our own payouts: the bank took the money, or brought it back."""

from collections.abc import Callable

from django.db import transaction

from paycore.clock import database_now
from paycore.events import publish
from payments.gateways.contract import Outcome, RefundResult
from payments.ledger import chart
from payments.orders.models import Evidence, Refund
from payments.orders.refunds import lock_payment, record_refund_result
from payments.wallet.services import withdrawal_failed, withdrawal_paid
from reconciliation.banking.bookkeeping import (
    bank,
    book_arrival,
    finish_if_used,
    leave_open,
    use_for_payout,
)
from reconciliation.banking.models import BankEntry
from reconciliation.banking.payout_models import Payout
from reconciliation.events import PayoutPaid, PayoutReturned
from reconciliation.transitions import PAYOUT

Question = BankEntry.Question
Kind, Status = Payout.Kind, Payout.Status


def payout_of(entry: BankEntry) -> Payout | None:
    """The payout of ours that a line names: by the end-to-end id that only we know."""
    if not entry.end_to_end_id:
        return None
    found = Payout.objects.filter(
        end_to_end_id=entry.end_to_end_id, gateway_account_id=entry.gateway_account_id, currency=entry.currency
    )
    return found.exclude(status__in=(Status.WAITING, Status.IN_FILE, Status.CANCELED)).first()


def settle_payout_line(entry_id: str, payout_id: str) -> BankEntry:
    """Once for each line. What does not fit (another amount, paid twice) is left to people."""
    with transaction.atomic():
        _lock_refund_of(payout_id)
        entry, others = _lock_lines(entry_id, payout_id)
        if entry.status != BankEntry.Status.RECEIVED:
            return entry
        payout = Payout.objects.select_for_update(no_key=True).get(id=payout_id)
        book_arrival(entry)
        is_whole = entry.amount_minor == payout.amount_minor
        if entry.is_credit:
            _take_back(entry, payout, is_whole=is_whole)
        elif payout.status == Status.RELEASED and is_whole:
            _pay(entry, payout, others)
        elif payout.status == Status.RETURNED and is_whole and others:
            _cancel_out(entry, others[0], payout)
        else:
            leave_open(entry, Question.UNKNOWN, payout=payout.id, payout_status=payout.status)
    return entry


def _lock_refund_of(payout_id: str) -> None:
    """Order and payment come before anything of ours in the lock order."""
    payout = Payout.objects.get(id=payout_id)
    if payout.kind == Kind.REFUND:
        lock_payment(Refund.objects.get(id=payout.subject_id).payment_id)


def _lock_lines(entry_id: str, payout_id: str) -> tuple[BankEntry, list[BankEntry]]:
    """The line, and others that it may settle with: the money to send back, or the same payout's return."""
    payout = Payout.objects.get(id=payout_id)
    ids = {entry_id}
    if payout.status == Status.RETURNED:
        returns = BankEntry.objects.filter(
            end_to_end_id=payout.end_to_end_id, direction="credit", question=Question.RETURNED
        )
        ids |= set(returns.filter(gateway_account_id=payout.gateway_account_id).values_list("id", flat=True))
    elif payout.kind == Kind.RETURN:
        ids.add(payout.subject_id)
    rows = list(BankEntry.objects.select_for_update(no_key=True).filter(id__in=ids).order_by("id"))
    entry = next(row for row in rows if row.id == entry_id)
    return entry, [row for row in rows if row.id != entry_id and row.status == BankEntry.Status.OPEN]


def _pay(entry: BankEntry, payout: Payout, others: list[BankEntry]) -> None:
    PAYOUT.require(payout.status, Status.PAID)
    payout.status, payout.paid_at = Status.PAID, database_now()
    payout.save(update_fields=["status", "paid_at"])
    settle: dict[str, Callable[[BankEntry, Payout, list[BankEntry]], None]] = {
        Kind.REFUND: _pay_refund,
        Kind.RETURN: _pay_return,
        Kind.WITHDRAWAL: _pay_withdrawal,
    }
    settle[payout.kind](entry, payout, others)
    finish_if_used(entry, resolution=f"paid {payout.id}")
    publish(PayoutPaid(payout.id, payout.kind, payout.subject_id))


def _pay_refund(entry: BankEntry, payout: Payout, _others: list[BankEntry]) -> None:
    use_for_payout(entry, payout.id, entry.amount, taken_from=chart.gateway(entry.gateway_account_id))
    result = RefundResult(
        payout.subject_id,
        Outcome.SUCCEEDED,
        gateway_reference=payout.end_to_end_id,
        amount_minor=payout.amount_minor,
        currency=payout.currency,
    )
    record_refund_result(payout.subject_id, result, source=Evidence.Source.STATEMENT)


def _pay_return(entry: BankEntry, payout: Payout, others: list[BankEntry]) -> None:
    """Both lines stood in suspense, one on each side: nothing moves but their rest."""
    origin = next((row for row in others if row.id == payout.subject_id), None)
    if origin is None or origin.unallocated_minor < payout.amount_minor:
        leave_open(entry, Question.UNKNOWN, payout=payout.id)
        return
    use_for_payout(entry, payout.id, entry.amount, taken_from="")
    use_for_payout(origin, payout.id, payout.amount, taken_from="")
    if not finish_if_used(origin, resolution=f"sent back by {payout.id}"):
        leave_open(origin, Question(origin.question))


def _pay_withdrawal(entry: BankEntry, payout: Payout, _others: list[BankEntry]) -> None:
    """The wallet's own posting takes the money from the bank: ours would be the second."""
    use_for_payout(entry, payout.id, entry.amount, taken_from=bank(entry))
    withdrawal_paid(payout.subject_id, bank_account_code=bank(entry))


def _take_back(entry: BankEntry, payout: Payout, *, is_whole: bool) -> None:
    """A payment order that the bank brought back. Who was owed the money is owed it still: a person sees to it."""
    if payout.status != Status.RETURNED and is_whole:
        was_paid = payout.status == Status.PAID
        PAYOUT.require(payout.status, Status.RETURNED)
        payout.status = Status.RETURNED
        payout.save(update_fields=["status"])
        if not was_paid:
            _fail(payout)
        publish(PayoutReturned(payout.id, payout.kind, payout.subject_id))
    leave_open(entry, Question.RETURNED, payout=payout.id, subject=payout.subject_id)


def _fail(payout: Payout) -> None:
    """What was not known to be paid fails by evidence; what was paid stays paid, and its money is in suspense."""
    if payout.kind == Kind.REFUND:
        result = RefundResult(payout.subject_id, Outcome.FAILED, failure_code="payout_returned")
        record_refund_result(payout.subject_id, result, source=Evidence.Source.STATEMENT)
    elif payout.kind == Kind.WITHDRAWAL:
        withdrawal_failed(payout.subject_id, reason="returned by the bank")


def _cancel_out(entry: BankEntry, came_back: BankEntry, payout: Payout) -> None:
    """The bank's lines came the other way round: back first, then out. Together they moved nothing."""
    amount = min(entry.unallocated, came_back.unallocated)
    use_for_payout(entry, payout.id, amount, taken_from="")
    use_for_payout(came_back, payout.id, amount, taken_from="")
    for line in (entry, came_back):
        if not finish_if_used(line, resolution=f"{payout.id} went out and came back"):
            leave_open(line, Question.UNKNOWN, payout=payout.id)
