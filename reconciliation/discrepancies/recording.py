"""Bringing a statement's discrepancies to what its newest comparison found: kept, changed, closed or added."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection

from paycore.clock import database_now
from paycore.identifiers import new_id
from reconciliation.discrepancies.bookkeeping import leave_suspense
from reconciliation.discrepancies.closing import decline_waiting_proposal, resolve
from reconciliation.discrepancies.models import Discrepancy
from reconciliation.matching.comparing import Side
from reconciliation.matching.sorting import Finding
from reconciliation.statements.models import Statement

_DECIDED_BY_PEOPLE = (
    Discrepancy.Resolution.WRITTEN_OFF,
    Discrepancy.Resolution.RETURNED,
    Discrepancy.Resolution.IGNORED,
)
_COLUMNS = (
    "id, statement_id, gateway_account_id, day, kind, aspect, status, reference, subject_id, line_number,"
    " their_amount_minor, their_fee_minor, their_currency, our_amount_minor, our_fee_minor, our_currency, size_minor,"
    " is_in_suspense, resolution, attempts, next_attempt_at"
)


def record_findings(statement: Statement, findings: Sequence[Finding]) -> int:
    """In the running transaction, with the statement locked; how many are unresolved afterwards."""
    now = database_now()
    wanted = {finding.key: finding for finding in findings}
    known = list(
        Discrepancy.objects.select_for_update(no_key=True, of=("self",))
        .filter(statement=statement)
        .select_related("statement")
        .exclude(status=Discrepancy.Status.RESOLVED, resolution__in=_GONE)
        .order_by("id")
    )
    for row in known:
        finding = wanted.get((row.reference, row.kind, row.aspect))
        if row.status == Discrepancy.Status.RESOLVED:
            # People decided about exactly this: finding it again is no news.
            if finding is not None and _is_same(row, finding):
                del wanted[finding.key]
        elif finding is None:
            _vanish(row)
        else:
            del wanted[finding.key]
            if not _is_same(row, finding):
                _change(row, finding, now=now)
    _insert(statement, wanted.values(), now=now)
    return Discrepancy.objects.filter(statement=statement).exclude(status=Discrepancy.Status.RESOLVED).count()


_GONE = [value for value in Discrepancy.Resolution.values if value not in _DECIDED_BY_PEOPLE]


def _is_same(row: Discrepancy, finding: Finding) -> bool:
    return _sides(finding) == (
        row.their_amount_minor,
        row.their_fee_minor,
        row.their_currency,
        row.our_amount_minor,
        row.our_fee_minor,
        row.our_currency,
    )


def _sides(finding: Finding) -> tuple[int | str | None, ...]:
    return (*_side(finding.theirs), *_side(finding.ours))


def _side(side: Side | None) -> tuple[int | None, int | None, str]:
    return (None, None, "") if side is None else (side.amount_minor, side.fee_minor, side.currency)


def _vanish(row: Discrepancy) -> None:
    decline_waiting_proposal(row, by="system", note="the discrepancy vanished")
    leave_suspense(row, phase="vanished")
    resolve(row, resolution=Discrepancy.Resolution.VANISHED)


def _change(row: Discrepancy, finding: Finding, *, now: datetime) -> None:
    """Other numbers are another matter: what was proposed about the old ones is void."""
    decline_waiting_proposal(row, by="system", note="the numbers changed")
    leave_suspense(row, phase="changed")
    theirs, ours = _side(finding.theirs), _side(finding.ours)
    row.status = Discrepancy.Status.OPEN
    row.their_amount_minor, row.their_fee_minor, row.their_currency = theirs
    row.our_amount_minor, row.our_fee_minor, row.our_currency = ours
    row.size_minor, row.line_number = size_of(finding), finding.line
    row.next_attempt_at = now if finding.needs_machine else None
    row.save()


def size_of(finding: Finding) -> int:
    """How much money it is about, for sorting and filters: never negative."""
    theirs, ours = finding.theirs, finding.ours
    if theirs is None or ours is None:
        side = theirs or ours
        return abs(side.amount_minor) if side else 0
    if theirs.currency != ours.currency:
        return abs(theirs.amount_minor)
    return abs(theirs.amount_minor - ours.amount_minor) or abs((theirs.fee_minor or 0) - (ours.fee_minor or 0))


def _insert(statement: Statement, findings: Iterable[Finding], *, now: datetime) -> None:
    """By COPY: a bad day has thousands."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    due = now.isoformat()
    for finding in findings:
        theirs, ours = _side(finding.theirs), _side(finding.ours)
        writer.writerow(
            (
                new_id("dis"), statement.id, statement.gateway_account_id, statement.day, finding.kind, finding.aspect,
                "open", finding.reference, finding.subject_id, _or_null(finding.line), *map(_or_null, theirs[:2]),
                theirs[2], *map(_or_null, ours[:2]), ours[2], size_of(finding), "f", "", 0,
                due if finding.needs_machine else _NULL,
            )
        )  # fmt: skip
    text.seek(0)
    with connection.cursor() as cursor:
        cursor.copy_expert(
            f"COPY reconciliation_discrepancy ({_COLUMNS}) FROM STDIN (FORMAT csv, NULL '{_NULL}')", text
        )


_NULL = r"\N"


def _or_null(value: int | str | None) -> int | str:
    return _NULL if value is None else value
