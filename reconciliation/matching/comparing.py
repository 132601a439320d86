"""The comparison: one join in PostgreSQL of the lines and the records that did not agree at once. Only what differs
comes back."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from reconciliation.matching.records import SETTLED, UNSETTLED, Window
from reconciliation.matching.totals import Total, Totals, combined
from reconciliation.statements.models import Statement

WORK_MEMORY = "64MB"
MAX_DIFFERENCES = 50_000


@dataclass(frozen=True, slots=True)
class Side:
    """What one side says: signed minor units. ``fee_minor`` None: it cannot be said of this record alone."""

    amount_minor: int
    fee_minor: int | None
    currency: str


@dataclass(slots=True)
class Difference:
    """``theirs`` None: not in the statement; ``ours`` None: not among the day's records."""

    reference: str
    kind: str = ""
    payment_id: str = ""
    line: int | None = None
    theirs: Side | None = None
    ours: Side | None = None
    recorded_at: datetime | None = None
    is_repeat: bool = False
    lines: int = 1


@dataclass(frozen=True, slots=True)
class Comparison:
    differences: list[Difference]
    is_too_much: bool
    totals: dict[str, Any]
    lines: int
    matched: int


# Records that met no line while the file was read, and those that were not looked at then.
_OURS = f"""
    SELECT p.id AS reference, p.id AS payment, p.captured_minor AS amount, p.fee_minor AS fee, p.currency,
           p.succeeded_at AS at
    FROM payments_payment AS p WHERE p.id IN (SELECT reference FROM {{stage}}_ours) AND {SETTLED}
    UNION ALL {UNSETTLED}
"""  # noqa: S608 — constants
_JOIN = """
    CREATE TEMP TABLE reconciliation_ours ON COMMIT DROP AS {ours};
    CREATE TEMP TABLE reconciliation_differences ON COMMIT DROP AS
    SELECT coalesce(s.reference, o.reference) AS reference, s.line, s.kind, s.payment AS said_payment,
           s.amount AS their_amount, s.fee AS their_fee, s.currency AS their_currency,
           o.payment, o.amount AS our_amount, o.fee AS our_fee, o.currency AS our_currency, o.at
    FROM {stage} AS s FULL OUTER JOIN reconciliation_ours AS o ON o.reference = s.reference
    WHERE s.line IS NULL OR o.reference IS NULL
        OR s.amount <> o.amount OR s.fee <> o.fee OR s.currency <> o.currency
"""
# A line without a record, though there is one that would have been left over: it met another line.
_MET = f"""
    CREATE TEMP TABLE reconciliation_met ON COMMIT DROP AS
    SELECT DISTINCT p.id AS reference FROM payments_payment AS p
    WHERE p.id IN (SELECT reference FROM reconciliation_differences WHERE at IS NULL) AND {SETTLED}
"""  # noqa: S608 — constants
_TOTALS = """
    SELECT currency, count(*), coalesce(sum(amount) FILTER (WHERE amount > 0), 0),
           coalesce(sum(amount) FILTER (WHERE amount < 0), 0), coalesce(sum(fee), 0)
    FROM {table} GROUP BY currency
"""
# Of a number that comes more than once, one line counts: that which agrees with the record, or else the first. What the
# others add up to is one difference. Hashes are grouped rather than texts, which costs half; the few that are alike by
# chance fall out when the texts are grouped.
_REPEATS = """
    CREATE TEMP TABLE reconciliation_repeats ON COMMIT DROP AS
    WITH suspects AS MATERIALIZED (
        SELECT * FROM {stage} WHERE hashtextextended(reference, 0) IN (
            SELECT hashtextextended(reference, 0) FROM {stage} GROUP BY 1 HAVING count(*) > 1
        ) OR reference IN (SELECT reference FROM reconciliation_met)
    ), judged AS (
        SELECT s.*, m.reference IS NOT NULL AS is_met,
               coalesce(s.amount = o.amount AND s.fee = coalesce(o.fee, s.fee)
                        AND s.currency = o.currency, false) AS agrees
        FROM suspects AS s LEFT JOIN reconciliation_met AS m ON m.reference = s.reference
        LEFT JOIN reconciliation_ours AS o ON o.reference = s.reference
    ), numbered AS (
        SELECT *, row_number() OVER again AS nth, first_value(line) OVER again AS first_line
        FROM judged WINDOW again AS (PARTITION BY reference ORDER BY agrees DESC, line)
    )
    SELECT reference, CASE WHEN bool_or(is_met) THEN 0 ELSE min(first_line) END AS counted_line, min(line) AS line,
           min(kind::text) AS kind, min(payment) AS payment, min(currency) AS currency, sum(amount) AS amount,
           sum(fee) AS fee, count(*) AS lines
    FROM numbered WHERE nth > 1 OR is_met GROUP BY reference
"""


def compare(statement: Statement, *, window: Window, theirs: Totals) -> Comparison:
    """In the running transaction; what is left over is staged, and all lines come to ``theirs``."""
    stage = statement.stage_table
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{WORK_MEMORY}'")
        cursor.execute(_DROP)
        cursor.execute(_JOIN.format(stage=stage, ours=_OURS.format(stage=stage)), window.parameters)
        found = cursor.rowcount
        lines_left = _totals(cursor, _TOTALS.format(table=stage))
        records_left = _totals(cursor, _TOTALS.format(table="reconciliation_ours"))
        differences: list[Difference] = []
        if found <= MAX_DIFFERENCES:
            cursor.execute(_MET, window.parameters)
            has_met = cursor.rowcount > 0
            if has_met or _may_repeat(_counts(cursor), lines=_count(lines_left), records=_count(records_left)):
                differences += _take_repeats(cursor, statement)
            differences += _rest(cursor)
    # What met is alike on both sides.
    ours = combined([(theirs, 1), (lines_left, -1), (records_left, 1)])
    lines = _count(theirs)
    return Comparison(
        differences=differences,
        is_too_much=found > MAX_DIFFERENCES,
        totals={"theirs": _plain(theirs), "ours": _plain(ours)},
        lines=lines,
        matched=lines - sum(difference.lines for difference in differences if difference.theirs is not None),
    )


_DROP = """
    DROP TABLE IF EXISTS reconciliation_ours, reconciliation_differences, reconciliation_met, reconciliation_repeats
"""


def _plain(totals: Totals) -> dict[str, dict[str, int]]:
    return {currency: asdict(total) for currency, total in totals.items()}


def _totals(cursor: Any, sql: str) -> Totals:
    cursor.execute(sql)
    return {row[0]: Total(*map(int, row[1:])) for row in cursor.fetchall()}


def _count(totals: Totals) -> int:
    return sum(total.count for total in totals.values())


def _counts(cursor: Any) -> tuple[int, int, int]:
    """Lines without a record, records without a line, lines that differ and share their number with another such."""
    cursor.execute(
        "SELECT count(*) FILTER (WHERE at IS NULL), count(*) FILTER (WHERE line IS NULL),"
        " count(line) - count(DISTINCT reference) FILTER (WHERE line IS NOT NULL) FROM reconciliation_differences"
    )
    lines_only, records_only, shared = cursor.fetchone()
    return lines_only, records_only, shared


def _may_repeat(counts: tuple[int, int, int], *, lines: int, records: int) -> bool:
    """Our numbers are unique: when as many lines found a record as records found a line, none came twice. So the
    million lines are grouped only when there is something to find."""
    lines_only, records_only, shared = counts
    return lines - lines_only != records - records_only or shared > 0


def _take_repeats(cursor: Any, statement: Statement) -> list[Difference]:
    cursor.execute(_REPEATS.format(stage=statement.stage_table))
    cursor.execute(
        "DELETE FROM reconciliation_differences AS d USING reconciliation_repeats AS r"
        " WHERE d.reference = r.reference AND d.line <> r.counted_line"
    )
    cursor.execute("SELECT reference, kind, payment, line, amount, fee, currency, lines FROM reconciliation_repeats")
    return [
        Difference(
            reference=reference,
            kind=kind,
            payment_id=payment or reference,
            line=line,
            theirs=Side(int(amount), int(fee), currency),
            is_repeat=True,
            lines=lines,
        )
        for reference, kind, payment, line, amount, fee, currency, lines in cursor.fetchall()
    ]


def _rest(cursor: Any) -> Iterator[Difference]:
    cursor.execute(
        "SELECT reference, kind, coalesce(payment, said_payment, reference), line, their_amount, their_fee,"
        " their_currency, our_amount, our_fee, our_currency, at FROM reconciliation_differences"
        " ORDER BY line, reference"
    )
    for row in cursor.fetchall():
        reference, kind, payment, line, amount, fee, currency, our_amount, our_fee, our_currency, at = row
        yield Difference(
            reference=reference,
            kind=kind or "",
            payment_id=payment,
            line=line,
            theirs=None if line is None else Side(amount, fee, currency),
            ours=None if at is None else Side(our_amount, our_fee, our_currency),
            recorded_at=at,
        )
