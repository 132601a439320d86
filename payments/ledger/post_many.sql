-- Post many business events in one go, each as ledger_post would: for batches (renewals), not for single payments.
-- p_entries: [{type, id, phase, currency, debits: […], credits: […], amounts: […]}]. All or nothing; a second posting
-- under the same (type, id, phase) is refused by the unique constraint. Accounts are locked in the order of their ids.
CREATE OR REPLACE FUNCTION ledger_post_many(p_entries jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payments_ledgeraccount (code, currency, shard, kind, must_not_overdraw, balance_minor)
    SELECT wanted.code, wanted.currency, (pg_backend_pid() % ledger_shards(wanted.code))::smallint,
           ledger_kind(wanted.code), wanted.code LIKE 'wallet:%', 0
    FROM (
        SELECT DISTINCT code, entry ->> 'currency' AS currency
        FROM jsonb_array_elements(p_entries) AS entry
        CROSS JOIN LATERAL jsonb_array_elements_text(entry -> 'debits' || (entry -> 'credits')) AS code
    ) AS wanted
    WHERE NOT EXISTS (
        SELECT 1 FROM payments_ledgeraccount AS known
        WHERE known.code = wanted.code AND known.currency = wanted.currency
            AND known.shard = (pg_backend_pid() % ledger_shards(wanted.code))::smallint
    )
    ORDER BY wanted.code, wanted.currency
    ON CONFLICT (code, currency, shard) DO NOTHING;

    WITH entry AS MATERIALIZED (
        SELECT value ->> 'type' AS type, value ->> 'id' AS id, value ->> 'phase' AS phase,
               value ->> 'currency' AS currency, value -> 'debits' AS debits, value -> 'credits' AS credits,
               value -> 'amounts' AS amounts, position
        FROM jsonb_array_elements(p_entries) WITH ORDINALITY AS t(value, position)
    ), posted AS (
        INSERT INTO payments_posting (business_type, business_id, phase, posted_at)
        SELECT type, id, phase, clock_timestamp() FROM entry ORDER BY position
        RETURNING id, business_type, business_id, phase
    ), account AS MATERIALIZED (
        SELECT known.id, known.code, known.currency
        FROM (
            SELECT DISTINCT code, currency FROM entry
            CROSS JOIN LATERAL jsonb_array_elements_text(debits || credits) AS code
        ) AS named
        JOIN payments_ledgeraccount AS known
            ON known.code = named.code AND known.currency = named.currency
            AND known.shard = (pg_backend_pid() % ledger_shards(named.code))::smallint
    ), transfer AS (
        INSERT INTO payments_transfer (posting_id, debit_account_id, credit_account_id, amount_minor)
        SELECT posted.id, debit.id, credit.id, leg.amount::bigint
        FROM entry
        JOIN posted ON posted.business_type = entry.type AND posted.business_id = entry.id
            AND posted.phase = entry.phase
        CROSS JOIN LATERAL ROWS FROM (
            jsonb_array_elements_text(entry.debits), jsonb_array_elements_text(entry.credits),
            jsonb_array_elements_text(entry.amounts)
        ) WITH ORDINALITY AS leg(debit, credit, amount, number)
        JOIN account AS debit ON debit.code = leg.debit AND debit.currency = entry.currency
        JOIN account AS credit ON credit.code = leg.credit AND credit.currency = entry.currency
        ORDER BY entry.position, leg.number
        RETURNING debit_account_id, credit_account_id, amount_minor
    ), moved AS (
        SELECT account_id, sum(amount)::bigint AS net
        FROM (
            SELECT debit_account_id AS account_id, amount_minor AS amount FROM transfer
            UNION ALL SELECT credit_account_id, -amount_minor FROM transfer
        ) AS leg
        GROUP BY account_id
    ), locked AS MATERIALIZED (
        SELECT id FROM payments_ledgeraccount
        WHERE id IN (SELECT account_id FROM moved) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE payments_ledgeraccount AS account
    SET balance_minor = balance_minor + CASE WHEN kind IN ('asset', 'expense') THEN moved.net ELSE -moved.net END
    FROM locked JOIN moved ON moved.account_id = locked.id
    WHERE account.id = locked.id;
END $$;
