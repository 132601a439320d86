"""What a booked line is for: money for a payment, a payout of ours, or something that a person must look at.

Each line is settled in one short transaction, first order and payment, then lines by id. Killed in between, the line is
due again and nothing of it has happened.
"""

from datetime import UTC, datetime, time, timedelta

import structlog
from django.db import Error, transaction

from paycore.claims import claim_due
from paycore.errors import NotFound, PaycoreError
from paycore.events import publish
from paycore.money import Money
from payments.gateways.contract import Outcome, PaymentResult
from payments.orders.charging import record_payment_result
from payments.orders.models import Evidence, Order, Payment
from payments.orders.refunds import lock_payment
from reconciliation.banking.bookkeeping import (
    bear_shortfall,
    book_arrival,
    finish_if_used,
    leave_open,
    lock_entry,
    use_for_payment,
)
from reconciliation.banking.errors import PaymentCannotTakeMoney
from reconciliation.banking.models import BankEntry
from reconciliation.banking.payout_lines import payout_of, settle_payout_line
from reconciliation.banking.payouts import has_payout_alive
from reconciliation.events import BankTransferShort

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 5
Question = BankEntry.Question
CAN_TAKE_MONEY = ("submitting", "requires_action", "processing", "failed", "canceled", "expired")


def due_entries(*, limit: int) -> list[str]:
    return claim_due(BankEntry, lease=LEASE, limit=limit)


def settle_entry(entry_id: str) -> BankEntry:
    """What the machine may do about a line that came. Twice, and twice at once, is once. NotFound."""
    entry = BankEntry.objects.filter(id=entry_id).first()
    if entry is None:
        raise NotFound
    if entry.status != BankEntry.Status.RECEIVED:
        return entry
    try:
        return _settle(entry)
    except (PaycoreError, Error) as error:
        # What contradicts our rows stops no other line, and is left to people in the end.
        log.warning("bank_line_not_settled", entry_id=entry_id, error=type(error).__name__)
        return _put_off(entry_id, error)


def _settle(entry: BankEntry) -> BankEntry:
    payout = payout_of(entry)
    if payout is not None:
        return settle_payout_line(entry.id, payout.id)
    payment_id = payment_of(entry) if entry.is_credit and not entry.is_return else None
    if payment_id is not None:
        return pay_with(entry.id, payment_id)
    return _leave_to_people(entry.id)


def payment_of(entry: BankEntry) -> str | None:
    """The one payment that its text names. Two of them: nobody can tell how much is for which."""
    if not entry.references:
        return None
    found = Payment.objects.filter(
        gateway_account_id=entry.gateway_account_id,
        gateway_reference__in=entry.references,
        currency=entry.currency,
        status__in=(*CAN_TAKE_MONEY, Payment.Status.SUCCEEDED),
    )
    ids = list(found.values_list("id", flat=True)[:2])
    return ids[0] if len(ids) == 1 else None


def pay_with(entry_id: str, payment_id: str) -> BankEntry:
    """Give a line that has just come to this payment. Enough, together with what came before: the payment succeeds, and
    what is too much stays open. Less: it waits. NotFound, PaymentCannotTakeMoney."""
    with transaction.atomic():
        order, payment = lock_payment(payment_id)
        entry, earlier = _lock_with_earlier(entry_id, payment)
        if entry.status == BankEntry.Status.RECEIVED:
            _require_fit(entry, payment)
            book_arrival(entry)
            _give(entry, earlier, order, payment)
    return entry


def assign_to(entry_id: str, payment_id: str) -> BankEntry:
    """A person says whose money an open line is. NotFound, PaymentCannotTakeMoney."""
    with transaction.atomic():
        order, payment = lock_payment(payment_id)
        entry, earlier = _lock_with_earlier(entry_id, payment)
        _require_fit(entry, payment)
        _give(entry, earlier, order, payment)
    return entry


def accept_short(entry_id: str, payment_id: str) -> BankEntry:
    """A person takes what came as the whole: the rest is our cost. NotFound, PaymentCannotTakeMoney."""
    with transaction.atomic():
        order, payment = lock_payment(payment_id)
        entry, earlier = _lock_with_earlier(entry_id, payment)
        _require_fit(entry, payment)
        # For an order that is over it would be surplus, and more would be sent back than ever came.
        if payment.status == Payment.Status.SUCCEEDED or order.status != Order.Status.OPEN:
            raise PaymentCannotTakeMoney(payment=payment.id)
        missing = payment.amount_minor - sum(line.unallocated_minor for line in (*earlier, entry))
        _take([*earlier, entry], payment, shortfall=Money(max(0, missing), payment.currency))
    return entry


def _give(entry: BankEntry, earlier: list[BankEntry], order: Order, payment: Payment) -> None:
    entry.payment = payment
    if payment.status == Payment.Status.SUCCEEDED:
        leave_open(entry, Question.OVERPAID, paid=payment.id)
        return
    missing = payment.amount_minor - sum(line.unallocated_minor for line in (*earlier, entry))
    if missing > 0:
        _wait_for_more(entry, order, payment, missing=missing)
    else:
        _take([*earlier, entry], payment, shortfall=Money.zero(payment.currency))


def _lock_with_earlier(entry_id: str, payment: Payment) -> tuple[BankEntry, list[BankEntry]]:
    """The line, and those that wait for more money for the same payment and are not on their way back; by id."""
    waiting = BankEntry.objects.filter(payment=payment, status=BankEntry.Status.OPEN, question=Question.UNDERPAID)
    ids = {entry_id, *waiting.values_list("id", flat=True)}
    rows = list(BankEntry.objects.select_for_update(no_key=True).filter(id__in=ids).order_by("id"))
    entry = next(row for row in rows if row.id == entry_id)
    earlier = [
        row for row in rows if row.id != entry_id and row.question == Question.UNDERPAID and not has_payout_alive(row)
    ]
    return entry, earlier


def _require_fit(entry: BankEntry, payment: Payment) -> None:
    is_ours = payment.gateway_account_id == entry.gateway_account_id and payment.currency == entry.currency
    can_take = payment.status in (*CAN_TAKE_MONEY, Payment.Status.SUCCEEDED)
    if not (is_ours and can_take and entry.is_credit):
        raise PaymentCannotTakeMoney(payment=payment.id)


def _wait_for_more(entry: BankEntry, order: Order, payment: Payment, *, missing: int) -> None:
    is_news = entry.question != Question.UNDERPAID
    leave_open(entry, Question.UNDERPAID, owed_minor=payment.amount_minor, missing_minor=missing)
    if is_news:
        arrived = payment.amount_minor - missing
        publish(BankTransferShort(entry.id, payment.id, order.id, arrived, missing, order.user_id))


def _take(lines: list[BankEntry], payment: Payment, *, shortfall: Money) -> None:
    """The earliest money first; the last line keeps what is too much."""
    left = payment.amount - shortfall
    for line in lines:
        part = min(left, line.unallocated)
        if part.is_positive:
            use_for_payment(line, payment.id, part)
            left -= part
        if not finish_if_used(line, resolution=f"paid {payment.id}"):
            leave_open(line, Question.OVERPAID, paid=payment.id)
    if shortfall.is_positive:
        bear_shortfall(lines[-1], shortfall)
    _tell_door(payment, value_on=datetime.combine(lines[-1].value_on, time(), tzinfo=UTC))


def _tell_door(payment: Payment, *, value_on: datetime) -> None:
    result = PaymentResult(
        payment.id,
        Outcome.SUCCEEDED,
        gateway_reference=payment.gateway_reference,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        captured_minor=payment.amount_minor,
        fee_minor=0,
        occurred_at=value_on,
    )
    after = record_payment_result(payment.id, result, source=Evidence.Source.STATEMENT)
    if after.status != Payment.Status.SUCCEEDED:
        raise PaymentCannotTakeMoney(payment=payment.id)


def _leave_to_people(entry_id: str, **facts: str) -> BankEntry:
    with transaction.atomic():
        entry = lock_entry(entry_id)
        if entry.status == BankEntry.Status.RECEIVED:
            book_arrival(entry)
            leave_open(entry, Question.RETURNED if entry.is_return else Question.UNKNOWN, **facts)
    return entry


def _put_off(entry_id: str, error: Exception) -> BankEntry:
    """Again when the lease is over, a few times; then it is left to people."""
    with transaction.atomic():
        entry = lock_entry(entry_id)
        if entry.status == BankEntry.Status.RECEIVED:
            entry.attempts += 1
            entry.save(update_fields=["attempts"])
    if entry.status == BankEntry.Status.RECEIVED and entry.attempts >= MAX_ATTEMPTS:
        return _leave_to_people(entry_id, problem=type(error).__name__)
    return entry
