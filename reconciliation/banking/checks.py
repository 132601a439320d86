"""What must hold of bank lines and payouts at any moment; each finds 0 rows."""

from payments.ledger.invariants import Invariant

BANKING_INVARIANTS = (
    Invariant(
        "R5",
        "a bank account's suspense is what its lines have not been used for",
        """
        SELECT coalesce(a.code, b.code) || ' ' || coalesce(a.currency, b.currency) FROM (
            SELECT code, currency, sum(balance_minor) AS held FROM payments_ledgeraccount
            WHERE code LIKE 'suspense:bank:%' GROUP BY code, currency
        ) AS a FULL OUTER JOIN (
            SELECT 'suspense:bank:' || gateway_account_id AS code, currency,
                   sum(CASE WHEN direction = 'credit' THEN unallocated_minor ELSE -unallocated_minor END) AS held
            FROM reconciliation_bankentry WHERE status <> 'received' GROUP BY gateway_account_id, currency
        ) AS b ON b.code = a.code AND b.currency = a.currency
        WHERE coalesce(a.held, 0) <> coalesce(b.held, 0)
        """,
    ),
    Invariant(
        "R6",
        "what is left of a bank line has an open case, and what was used of it is written down",
        """
        SELECT e.id FROM reconciliation_bankentry AS e
        WHERE e.status = 'open' AND NOT EXISTS (
            SELECT FROM riskcontrol_case AS c
            WHERE c.object_id = e.id AND c.kind = 'bank_' || e.question AND c.status = 'open'
        )
        UNION ALL
        SELECT c.object_id FROM riskcontrol_case AS c
        JOIN reconciliation_bankentry AS e ON e.id = c.object_id
        WHERE c.status = 'open' AND c.kind LIKE 'bank\\_%' AND e.status = 'done'
        UNION ALL
        SELECT e.id FROM reconciliation_bankentry AS e
        WHERE e.amount_minor - e.unallocated_minor <> (
            SELECT coalesce(sum(a.amount_minor), 0) FROM reconciliation_bankallocation AS a WHERE a.entry_id = e.id
        )
        """,
    ),
    Invariant(
        "R7",
        "a payment by bank transfer has exactly the money of its lines, or a person said that less was enough",
        """
        SELECT a.subject_id FROM reconciliation_bankallocation AS a
        JOIN payments_payment AS p ON p.id = a.subject_id
        WHERE a.purpose = 'payment' GROUP BY a.subject_id, p.captured_minor
        HAVING sum(a.amount_minor) <> p.captured_minor AND NOT EXISTS (
            SELECT FROM reconciliation_bankdecision AS d JOIN reconciliation_bankentry AS e ON e.id = d.entry_id
            WHERE e.payment_id = a.subject_id AND d.remedy = 'accept_short' AND d.status = 'approved'
        )
        """,
    ),
    Invariant(
        "R8",
        "no bank file or line is long overdue",
        """
        SELECT id FROM reconciliation_bankstatement
        WHERE status = 'received' AND next_attempt_at < clock_timestamp() - interval '30 minutes'
        UNION ALL
        SELECT id FROM reconciliation_bankentry
        WHERE status = 'received' AND next_attempt_at < clock_timestamp() - interval '30 minutes'
        """,
    ),
    Invariant(
        "R9",
        "what was paid out was released by a second person, and its refund says so",
        """
        SELECT p.id FROM reconciliation_payout AS p JOIN reconciliation_payoutbatch AS b ON b.id = p.batch_id
        WHERE p.status IN ('released', 'paid', 'returned') AND (b.status <> 'released' OR b.released_by = b.made_by)
        UNION ALL
        SELECT p.id FROM reconciliation_payout AS p JOIN payments_refund AS r ON r.id = p.subject_id
        WHERE p.kind = 'refund' AND p.status = 'paid' AND r.status <> 'succeeded'
        """,
    ),
    Invariant(
        "R10",
        "no payout waits for a file, or for the bank's word, for more than a week",
        """
        SELECT p.id FROM reconciliation_payout AS p LEFT JOIN reconciliation_payoutbatch AS b ON b.id = p.batch_id
        WHERE p.status = 'waiting' AND p.has_account AND p.created_at < clock_timestamp() - interval '7 days'
            OR p.status = 'in_file' AND b.created_at < clock_timestamp() - interval '7 days'
            OR p.status = 'released' AND b.released_at < clock_timestamp() - interval '7 days'
        """,
    ),
)
