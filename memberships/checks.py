"""J10: nobody is charged twice for a period, periods neither overlap nor leave a gap, and what is due is looked at; M6
to M8: what should go back to members does, or is somebody's case.

A look is at the memberships that something happened to lately, and at another 288th of all: with one every five minutes
each is seen every day, and a look costs nearly the same whether there are a thousand or a million.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from memberships.invoices.checks import INVARIANTS as BOOKS
from payments.ledger.invariants import Finding, Invariant

LATELY = 20_000
"""So many of the newest changes: more than five minutes bring."""
LOOKS_A_DAY = 288
_CHANGED_LATELY = """
    SELECT subscription_id FROM memberships_subscriptionchange
    WHERE id > (SELECT coalesce(max(id), 0) - %s FROM memberships_subscriptionchange)
    UNION
    SELECT id FROM memberships_subscription
    WHERE ctid >= concat('(', %s::bigint, ',0)')::tid AND ctid < concat('(', %s::bigint, ',0)')::tid
"""
_EVERY = "SELECT id FROM memberships_subscription"
_PAGES = "SELECT pg_relation_size('memberships_subscription') / current_setting('block_size')::integer"

_J10 = (
    Invariant(
        "J10",
        "one charge for one period",
        """
        SELECT p.id FROM memberships_period p
        JOIN memberships_invoice i ON i.id = p.invoice_id
        JOIN payments_payment y ON y.order_id = i.order_id AND y.status = 'succeeded' AND NOT y.is_surplus
        WHERE p.subscription_id IN (SELECT * FROM looked) GROUP BY p.id HAVING count(*) > 1
        UNION ALL
        SELECT i.id FROM memberships_invoice i
        WHERE i.subscription_id IN (SELECT * FROM looked) AND i.status = 'paid' AND i.kind IN ('start', 'renewal')
            AND NOT EXISTS (SELECT 1 FROM memberships_period p WHERE p.invoice_id = i.id)
        """,
    ),
    Invariant(
        "J10",
        "periods follow each other without overlap, and without a gap but for a pause",
        """
        SELECT one.subscription_id || ' ' || one.number FROM (
            SELECT p.subscription_id, p.number, p.ends_at, s.rail, lead(p.starts_at) OVER (
                PARTITION BY p.subscription_id ORDER BY p.starts_at
            ) AS next_starts_at
            FROM memberships_period p JOIN memberships_subscription s ON s.id = p.subscription_id
            WHERE p.status IN ('open', 'paid') AND p.subscription_id IN (SELECT * FROM looked)
        ) AS one
        WHERE one.next_starts_at < one.ends_at
            OR one.next_starts_at > one.ends_at AND one.rail = 'web' AND NOT EXISTS (
                SELECT 1 FROM memberships_pause z WHERE z.subscription_id = one.subscription_id
                    AND z.paused_at = one.ends_at AND (z.ended_at IS NULL OR z.ended_at >= one.next_starts_at)
            ) AND NOT EXISTS (
                SELECT 1 FROM memberships_period r WHERE r.subscription_id = one.subscription_id
                    AND r.status = 'revoked' AND r.starts_at >= one.ends_at AND r.starts_at < one.next_starts_at
            )
        """,
    ),
    Invariant(
        "J10",
        "who is a member stands in a period that is paid",
        """
        SELECT s.id FROM memberships_subscription s
        WHERE s.id IN (SELECT * FROM looked) AND s.rail = 'web' AND s.status IN ('active', 'trialing')
            AND s.period_number > 0 AND NOT EXISTS (
                SELECT 1 FROM memberships_period p
                WHERE p.subscription_id = s.id AND p.number = s.period_number AND p.status = 'paid'
                    AND p.ends_at = s.period_ends_at
            )
        """,
    ),
)
_ON_TIME = Invariant(
    "M5",
    "what is due of a membership is looked at within half an hour",
    """
    SELECT id FROM memberships_subscription
    WHERE due_at < statement_timestamp() - interval '30 minutes' AND rail = 'web'
    """,
)
_GIVEN_BACK = (
    Invariant(
        "M6",
        "money promised back is on its way, given, or owed with an open case",
        """
        SELECT p.id FROM memberships_promisedrefund p JOIN payments_refund r ON r.id = p.refund_id
        WHERE p.status = 'sent' AND r.status IN ('succeeded', 'failed', 'rejected')
            AND r.updated_at < statement_timestamp() - interval '30 minutes'
        UNION ALL
        SELECT p.id FROM memberships_promisedrefund p
        WHERE p.status = 'owed' AND NOT EXISTS (
            SELECT 1 FROM riskcontrol_case c
            WHERE c.kind = 'membership_surplus' AND c.object_id = p.id AND c.status = 'open'
        )
        """,
    ),
    Invariant(
        "M7",
        "an invoice is taken back while a dispute over it is lost, and counts again once it is won",
        """
        SELECT d.id FROM payments_dispute d
        JOIN payments_payment y ON y.id = d.payment_id AND NOT y.is_surplus
        JOIN memberships_invoice i ON i.order_id = y.order_id AND i.status = 'paid'
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(n.total_minor - n.credit_minor), 0) AS gone,
                coalesce(bool_or(n.source_id = d.id OR n.source_id LIKE d.id || ':%%'), FALSE) AS counts
            FROM memberships_creditnote n WHERE n.invoice_id = i.id AND n.voided_at IS NULL
        ) AS notes
        WHERE d.decided_at < statement_timestamp() - interval '30 minutes'
            AND (d.status = 'won' AND notes.counts
                OR d.status = 'lost' AND NOT notes.counts AND notes.gone < i.due_minor)
        """,
    ),
    Invariant(
        "M8",
        "money that came for a void invoice goes back, or is owed",
        """
        SELECT i.id FROM memberships_invoice i
        JOIN payments_payment y ON y.order_id = i.order_id AND y.status = 'succeeded' AND NOT y.is_surplus
        WHERE i.subscription_id IN (SELECT * FROM looked) AND i.status = 'void'
            AND y.captured_minor > y.refunded_minor + y.refund_pending_minor + y.disputed_minor
            AND y.succeeded_at < statement_timestamp() - interval '30 minutes' AND NOT EXISTS (
                SELECT 1 FROM memberships_promisedrefund p JOIN payments_refund r ON r.id = p.refund_id
                WHERE r.payment_id = y.id AND p.status IN ('owed', 'credited', 'dropped')
            )
        """,
    ),
)
INVARIANTS = (*BOOKS, _ON_TIME, *_J10, *_GIVEN_BACK)


def run_checks(*, now: datetime) -> list[Finding]:
    """Every check that is broken now; an empty list is the good news. Which 288th is looked at depends on ``now``."""
    number = int(now.timestamp() // 300) % LOOKS_A_DAY
    with connection.cursor() as cursor:
        cursor.execute(_PAGES)
        pages = cursor.fetchone()[0]
    first, end = (pages * step // LOOKS_A_DAY for step in (number, number + 1))
    return _run(_CHANGED_LATELY, [LATELY, first, end])


def run_all_checks() -> list[Finding]:
    """The same of all memberships there ever were."""
    return _run(_EVERY, [])


def _run(looked: str, parameters: Sequence[int]) -> list[Finding]:
    findings: list[Finding] = []
    with connection.cursor() as cursor:
        for invariant in INVARIANTS:
            cursor.execute(
                f"WITH looked AS MATERIALIZED ({looked}) "  # noqa: S608 — ours
                f"SELECT count(*) OVER (), bad.* FROM ({invariant.sql}) AS bad(example) LIMIT 5",
                parameters or None,
            )
            rows = cursor.fetchall()
            if rows:
                findings.append(Finding(invariant.code, invariant.promise, rows[0][0], [row[1] for row in rows]))
    return findings
