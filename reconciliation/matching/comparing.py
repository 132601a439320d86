"""The comparison: one join in PostgreSQL of the statement's lines with our records of that account and day. Only what
differs comes back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from paycore.identifiers import earliest_id
from reconciliation.statements.models import Statement

LATE = timedelta(days=7)
"""A payment that took longer to succeed is not looked for by day; a line about it still finds it by number."""
SLACK = timedelta(days=1)
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


@dataclass(frozen=True, slots=True)
class Comparison:
    differences: list[Difference]
    is_too_much: bool
    totals: dict[str, Any]
    lines: int
    matched: int


# A payment that was taken at once is one line under its own number; one that was held, a line for each capture. The fee
# is kept for the whole payment, so a part's cannot be told.
_OURS = """
    SELECT p.id AS reference, p.id AS payment, p.captured_minor AS amount, p.fee_minor AS fee, p.currency,
           p.succeeded_at AS at
    FROM payments_payment AS p
    WHERE p.gateway_account_id = %(account)s AND p.succeeded_at >= %(start)s AND p.succeeded_at < %(end)s
        AND p.id >= %(first_payment)s AND p.id < %(last_payment)s AND p.captured_minor > 0
        AND NOT EXISTS (SELECT FROM payments_capture AS c WHERE c.payment_id = p.id)
    UNION ALL
    SELECT c.id, p.id, c.amount_minor, CASE WHEN p.captured_minor = c.amount_minor THEN p.fee_minor END, p.currency,
           c.created_at
    FROM payments_capture AS c JOIN payments_payment AS p ON p.id = c.payment_id
    WHERE c.status = 'succeeded' AND c.created_at >= %(start)s AND c.created_at < %(end)s
        AND c.id >= %(first_capture)s AND p.gateway_account_id = %(account)s
    UNION ALL
    SELECT r.id, r.payment_id, -r.amount_minor, 0, r.currency, r.succeeded_at
    FROM payments_refund AS r JOIN payments_payment AS p ON p.id = r.payment_id
    WHERE r.status = 'succeeded' AND r.succeeded_at >= %(start)s AND r.succeeded_at < %(end)s
        AND r.id >= %(first_refund)s AND p.gateway_account_id = %(account)s
"""
_JOIN = """
    CREATE TEMP TABLE reconciliation_differences ON COMMIT DROP AS
    SELECT coalesce(s.reference, o.reference) AS reference, s.line, s.kind, s.payment AS said_payment,
           s.amount AS their_amount, s.fee AS their_fee, s.currency AS their_currency,
           o.payment, o.amount AS our_amount, o.fee AS our_fee, o.currency AS our_currency, o.at
    FROM {stage} AS s FULL OUTER JOIN ({ours}) AS o ON o.reference = s.reference
    WHERE s.line IS NULL OR o.reference IS NULL
        OR s.amount <> o.amount OR s.fee <> o.fee OR s.currency <> o.currency
"""
_THEIR_TOTALS = """
    SELECT currency, count(*), coalesce(sum(amount) FILTER (WHERE amount > 0), 0),
           coalesce(sum(amount) FILTER (WHERE amount < 0), 0), coalesce(sum(fee), 0)
    FROM {stage} GROUP BY currency
"""
_OUR_TOTALS = """
    SELECT currency, count(*), coalesce(sum(amount) FILTER (WHERE amount > 0), 0),
           coalesce(sum(amount) FILTER (WHERE amount < 0), 0), coalesce(sum(fee), 0)
    FROM ({ours}) AS o GROUP BY currency
"""
# Of a number that comes more than once, the first line counts; what the others add up to is one difference. Hashes are
# grouped rather than texts, which costs half; the few that meet by chance fall out when the texts are grouped.
_REPEATS = """
    CREATE TEMP TABLE reconciliation_repeats ON COMMIT DROP AS
    WITH suspects AS MATERIALIZED (
        SELECT * FROM {stage} WHERE hashtextextended(reference, 0) IN (
            SELECT hashtextextended(reference, 0) FROM {stage} GROUP BY 1 HAVING count(*) > 1
        )
    ), numbered AS (
        SELECT *, row_number() OVER again AS nth, min(line) OVER again AS first_line
        FROM suspects WINDOW again AS (PARTITION BY reference ORDER BY line)
    )
    SELECT reference, min(first_line) AS first_line, min(line) AS line, min(kind::text) AS kind,
           min(payment) AS payment, min(currency) AS currency, sum(amount) AS amount, sum(fee) AS fee
    FROM numbered WHERE nth > 1 GROUP BY reference
"""


def compare(statement: Statement, *, start: datetime, end: datetime) -> Comparison:
    """In the running transaction; the lines are staged. ``start`` and ``end`` (aware) bound our records."""
    window = _window(statement, start=start, end=end)
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{WORK_MEMORY}'")
        cursor.execute("DROP TABLE IF EXISTS reconciliation_differences, reconciliation_repeats")
        cursor.execute(_JOIN.format(stage=statement.stage_table, ours=_OURS), window)
        found = cursor.rowcount
        theirs = _totals(cursor, _THEIR_TOTALS.format(stage=statement.stage_table), {})
        ours = _totals(cursor, _OUR_TOTALS.format(ours=_OURS), window)
        lines, records = _count(theirs), _count(ours)
        differences: list[Difference] = []
        if found <= MAX_DIFFERENCES:
            counts = _counts(cursor)
            if _may_repeat(counts, lines=lines, records=records):
                differences += _take_repeats(cursor, statement)
            differences += _rest(cursor)
    return Comparison(
        differences=differences,
        is_too_much=found > MAX_DIFFERENCES,
        totals={"theirs": theirs, "ours": ours},
        lines=lines,
        matched=lines - sum(1 for difference in differences if difference.theirs is not None),
    )


def _window(statement: Statement, *, start: datetime, end: datetime) -> Mapping[str, Any]:
    """Ids carry the time at which they were made: the day is a stretch of the primary key."""
    first, last = start - LATE, end + SLACK
    return {
        "account": statement.gateway_account_id,
        "start": start,
        "end": end,
        "first_payment": earliest_id("pay", first),
        "last_payment": earliest_id("pay", last),
        "first_capture": earliest_id("cap", first),
        "first_refund": earliest_id("ref", first),
    }


def _totals(cursor: Any, sql: str, parameters: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    cursor.execute(sql, parameters)
    names = ("count", "taken_minor", "given_back_minor", "fee_minor")
    return {row[0]: dict(zip(names, map(int, row[1:]), strict=True)) for row in cursor.fetchall()}


def _count(totals: Mapping[str, Mapping[str, int]]) -> int:
    return sum(total["count"] for total in totals.values())


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
        " WHERE d.reference = r.reference AND d.line > r.first_line"
    )
    cursor.execute("SELECT reference, kind, payment, line, amount, fee, currency FROM reconciliation_repeats")
    return [
        Difference(
            reference=reference,
            kind=kind,
            payment_id=payment or reference,
            line=line,
            theirs=Side(int(amount), int(fee), currency),
            is_repeat=True,
        )
        for reference, kind, payment, line, amount, fee, currency in cursor.fetchall()
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
