"""What each difference is: ours not there, theirs not here, both and not alike, or only a matter of another day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from payments.orders.models import Capture, Payment, Refund
from reconciliation.discrepancies.models import Discrepancy
from reconciliation.matching.comparing import Difference, Side
from reconciliation.statements.models import CarriedRecord, Statement

_BATCH = 5_000
Kind, Aspect = Discrepancy.Kind, Discrepancy.Aspect


@dataclass(frozen=True, slots=True)
class Finding:
    """A discrepancy as the newest comparison sees it."""

    reference: str
    kind: str
    aspect: str
    subject_id: str
    line: int | None
    theirs: Side | None
    ours: Side | None

    @property
    def key(self) -> tuple[str, str, str]:
        return self.reference, self.kind, self.aspect

    @property
    def needs_machine(self) -> bool:
        """The machine has something to do about it: bring it to the door, or book it to suspense."""
        return self.aspect in (Aspect.NOT_SUCCEEDED, Aspect.UNKNOWN)


@dataclass(slots=True)
class Sorted:
    findings: list[Finding] = field(default_factory=list)
    carried: list[Difference] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Record:
    subject_id: str
    has_succeeded: bool
    side: Side


def sort_out(statement: Statement, differences: Sequence[Difference], *, end: datetime) -> Sorted:
    """Reads, decides, writes nothing. The statement's own earlier carrying is undone before."""
    result = Sorted()
    records = _records_of(statement, [d for d in differences if d.ours is None and not d.is_repeat])
    carried = _carried(statement, [d.reference for d in differences])
    waiting = {row.reference: row for row in _waiting(statement)}
    for difference in differences:
        if difference.ours is not None and difference.theirs is None:
            _sort_ours(difference, result, carried=carried, closing=_closing(statement, end=end))
            continue
        record = records.get(difference.reference)
        if difference.ours is None and not difference.is_repeat and record and record.has_succeeded:
            row = waiting.pop(difference.reference, None)
            if row is not None:
                result.settled.append(row.id)
            else:
                result.early.append(difference.reference)
        finding = _finding(difference, record)
        if finding is not None:
            result.findings.append(finding)
    _give_up(statement, waiting.values(), result)
    return result


def _finding(difference: Difference, record: _Record | None) -> Finding | None:
    theirs, ours = difference.theirs, difference.ours
    kind: str = Kind.MISSING_HERE
    aspect: str = Aspect.UNKNOWN
    subject = ""
    if difference.is_repeat:
        kind, aspect = Kind.MISMATCH, Aspect.DUPLICATE
        subject = difference.payment_id if difference.payment_id.startswith("pay_") else ""
    elif ours is None and record is not None:
        subject = record.subject_id
        if record.has_succeeded:
            if _agree(theirs, record.side):
                return None
            kind, aspect, ours = Kind.MISMATCH, _aspect(theirs, record.side), record.side
        else:
            aspect = Aspect.NOT_SUCCEEDED
    elif ours is not None:
        kind, aspect, subject = Kind.MISMATCH, _aspect(theirs, ours), _subject(difference)
    return Finding(difference.reference, kind, aspect, subject, difference.line, theirs, ours)


def _subject(difference: Difference) -> str:
    """A refund is about itself; a payment's or capture's line, about the payment."""
    return difference.reference if difference.reference.startswith("ref_") else difference.payment_id


def _agree(theirs: Side | None, ours: Side) -> bool:
    return (
        theirs is not None
        and (theirs.amount_minor, theirs.currency) == (ours.amount_minor, ours.currency)
        and ours.fee_minor in (None, theirs.fee_minor)
    )


def _aspect(theirs: Side | None, ours: Side) -> str:
    if theirs is None or theirs.currency != ours.currency:
        return Aspect.CURRENCY
    return Aspect.AMOUNT if theirs.amount_minor != ours.amount_minor else Aspect.FEE


def _sort_ours(
    difference: Difference, result: Sorted, *, carried: Mapping[str, CarriedRecord], closing: datetime | None
) -> None:
    if difference.reference in carried:
        return  # their line is of another day, or another day's statement decided about it
    if closing is not None and difference.recorded_at is not None and difference.recorded_at >= closing:
        result.carried.append(difference)
        return
    subject = _subject(difference)
    ours = difference.ours
    result.findings.append(Finding(difference.reference, Kind.MISSING_THERE, Aspect.NONE, subject, None, None, ours))


def _closing(statement: Statement, *, end: datetime) -> datetime | None:
    """From when on a record may be of the next day there. A day that is not over carries nothing."""
    if statement.is_provisional:
        return None
    return end - timedelta(seconds=settings.PAYCORE_STATEMENT_BOUNDARY_SECONDS)


def _give_up(statement: Statement, waiting: Iterable[CarriedRecord], result: Sorted) -> None:
    """The next day's statement lacks it as well: now it is an error."""
    if statement.is_provisional:
        return
    for row in waiting:
        if row.day != statement.day - timedelta(days=1):
            continue
        result.missed.append(row.id)
        side = Side(row.record["amount_minor"], row.record["fee_minor"], row.record["currency"])
        subject = row.record["subject_id"]
        result.findings.append(Finding(row.reference, Kind.MISSING_THERE, Aspect.NONE, subject, None, None, side))


def _waiting(statement: Statement) -> list[CarriedRecord]:
    rows = CarriedRecord.objects.filter(
        gateway_account_id=statement.gateway_account_id, status=CarriedRecord.Status.WAITING, day__lt=statement.day
    )
    return list(rows)


def _carried(statement: Statement, references: Sequence[str]) -> dict[str, CarriedRecord]:
    found: dict[str, CarriedRecord] = {}
    for start in range(0, len(references), _BATCH):
        rows = CarriedRecord.objects.filter(
            gateway_account_id=statement.gateway_account_id, reference__in=references[start : start + _BATCH]
        )
        found |= {row.reference: row for row in rows}
    return found


def _records_of(statement: Statement, differences: Sequence[Difference]) -> dict[str, _Record]:
    """Our records of any day under the lines' numbers; another account's are none of this statement's business."""
    found: dict[str, _Record] = {}
    references = [difference.reference for difference in differences]
    account = statement.gateway_account_id
    for start in range(0, len(references), _BATCH):
        batch = references[start : start + _BATCH]
        found |= _payments(account, [r for r in batch if r.startswith("pay_")])
        found |= _captures(account, [r for r in batch if r.startswith("cap_")])
        found |= _refunds(account, [r for r in batch if r.startswith("ref_")])
    return found


def _payments(account: str, ids: Sequence[str]) -> dict[str, _Record]:
    rows: Any = Payment.objects.filter(id__in=ids, gateway_account_id=account).values_list(
        "id", "status", "captured_minor", "fee_minor", "currency"
    )
    return {
        payment_id: _Record(payment_id, status == "succeeded" and captured > 0, Side(captured, fee, currency))
        for payment_id, status, captured, fee, currency in rows
    }


def _captures(account: str, ids: Sequence[str]) -> dict[str, _Record]:
    rows: Any = Capture.objects.filter(id__in=ids, payment__gateway_account_id=account).values_list(
        "id", "payment_id", "status", "amount_minor", "payment__currency"
    )
    return {
        capture_id: _Record(payment_id, status == "succeeded", Side(amount, None, currency))
        for capture_id, payment_id, status, amount, currency in rows
    }


def _refunds(account: str, ids: Sequence[str]) -> dict[str, _Record]:
    rows: Any = Refund.objects.filter(id__in=ids, payment__gateway_account_id=account).values_list(
        "id", "status", "amount_minor", "currency"
    )
    return {
        refund_id: _Record(refund_id, status == "succeeded", Side(-amount, 0, currency))
        for refund_id, status, amount, currency in rows
    }
