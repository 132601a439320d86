-- The chart of accounts: what an account's code says about it. payments/ledger/chart.py builds the codes.
CREATE OR REPLACE FUNCTION ledger_kind(p_code text) RETURNS text IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE split_part(p_code, ':', 1)
        WHEN 'gateway' THEN 'asset' WHEN 'bank' THEN 'asset'
        WHEN 'merchant' THEN 'liability' WHEN 'wallet' THEN 'liability'
        WHEN 'suspense' THEN 'liability' WHEN 'membership' THEN 'liability'
        WHEN 'revenue' THEN 'income' WHEN 'expense' THEN 'expense'
    END
$$;

-- Busy accounts are split in sixteen rows, so that writers do not queue for one (measures.md, G8).
CREATE OR REPLACE FUNCTION ledger_shards(p_code text) RETURNS integer IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE WHEN split_part(p_code, ':', 1) IN ('gateway', 'revenue', 'expense', 'merchant', 'membership') THEN 16 ELSE 1 END
$$;

-- The rows that this connection posts to, in the order of the codes; those that do not exist yet are left out.
CREATE OR REPLACE FUNCTION ledger_accounts(p_codes text[], p_currency text) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN (
        SELECT array_agg(account.id ORDER BY wanted.position)
        FROM unnest(p_codes) WITH ORDINALITY AS wanted(code, position)
        JOIN payments_ledgeraccount AS account
            ON account.code = wanted.code AND account.currency = p_currency
            AND account.shard = (pg_backend_pid() % ledger_shards(wanted.code))::smallint
    );
END $$;

-- Post one business event: parallel arrays, transfer i moves p_amounts[i] from p_credits[i] to p_debits[i].
-- A second posting under the same (type, id, phase) is refused by the unique constraint.
-- Account rows are made on first use, and locked in the order of their ids after everything else.
CREATE OR REPLACE FUNCTION ledger_post(
    p_type text, p_id text, p_phase text, p_currency text, p_debits text[], p_credits text[], p_amounts bigint[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_posting bigint;
    v_count integer := cardinality(p_amounts);
    v_ids bigint[];  -- of the debit accounts, then of the credit accounts
BEGIN
    INSERT INTO payments_posting (business_type, business_id, phase, posted_at)
    VALUES (p_type, p_id, p_phase, clock_timestamp()) RETURNING id INTO v_posting;
    v_ids := ledger_accounts(p_debits || p_credits, p_currency);
    IF coalesce(cardinality(v_ids), 0) < 2 * v_count THEN
        INSERT INTO payments_ledgeraccount (code, currency, shard, kind, must_not_overdraw, balance_minor)
        SELECT DISTINCT code, p_currency, (pg_backend_pid() % ledger_shards(code))::smallint, ledger_kind(code),
               code LIKE 'wallet:%', 0
        FROM unnest(p_debits || p_credits) AS code
        ORDER BY code
        ON CONFLICT (code, currency, shard) DO NOTHING;
        v_ids := ledger_accounts(p_debits || p_credits, p_currency);
    END IF;
    INSERT INTO payments_transfer (posting_id, debit_account_id, credit_account_id, amount_minor)
    SELECT v_posting, d, c, a
    FROM unnest(v_ids[1:v_count], v_ids[v_count + 1:2 * v_count], p_amounts) AS t(d, c, a);
    WITH locked AS (
        SELECT id FROM payments_ledgeraccount WHERE id = ANY (v_ids) ORDER BY id FOR NO KEY UPDATE
    ), moved AS (
        SELECT account_id, sum(amount)::bigint AS net
        FROM unnest(v_ids, p_amounts || (SELECT array_agg(-a) FROM unnest(p_amounts) AS a)) AS leg(account_id, amount)
        GROUP BY account_id
    )
    UPDATE payments_ledgeraccount AS account
    SET balance_minor = balance_minor + CASE WHEN kind IN ('asset', 'expense') THEN moved.net ELSE -moved.net END
    FROM locked JOIN moved ON moved.account_id = locked.id
    WHERE account.id = locked.id;
    RETURN v_posting;
END $$;
