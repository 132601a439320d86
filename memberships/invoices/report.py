"""Membership money by month, currency and plan: billed, credited, taxed, recognised, and what is deferred at the end.

A plan's deferred income at the end of a month is what its schedules hold now, less what was billed and plus what was
credited and recognised since: the past is never added up from its beginning.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from django.db import connection

from paycore.money import Money

_MOVES = """
    SELECT month, currency, plan, sum(billed)::bigint, sum(credited)::bigint, sum(tax)::bigint, sum(recognised)::bigint
    FROM (
        SELECT date_trunc('month', i.paid_at AT TIME ZONE 'UTC')::date AS month, i.currency, line ->> 'plan' AS plan,
               (line ->> 'net_minor')::bigint AS billed, 0 AS credited, (line ->> 'tax_minor')::bigint AS tax,
               0 AS recognised
        FROM memberships_invoice AS i CROSS JOIN LATERAL jsonb_array_elements(i.lines) AS line
        WHERE i.status = 'paid' AND i.paid_at >= %(since)s AND line ->> 'kind' <> 'discount'
        UNION ALL
        SELECT date_trunc('month', n.issued_at AT TIME ZONE 'UTC')::date, n.currency, line ->> 'plan',
               0, (line ->> 'net_minor')::bigint, 0, 0
        FROM memberships_creditnote AS n CROSS JOIN LATERAL jsonb_array_elements(n.lines) AS line
        WHERE n.issued_at >= %(since)s
        UNION ALL
        SELECT date_trunc('month', n.issued_at AT TIME ZONE 'UTC')::date, n.currency,
               coalesce(n.lines -> 0 ->> 'plan', ''), 0, 0, -n.tax_minor, 0
        FROM memberships_creditnote AS n WHERE n.issued_at >= %(since)s
        UNION ALL
        SELECT date_trunc('month', n.voided_at AT TIME ZONE 'UTC')::date, n.currency, line ->> 'plan',
               0, -(line ->> 'net_minor')::bigint, 0, 0
        FROM memberships_creditnote AS n CROSS JOIN LATERAL jsonb_array_elements(n.lines) AS line
        WHERE n.voided_at >= %(since)s
        UNION ALL
        SELECT date_trunc('month', n.voided_at AT TIME ZONE 'UTC')::date, n.currency,
               coalesce(n.lines -> 0 ->> 'plan', ''), 0, 0, n.tax_minor, 0
        FROM memberships_creditnote AS n WHERE n.voided_at >= %(since)s
        UNION ALL
        SELECT month, currency, plan, 0, 0, 0, amount_minor
        FROM memberships_revenuerecognition WHERE month >= %(since)s AND batch NOT LIKE 'crd\\_%%'
    ) AS moves
    GROUP BY month, currency, plan
"""
_CREDIT = """
    SELECT month, currency, plan, sum(amount_minor)::bigint FROM memberships_revenuerecognition
    WHERE month >= %(since)s AND batch LIKE 'crd\\_%%' GROUP BY month, currency, plan
"""
_HELD = """
    SELECT currency, plan, sum(total_minor - recognised_minor)::bigint FROM memberships_revenueschedule
    WHERE recognised_minor < total_minor GROUP BY currency, plan
"""


@dataclass(slots=True)
class ReportRow:
    """Minor units; billed, credited, recognised and deferred are without tax. ``adjusted`` is revenue from members'
    credit that was paid out or lapsed, in ``recognised`` as well."""

    month: date
    currency: str
    plan: str
    billed: int = 0
    credited: int = 0
    tax: int = 0
    recognised: int = 0
    adjusted: int = 0
    deferred: int = 0

    def money(self, minor: int) -> Money:
        return Money(minor, self.currency)

    @property
    def deferred_change(self) -> int:
        return self.billed - self.credited - (self.recognised - self.adjusted)


@dataclass(slots=True)
class RevenueReport:
    rows: list[ReportRow] = field(default_factory=list)

    def totals(self) -> Mapping[tuple[date, str], ReportRow]:
        """All plans of a month and currency together."""
        sums: dict[tuple[date, str], ReportRow] = {}
        for row in self.rows:
            total = sums.setdefault((row.month, row.currency), ReportRow(row.month, row.currency, ""))
            for name in ("billed", "credited", "tax", "recognised", "adjusted", "deferred"):
                setattr(total, name, getattr(total, name) + getattr(row, name))
        return sums


def revenue_report(*, since: date, until: date) -> RevenueReport:
    """The months from ``since`` to ``until`` (their first days), newest first; one row a currency and plan of which
    anything moved or is held."""
    moves = _moves(since)
    held = _held()
    report = RevenueReport()
    keys = {key[1:] for key in moves} | set(held)
    for currency, plan in sorted(keys):
        rest = held.get((currency, plan), 0)
        for month in _months_back(since, max([until, *(key[0] for key in moves)])):
            row = moves.get((month, currency, plan)) or ReportRow(month, currency, plan)
            row.deferred = rest
            rest -= row.deferred_change
            is_empty = not any((row.billed, row.credited, row.tax, row.recognised, row.deferred))
            if month <= until and not is_empty:
                report.rows.append(row)
    report.rows.sort(key=lambda row: (-row.month.toordinal(), row.currency, row.plan))
    return report


def _moves(since: date) -> dict[tuple[date, str, str], ReportRow]:
    found: dict[tuple[date, str, str], ReportRow] = {}
    with connection.cursor() as cursor:
        cursor.execute(_MOVES, {"since": since})
        for month, currency, plan, billed, credited, tax, recognised in cursor.fetchall():
            row = ReportRow(month, currency, plan, billed, credited, tax, recognised)
            found[month, currency, plan] = row
        cursor.execute(_CREDIT, {"since": since})
        for month, currency, plan, minor in cursor.fetchall():
            row = found.setdefault((month, currency, plan), ReportRow(month, currency, plan))
            row.recognised += minor
            row.adjusted += minor
    return found


def _held() -> dict[tuple[str, str], int]:
    held: dict[tuple[str, str], int] = defaultdict(int)
    with connection.cursor() as cursor:
        cursor.execute(_HELD)
        for currency, plan, minor in cursor.fetchall():
            held[currency, plan] = minor
    return held


def _months_back(first: date, last: date) -> Iterator[date]:
    month = last
    while month >= first:
        yield month
        month = date(month.year - (month.month == 1), (month.month - 2) % 12 + 1, 1)
