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
    SELECT CASE WHEN split_part(p_code, ':', 1) IN ('gateway', 'revenue', 'expense', 'merchant') THEN 16 ELSE 1 END
$$;

-- The row of an account that this connection posts to, made on first use.
CREATE OR REPLACE FUNCTION ledger_account(p_code text, p_currency text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_shard smallint := pg_backend_pid() % ledger_shards(p_code);
    v_id bigint;
BEGIN
    SELECT id INTO v_id FROM payments_ledgeraccount
    WHERE code = p_code AND currency = p_currency AND shard = v_shard;
    IF v_id IS NULL THEN
        INSERT INTO payments_ledgeraccount (code, currency, shard, kind, must_not_overdraw, balance_minor)
        VALUES (p_code, p_currency, v_shard, ledger_kind(p_code), p_code LIKE 'wallet:%', 0)
        ON CONFLICT (code, currency, shard) DO NOTHING;
        SELECT id INTO v_id FROM payments_ledgeraccount
        WHERE code = p_code AND currency = p_currency AND shard = v_shard;
    END IF;
    RETURN v_id;
END $$;

-- Post one business event: parallel arrays, transfer i moves p_amounts[i] from p_credits[i] to p_debits[i].
-- A second posting under the same (type, id, phase) is refused by the unique constraint.
-- Account rows are locked in the order of their ids, after everything else.
CREATE OR REPLACE FUNCTION ledger_post(
    p_type text, p_id text, p_phase text, p_currency text, p_debits text[], p_credits text[], p_amounts bigint[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_posting bigint;
    v_debit bigint[] := '{}';
    v_credit bigint[] := '{}';
BEGIN
    INSERT INTO payments_posting (business_type, business_id, phase, posted_at)
    VALUES (p_type, p_id, p_phase, clock_timestamp()) RETURNING id INTO v_posting;
    FOR i IN 1 .. cardinality(p_amounts) LOOP
        v_debit := v_debit || ledger_account(p_debits[i], p_currency);
        v_credit := v_credit || ledger_account(p_credits[i], p_currency);
    END LOOP;
    INSERT INTO payments_transfer (posting_id, debit_account_id, credit_account_id, amount_minor)
    SELECT v_posting, d, c, a FROM unnest(v_debit, v_credit, p_amounts) AS t(d, c, a);
    PERFORM 1 FROM payments_ledgeraccount WHERE id = ANY (v_debit || v_credit) ORDER BY id FOR NO KEY UPDATE;
    UPDATE payments_ledgeraccount AS account
    SET balance_minor = balance_minor
        + CASE WHEN kind IN ('asset', 'expense') THEN moved.net ELSE -moved.net END
    FROM (
        SELECT leg.account_id, sum(leg.amount)::bigint AS net FROM (
            SELECT d AS account_id, a AS amount FROM unnest(v_debit, p_amounts) AS t(d, a)
            UNION ALL
            SELECT c, -a FROM unnest(v_credit, p_amounts) AS t(c, a)
        ) AS leg GROUP BY leg.account_id
    ) AS moved
    WHERE account.id = moved.account_id;
    RETURN v_posting;
END $$;
