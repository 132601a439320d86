"""What must hold of the books of memberships at any moment; each check finds 0 rows."""

from django.db import connection

from payments.ledger.invariants import Finding, Invariant

INVARIANTS = (
    Invariant(
        "M1",
        "income not yet earned is what the schedules have not recognised",
        """
        SELECT coalesce(a.currency, s.currency) FROM (
            SELECT currency, sum(balance_minor) AS held FROM payments_ledgeraccount
            WHERE code = 'membership:deferred' GROUP BY currency
        ) AS a FULL OUTER JOIN (
            SELECT currency, sum(total_minor - recognised_minor) AS held FROM memberships_revenueschedule
            WHERE recognised_minor < total_minor GROUP BY currency
        ) AS s ON s.currency = a.currency
        WHERE coalesce(a.held, 0) <> coalesce(s.held, 0)
        """,
    ),
    Invariant(
        "M2",
        "every cent of membership revenue has its month and plan",
        """
        SELECT coalesce(a.currency, r.currency) FROM (
            SELECT currency, sum(balance_minor) AS earned FROM payments_ledgeraccount
            WHERE code = 'revenue:membership' GROUP BY currency
        ) AS a FULL OUTER JOIN (
            SELECT currency, sum(amount_minor) AS earned FROM memberships_revenuerecognition GROUP BY currency
        ) AS r ON r.currency = a.currency
        WHERE coalesce(a.earned, 0) <> coalesce(r.earned, 0)
        """,
    ),
    Invariant(
        "M3",
        "members' credit is what their subscriptions and unpaid invoices hold of it, and what is owed to them",
        """
        SELECT coalesce(a.currency, c.currency) FROM (
            SELECT currency, sum(balance_minor) AS owed FROM payments_ledgeraccount
            WHERE code = 'membership:credit' GROUP BY currency
        ) AS a FULL OUTER JOIN (
            SELECT currency, sum(minor) AS owed FROM (
                SELECT currency, credit_minor AS minor FROM memberships_subscription WHERE credit_minor > 0
                UNION ALL
                SELECT currency, credit_minor FROM memberships_invoice WHERE status = 'open' AND credit_minor > 0
                UNION ALL
                SELECT currency, amount_minor FROM memberships_promisedrefund WHERE status = 'owed'
            ) AS held GROUP BY currency
        ) AS c ON c.currency = a.currency
        WHERE coalesce(a.owed, 0) <> coalesce(c.owed, 0)
        """,
    ),
    Invariant(
        "M4",
        "what is earned is recognised within two days",
        """
        SELECT id FROM memberships_revenueschedule WHERE next_at < statement_timestamp() - interval '2 days'
        """,
    ),
)


def run_checks() -> list[Finding]:
    """Every check that is broken now; an empty list is the good news."""
    findings: list[Finding] = []
    with connection.cursor() as cursor:
        for invariant in INVARIANTS:
            cursor.execute(f"SELECT count(*) OVER (), bad.* FROM ({invariant.sql}) AS bad(example) LIMIT 5")  # noqa: S608 — ours
            rows = cursor.fetchall()
            if rows:
                findings.append(Finding(invariant.code, invariant.promise, rows[0][0], [row[1] for row in rows]))
    return findings
