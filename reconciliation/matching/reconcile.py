"""From a received file to discrepancies: read, compare, sort, record. Kill it anywhere: the file is still there, and
the next worker begins again."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from paycore import clock
from paycore.alerts import raise_alert
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.events import publish
from payments.routing.services import get_account
from reconciliation.discrepancies.bookkeeping import leave_suspense
from reconciliation.discrepancies.closing import close_if_done, decline_waiting_proposal, resolve
from reconciliation.discrepancies.models import Discrepancy
from reconciliation.discrepancies.recording import record_findings
from reconciliation.errors import StatementBusy, StatementHasNoFile, StatementRefused
from reconciliation.events import StatementFailed, StatementMatched
from reconciliation.matching.comparing import Comparison, Difference, compare
from reconciliation.matching.records import Window, window_of
from reconciliation.matching.sorting import Sorted, sort_out
from reconciliation.matching.staging import drop_stage, stage
from reconciliation.matching.totals import Totals
from reconciliation.statements.fetching import layout_for
from reconciliation.statements.files import newest_file, request_rerun
from reconciliation.statements.layouts import Layout
from reconciliation.statements.models import CarriedRecord, Statement, StatementFile

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=60)
TO_DO = (Statement.Status.FETCHED, Statement.Status.PARSED)


def reconcile(statement_id: str) -> Statement:
    """Read the newest file and compare it; the statement as it is afterwards. Nothing to do: nothing is done.

    StatementBusy while another process is at it. What the machine may settle by itself is due afterwards
    (:func:`reconciliation.discrepancies.settling.settle_due`).
    """
    with _only_one(statement_id):
        statement = _load(statement_id)
        file = newest_file(statement)
        if statement.status not in TO_DO or file is None:
            return statement
        layout = layout_of(statement)
        try:
            window = _window(statement, layout)
            theirs = stage(
                statement,
                file,
                layout,
                window=window,
                on_progress=lambda lines: _note_progress(statement, lines=lines),
            )
            if _mark_parsed(statement, file):
                _compare(statement, file, layout, window=window, theirs=theirs)
        except StatementRefused as refusal:
            _fail(statement, file, refusal)
        finally:
            drop_stage(statement)
    return _load(statement_id)


def run_again(statement_id: str) -> Statement:
    """Compare the newest file anew, by the next worker. StatementHasNoFile, NotFound."""
    with transaction.atomic():
        statement = Statement.objects.select_for_update(no_key=True).filter(id=statement_id).first()
        if statement is None:
            raise NotFound
        if statement.revision == 0:
            raise StatementHasNoFile
        request_rerun(statement)
    return statement


def layout_of(statement: Statement) -> Layout:
    account = get_account(statement.gateway_account_id)
    layout = layout_for(account) if account is not None else None
    if layout is None:
        raise NotFound
    return layout


def _load(statement_id: str) -> Statement:
    statement = Statement.objects.filter(id=statement_id).first()
    if statement is None:
        raise NotFound
    return statement


@contextmanager
def _only_one(statement_id: str) -> Iterator[None]:
    """An advisory lock of this connection: a process that dies lets it go with its connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 4711))", [statement_id])
        if not cursor.fetchone()[0]:
            raise StatementBusy
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 4711))", [statement_id])


def _note_progress(statement: Statement, *, lines: int) -> None:
    """People see how far it is, and the lease goes on."""
    Statement.objects.filter(id=statement.id, status__in=TO_DO).update(
        phase=Statement.Phase.READING, lines_read=lines, next_attempt_at=Now() + LEASE
    )


def _mark_parsed(statement: Statement, file: StatementFile) -> bool:
    """False when a newer file came meanwhile: it will be compared instead."""
    rows = Statement.objects.filter(id=statement.id, status__in=TO_DO, revision=file.revision)
    return bool(
        rows.update(status=Statement.Status.PARSED, phase=Statement.Phase.COMPARING, next_attempt_at=Now() + LEASE)
    )


def _window(statement: Statement, layout: Layout) -> Window:
    return window_of(statement, start=layout.begins(statement.day), end=_end(statement, layout), now=database_now())


def _end(statement: Statement, layout: Layout) -> datetime:
    ends = layout.ends(statement.day)
    return min(statement.covers_until or ends, ends)


def _compare(statement: Statement, file: StatementFile, layout: Layout, *, window: Window, theirs: Totals) -> None:
    """One short transaction: all of the comparison's effects, or none. Another part of the day than was read for is
    for the next worker."""
    with transaction.atomic():
        locked = Statement.objects.select_for_update(no_key=True).get(id=statement.id)
        is_another = locked.revision != file.revision or _end(locked, layout) != window.end
        if locked.status != Statement.Status.PARSED or is_another:
            return
        comparison = compare(locked, window=window, theirs=theirs)
        if comparison.is_too_much:
            raise StatementRefused("too_many_differences")
        _undo_carrying(locked)
        found = sort_out(locked, comparison.differences, end=window.end)
        _carry(locked, found)
        _resolve_found(locked, found.early)
        unresolved = record_findings(locked, found.findings)
        _mark_matched(locked, comparison, layout, carried=len(found.carried))
        publish(StatementMatched(locked.id, locked.revision, unresolved))
        close_if_done(locked)
    log.info("statement_matched", statement_id=statement.id, lines=comparison.lines, discrepancies=unresolved)


def _mark_matched(statement: Statement, comparison: Comparison, layout: Layout, *, carried: int) -> None:
    statement.status, statement.phase = Statement.Status.MATCHED, Statement.Phase.DONE
    statement.lines_read, statement.matched_lines = comparison.lines, comparison.matched
    statement.totals, statement.carried_records = comparison.totals, carried
    statement.matched_at, statement.failure_code = database_now(), ""
    # A day that was not over is asked for again when it is.
    statement.next_attempt_at = layout.ends(statement.day) + layout.ready_after if statement.is_provisional else None
    statement.save()


def _fail(statement: Statement, file: StatementFile, refusal: StatementRefused) -> None:
    """Nothing of the file was used. Discrepancies of an earlier revision stay as they are."""
    with transaction.atomic():
        locked = Statement.objects.select_for_update(no_key=True).get(id=statement.id)
        if locked.status not in TO_DO or locked.revision != file.revision:
            return
        locked.status, locked.phase = Statement.Status.FAILED, Statement.Phase.DONE
        locked.failure_code, locked.failure_line = refusal.code, refusal.line
        locked.failure_detail = refusal.detail.replace("\x00", "")[:200]
        ends = layout_of(locked).ends(locked.day)
        locked.next_attempt_at = ends if locked.is_provisional else None
        locked.save()
        publish(StatementFailed(locked.id, locked.revision, refusal.code))
        raise_alert(what="statement cannot be read", object_id=locked.id, now=clock.now())
    log.warning("statement_refused", statement_id=statement.id, code=refusal.code, line=refusal.line)


def _undo_carrying(statement: Statement) -> None:
    """What an earlier comparison of this statement carried over or decided is decided anew."""
    CarriedRecord.objects.filter(statement=statement, decided_by=None).delete()
    CarriedRecord.objects.filter(decided_by=statement).update(
        status=CarriedRecord.Status.WAITING, decided_by=None, misses=0
    )


def _carry(statement: Statement, found: Sorted) -> None:
    waiting = [_carried(statement, difference, CarriedRecord.Status.WAITING) for difference in found.carried]
    early = [
        CarriedRecord(
            gateway_account_id=statement.gateway_account_id,
            reference=reference,
            status=CarriedRecord.Status.EARLY,
            day=statement.day,
            statement=statement,
        )
        for reference in found.early
    ]
    CarriedRecord.objects.bulk_create([*waiting, *early], ignore_conflicts=True, batch_size=1000)
    CarriedRecord.objects.filter(id__in=found.settled).update(status=CarriedRecord.Status.SETTLED, decided_by=statement)
    CarriedRecord.objects.filter(id__in=found.missed).update(
        status=CarriedRecord.Status.MISSED, decided_by=statement, misses=F("misses") + 1
    )
    if waiting:
        _rerun_next_day(statement)


def _carried(statement: Statement, difference: Difference, status: CarriedRecord.Status) -> CarriedRecord:
    ours = difference.ours
    record = {}
    if ours is not None:
        is_refund = difference.reference.startswith("ref_")
        record = {
            "amount_minor": ours.amount_minor,
            "fee_minor": ours.fee_minor,
            "currency": ours.currency,
            "subject_id": difference.reference if is_refund else difference.payment_id,
        }
    return CarriedRecord(
        gateway_account_id=statement.gateway_account_id,
        reference=difference.reference,
        status=status,
        day=statement.day,
        record=record,
        statement=statement,
    )


def _rerun_next_day(statement: Statement) -> None:
    """Statements may come in any order: the next day's, compared before, has to look for these as well."""
    following = (
        Statement.objects.select_for_update(no_key=True)
        .filter(gateway_account_id=statement.gateway_account_id, day=statement.day + timedelta(days=1))
        .first()
    )
    if following is not None and following.status in (Statement.Status.MATCHED, Statement.Status.CLOSED):
        request_rerun(following)


def _resolve_found(statement: Statement, references: list[str]) -> None:
    """Our record was missed in another day's statement, and here is its line."""
    rows = (
        Discrepancy.objects.select_for_update(no_key=True, of=("self",))
        .filter(
            gateway_account_id=statement.gateway_account_id,
            reference__in=references,
            kind=Discrepancy.Kind.MISSING_THERE,
        )
        .exclude(status=Discrepancy.Status.RESOLVED)
        .exclude(statement=statement)
        .select_related("statement")
    )
    for row in rows:
        decline_waiting_proposal(row, by="system", note="found on another day")
        leave_suspense(row, phase="found")
        resolve(row, resolution=Discrepancy.Resolution.FOUND)
