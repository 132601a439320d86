"""The invariants of domain.md as SQL. Each must find no row, at any moment, whatever happened before.

``manage.py check_books`` prints them, a job runs them every five minutes, tests and drills end with them.
"""

from dataclasses import dataclass

from django.db import connection, transaction

from payments.ledger.sealing import broken_seals


@dataclass(frozen=True, slots=True)
class Invariant:
    """``sql`` selects one text column: an example of what is wrong."""

    code: str
    promise: str
    sql: str


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    promise: str
    count: int
    examples: list[str]


INVARIANTS = (
    Invariant(
        "J1",
        "every posting has transfers, each between two accounts of one currency",
        """
        SELECT p.id::text FROM payments_posting p
        WHERE NOT EXISTS (SELECT 1 FROM payments_transfer t WHERE t.posting_id = p.id)
        UNION ALL
        SELECT t.posting_id::text FROM payments_transfer t
        JOIN payments_ledgeraccount d ON d.id = t.debit_account_id
        JOIN payments_ledgeraccount c ON c.id = t.credit_account_id
        WHERE d.currency <> c.currency OR t.amount_minor <= 0
        """,
    ),
    Invariant(
        "J2",
        "a balance is the sum of its transfers",
        """
        WITH moved AS (
            SELECT account_id, sum(amount) AS net FROM (
                SELECT debit_account_id AS account_id, amount_minor AS amount FROM payments_transfer
                UNION ALL SELECT credit_account_id, -amount_minor FROM payments_transfer
            ) AS leg GROUP BY account_id
        )
        SELECT a.code || ' ' || a.currency || '/' || a.shard
        FROM payments_ledgeraccount a LEFT JOIN moved ON moved.account_id = a.id
        WHERE a.balance_minor
            <> coalesce(moved.net, 0) * CASE WHEN a.kind IN ('asset', 'expense') THEN 1 ELSE -1 END
        """,
    ),
    Invariant(
        "J3",
        "one posting for one (business type, id, phase)",
        """
        SELECT business_type || ' ' || business_id || ' ' || phase FROM payments_posting
        GROUP BY business_type, business_id, phase HAVING count(*) > 1
        """,
    ),
    Invariant(
        "J4",
        "no account that must not be overdrawn is below zero",
        "SELECT code FROM payments_ledgeraccount WHERE must_not_overdraw AND balance_minor < 0",
    ),
    Invariant(
        "J4",
        "a wallet holds what its operations come to, and what was paid into it",
        """
        WITH sums AS (
            SELECT wallet_id, sum(change_minor) AS spendable,
                sum(amount_minor * CASE kind WHEN 'hold' THEN 1 WHEN 'capture' THEN -1 WHEN 'release' THEN -1
                    ELSE 0 END) AS held
            FROM payments_walletoperation WHERE refusal = '' AND wallet_id IS NOT NULL GROUP BY wallet_id
        ), wanted AS (
            SELECT 'wallet:' || w.user_id AS code, w.currency, coalesce(s.spendable, 0) AS minor
            FROM payments_wallet w LEFT JOIN sums s ON s.wallet_id = w.id
            UNION ALL
            SELECT 'wallet:' || w.user_id || ':held', w.currency, coalesce(s.held, 0)
            FROM payments_wallet w LEFT JOIN sums s ON s.wallet_id = w.id
            UNION ALL
            SELECT 'wallet:' || w.user_id || ':withdrawing', w.currency, coalesce(sum(d.amount_minor), 0)
            FROM payments_wallet w LEFT JOIN payments_walletwithdrawal d ON d.wallet_id = w.id
                AND d.status IN ('requested', 'half_approved', 'approved', 'sent')
            GROUP BY w.id
        )
        SELECT wanted.code || ' ' || wanted.currency
        FROM wanted
        LEFT JOIN payments_ledgeraccount a ON a.code = wanted.code AND a.currency = wanted.currency AND a.shard = 0
        WHERE wanted.minor <> coalesce(a.balance_minor, 0)
        UNION ALL
        SELECT t.id FROM payments_wallettopup t JOIN payments_order o ON o.id = t.order_id
        WHERE t.status = 'waiting' AND o.status IN ('paid', 'closed')
            AND o.paid_at < clock_timestamp() - interval '30 minutes'
        """,
    ),
    Invariant(
        "J5",
        "refunded + pending ≤ captured ≤ authorized, and reservations are those of refunds under way",
        """
        SELECT p.id FROM payments_payment p
        LEFT JOIN LATERAL (
            SELECT coalesce(sum(amount_minor) FILTER (
                       WHERE status IN ('requested', 'approved', 'submitting')), 0) AS pending,
                   coalesce(sum(amount_minor) FILTER (WHERE status = 'succeeded'), 0) AS refunded
            FROM payments_refund r WHERE r.payment_id = p.id
        ) AS r ON true
        WHERE p.refunded_minor + p.refund_pending_minor > p.captured_minor
            OR p.captured_minor > p.authorized_minor
            OR r.pending <> p.refund_pending_minor OR r.refunded <> p.refunded_minor
        """,
    ),
    Invariant(
        "J6",
        "an order is paid exactly when one payment of it succeeded, and the books hold what was captured",
        """
        SELECT o.id FROM payments_order o
        WHERE (o.status IN ('paid', 'closed')) <> EXISTS (
            SELECT 1 FROM payments_payment p WHERE p.order_id = o.id AND p.status = 'succeeded' AND NOT p.is_surplus
        )
        UNION ALL
        SELECT p.id FROM payments_payment p
        LEFT JOIN LATERAL (
            SELECT coalesce(sum(t.amount_minor), 0) AS booked
            FROM payments_posting e
            JOIN payments_transfer t ON t.posting_id = e.id
            JOIN payments_ledgeraccount d ON d.id = t.debit_account_id
            WHERE e.business_type = 'payment' AND e.business_id = p.id AND e.phase LIKE 'capture:%'
                AND d.code = 'gateway:' || p.gateway_account_id
        ) AS books ON true
        WHERE p.captured_minor <> books.booked
        UNION ALL
        SELECT r.id FROM payments_refund r
        WHERE (r.status = 'succeeded') <> EXISTS (
            SELECT 1 FROM payments_posting e WHERE e.business_type = 'refund' AND e.business_id = r.id
        )
        UNION ALL
        SELECT p.id FROM payments_payment p
        LEFT JOIN (
            SELECT payment_id, sum(withdrawn_minor) AS gone FROM payments_dispute GROUP BY payment_id
        ) AS d ON d.payment_id = p.id
        WHERE p.disputed_minor <> coalesce(d.gone, 0)
        """,
    ),
    Invariant(
        "J7",
        "a state has its event, and an object's events are numbered without a gap",
        """
        SELECT o.id FROM payments_order o
        JOIN (VALUES ('paid', 'order.paid'), ('closed', 'order.closed'), ('canceled', 'order.canceled'),
                     ('expired', 'order.expired')) AS news(status, name) ON news.status = o.status
        WHERE NOT EXISTS (SELECT 1 FROM paycore_event e WHERE e.object_id = o.id AND e.name = news.name)
        UNION ALL
        SELECT p.id FROM payments_payment p
        JOIN (VALUES ('succeeded', 'payment.succeeded'), ('failed', 'payment.failed'),
                     ('canceled', 'payment.canceled'), ('expired', 'payment.canceled')) AS news(status, name)
            ON news.status = p.status
        WHERE NOT EXISTS (SELECT 1 FROM paycore_event e WHERE e.object_id = p.id AND e.name = news.name)
        UNION ALL
        SELECT object_id FROM paycore_event GROUP BY object_id HAVING count(*) <> max(sequence)
        """,
    ),
    Invariant(
        "J8",
        "unfinished work has a next attempt that is not long overdue, or an open case",
        """
        SELECT id FROM payments_payment
        WHERE status NOT IN ('succeeded', 'failed', 'canceled', 'expired')
            AND coalesce(next_attempt_at < clock_timestamp() - interval '30 minutes', true)
        UNION ALL
        SELECT id FROM payments_order
        WHERE status = 'open' AND coalesce(next_attempt_at < clock_timestamp() - interval '30 minutes', true)
        UNION ALL
        SELECT id FROM payments_refund
        WHERE status IN ('approved', 'submitting')
            AND coalesce(next_attempt_at < clock_timestamp() - interval '30 minutes', true)
        UNION ALL
        SELECT id FROM payments_capture
        WHERE status = 'submitting' AND coalesce(next_attempt_at < clock_timestamp() - interval '30 minutes', true)
        UNION ALL
        SELECT id FROM payments_dispute
        WHERE status NOT IN ('won', 'lost')
            AND coalesce(next_attempt_at < clock_timestamp() - interval '30 minutes', true)
        UNION ALL
        SELECT id FROM payments_paymentmethod
        WHERE coalesce(next_attempt_at < clock_timestamp() - interval '30 minutes', status = 'pending')
        UNION ALL
        SELECT id FROM payments_webhookreceipt WHERE next_attempt_at < clock_timestamp() - interval '30 minutes'
        UNION ALL
        SELECT id::text FROM paycore_outboxmessage
        WHERE status = 'pending' AND coalesce(next_attempt_at < clock_timestamp() - interval '30 minutes', true)
        """,
    ),
    Invariant(
        "J9",
        "money in suspense has an open case",
        """
        SELECT p.id FROM payments_payment p
        WHERE p.is_surplus AND p.captured_minor > p.refunded_minor + p.disputed_minor AND NOT EXISTS (
            SELECT 1 FROM riskcontrol_case c
            WHERE c.kind = 'surplus_payment' AND c.object_id = p.id AND c.status = 'open'
        )
        UNION ALL
        SELECT 'suspense ' || a.currency FROM (
            SELECT currency, sum(balance_minor) AS held FROM payments_ledgeraccount
            WHERE code = 'suspense' GROUP BY currency
        ) AS a
        LEFT JOIN (
            SELECT currency, sum(captured_minor - refunded_minor - disputed_minor) AS owed FROM payments_payment
            WHERE is_surplus GROUP BY currency
        ) AS s ON s.currency = a.currency
        WHERE a.held <> coalesce(s.owed, 0)
        """,
    ),
    Invariant(
        "J13",
        "merchants are told of what happened, of nothing else, and of all of it",
        """
        SELECT e.id FROM merchants_webhookevent e
        WHERE e.type <> 'webhook_endpoint.test' AND NOT EXISTS (
            SELECT 1 FROM paycore_event h
            WHERE h.object_id = e.object_id AND h.sequence = e.sequence AND h.name = e.type
        )
        UNION ALL
        SELECT h.name || ' ' || h.object_id FROM paycore_outboxmessage m
        JOIN paycore_event h ON h.id = m.event_id
        JOIN merchants_webhookfeed f ON f.merchant_id = h.payload ->> 'merchant_id'
        WHERE m.status = 'done' AND m.done_at > clock_timestamp() - interval '1 day'
          AND m.handler LIKE 'payments.merchant\\_news.%' AND f.is_recording AND h.occurred_at > f.recording_since
          AND NOT EXISTS (
            SELECT 1 FROM merchants_webhookevent e WHERE e.object_id = h.object_id AND e.sequence = h.sequence
        )
        UNION ALL
        SELECT f.merchant_id FROM merchants_webhookfeed f
        WHERE f.last_position - f.dropped_until
            <> (SELECT count(*) FROM merchants_webhookevent e WHERE e.merchant_id = f.merchant_id)
        UNION ALL
        SELECT d.id FROM merchants_webhookdelivery d JOIN merchants_webhookendpoint e ON e.id = d.endpoint_id
        WHERE d.status = 'pending' AND (
            e.status <> 'enabled' OR (
                e.failing_since IS NULL
                AND greatest(d.next_attempt_at, e.hold_until) < clock_timestamp() - interval '30 minutes'
            )
        )
        """,
    ),
)


def run_checks() -> list[Finding]:
    """Every invariant that is broken now, seen in one snapshot; an empty list is the good news."""
    findings: list[Finding] = []
    with transaction.atomic(), connection.cursor() as cursor:
        if not connection.savepoint_ids:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for invariant in INVARIANTS:
            cursor.execute(f"SELECT count(*) OVER (), bad.* FROM ({invariant.sql}) AS bad(example) LIMIT 5")  # noqa: S608
            rows = cursor.fetchall()
            if rows:
                examples = [row[1] for row in rows]
                findings.append(Finding(invariant.code, invariant.promise, rows[0][0], examples))
        broken = broken_seals()
        if broken:
            examples = [str(seal_id) for seal_id in broken[:5]]
            findings.append(Finding("J4", "the ledger's hash chain is whole", len(broken), examples))
    return findings
