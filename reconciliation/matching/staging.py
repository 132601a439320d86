"""Reads a statement beside our records, in stretches: memory stays flat and progress is seen. What does not agree at
once goes by COPY into tables of its own, to be joined."""

import csv
import io
from collections.abc import Callable, Iterable

from django.db import connection

from reconciliation.matching.meeting import Meeting
from reconciliation.matching.records import Window, settled_payments
from reconciliation.matching.totals import Totals, add_lines
from reconciliation.statements.layouts import Layout
from reconciliation.statements.models import Statement, StatementFile
from reconciliation.statements.readings import stretches_of

STRETCHES_A_NOTE = 64
"""Stretches from one word of progress to the next: some megabytes."""
ROWS_A_COPY = 2_000

# Not logged and not indexed: they are read once, by a hash join, and made anew whenever they are missing.
_CREATE = """
    CREATE UNLOGGED TABLE {table} (
        line bigint NOT NULL, reference text COLLATE "C" NOT NULL, kind "char" NOT NULL,
        payment text COLLATE "C", amount bigint NOT NULL, fee bigint NOT NULL, currency text COLLATE "C" NOT NULL
    ) WITH (autovacuum_enabled = false);
    CREATE UNLOGGED TABLE {table}_ours (reference text COLLATE "C" NOT NULL) WITH (autovacuum_enabled = false)
"""


def stage(
    statement: Statement, file: StatementFile, layout: Layout, *, window: Window, on_progress: Callable[[int], None]
) -> Totals:
    """Fill the statement's tables with lines and records that are left over; what all lines add up to.

    ``on_progress`` hears lines read so far. Raises :class:`StatementRefused`. The caller holds the statement's lock and
    no transaction.
    """
    drop_stage(statement)
    with connection.cursor() as cursor:
        cursor.execute(_CREATE.format(table=statement.stage_table))
    meeting, totals = Meeting(settled_payments(window)), Totals()
    for number, stretch in enumerate(stretches_of(statement, file, layout), start=1):
        add_lines(totals, stretch)
        meeting.add(stretch)
        _take_left(statement, meeting, at_least=ROWS_A_COPY)
        if number % STRETCHES_A_NOTE == 0:
            on_progress(stretch.lines)
    for _page in meeting.finish():
        _take_left(statement, meeting, at_least=1)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {statement.stage_table}, {statement.stage_table}_ours")
    return totals


def drop_stage(statement: Statement) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {statement.stage_table}, {statement.stage_table}_ours")


def _take_left(statement: Statement, meeting: Meeting, *, at_least: int) -> None:
    if len(meeting.lines_left) + len(meeting.records_left) < at_least:
        return
    _copy(statement.stage_table, meeting.lines_left, options=", FORCE_NULL (payment)")
    _copy(f"{statement.stage_table}_ours", ((number,) for number in meeting.records_left), options="")
    meeting.lines_left, meeting.records_left = [], []


def _copy(table: str, rows: Iterable[tuple[str, ...]], *, options: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    if text.tell():
        text.seek(0)
        with connection.cursor() as cursor:
            cursor.copy_expert(f"COPY {table} FROM STDIN (FORMAT csv{options})", text)
