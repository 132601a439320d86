"""What must hold of reconciliation at any moment; each check finds 0 rows. The books' own are in payments."""

from django.db import connection

from payments.ledger.invariants import Finding, Invariant
from reconciliation.banking.checks import BANKING_INVARIANTS

INVARIANTS = (
    Invariant(
        "R1",
        "money of unknown owner is in suspense exactly as long as its discrepancy is unresolved",
        """
        SELECT coalesce(a.code, d.code) || ' ' || coalesce(a.currency, d.currency) FROM (
            SELECT code, currency, sum(balance_minor) AS held FROM payments_ledgeraccount
            WHERE code LIKE 'suspense:%' AND code NOT LIKE 'suspense:bank:%' GROUP BY code, currency
        ) AS a FULL OUTER JOIN (
            SELECT 'suspense:' || gateway_account_id AS code, their_currency AS currency,
                   sum(their_amount_minor) AS held
            FROM reconciliation_discrepancy WHERE is_in_suspense GROUP BY gateway_account_id, their_currency
        ) AS d ON d.code = a.code AND d.currency = a.currency
        WHERE coalesce(a.held, 0) <> coalesce(d.held, 0)
        """,
    ),
    Invariant(
        "R2",
        "whatever a discrepancy booked was approved by a second person, or is of an unknown reference",
        """
        SELECT p.business_id FROM payments_posting AS p
        WHERE p.business_type = 'discrepancy' AND p.phase LIKE 'write_off:%' AND NOT EXISTS (
            SELECT FROM reconciliation_proposal AS a
            WHERE a.discrepancy_id = p.business_id AND a.status = 'approved' AND a.remedy = 'write_off'
                AND a.decided_by <> a.proposed_by
        )
        """,
    ),
    Invariant(
        "R3",
        "no statement's work is long overdue",
        """
        SELECT id FROM reconciliation_statement
        WHERE status IN ('fetched', 'parsed') AND next_attempt_at < clock_timestamp() - interval '30 minutes'
        """,
    ),
    Invariant(
        "R4",
        "a closed statement has nothing unresolved",
        """
        SELECT s.id FROM reconciliation_statement AS s WHERE s.status = 'closed' AND EXISTS (
            SELECT FROM reconciliation_discrepancy AS d WHERE d.statement_id = s.id AND d.status <> 'resolved'
        )
        """,
    ),
    *BANKING_INVARIANTS,
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
