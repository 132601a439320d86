-- The limits of gateway accounts, exact however many take from them at once. Rows are locked in the order of ids.

-- The first day of the day or month that p_at lies in, by the account's calendar.
CREATE OR REPLACE FUNCTION routing_period_start(p_period text, p_time_zone text, p_at timestamptz)
RETURNS date LANGUAGE sql STABLE AS $$
    SELECT date_trunc(p_period, p_at AT TIME ZONE p_time_zone)::date
$$;

-- Takes p_quotas, [{"quota": id, "amount_minor": n}], for one payment; SQLSTATE PC011 when one is used up. A limit that
-- was deleted meanwhile limits nothing.
CREATE OR REPLACE FUNCTION routing_take_quotas(p_payment_id text, p_quotas jsonb)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_limit record;
    v_use payments_quotause%ROWTYPE;
    v_now timestamptz := clock_timestamp();
BEGIN
    FOR v_limit IN
        SELECT quota.id, quota.max_amount_minor, quota.max_count, (wanted.value ->> 'amount_minor')::bigint AS minor,
            routing_period_start(quota.period, account.time_zone, v_now) AS period_start
        FROM jsonb_array_elements(p_quotas) AS wanted
        JOIN payments_gatewayquota AS quota ON quota.id = wanted.value ->> 'quota'
        JOIN payments_gatewayaccount AS account ON account.id = quota.account_id
        ORDER BY quota.id
    LOOP
        INSERT INTO payments_quotause AS used (quota_id, period_start, amount_minor, payments)
        VALUES (v_limit.id, v_limit.period_start, v_limit.minor, 1)
        ON CONFLICT (quota_id, period_start) DO UPDATE
        SET amount_minor = used.amount_minor + excluded.amount_minor, payments = used.payments + 1
        RETURNING used.* INTO v_use;
        IF v_use.amount_minor > v_limit.max_amount_minor OR v_use.payments > v_limit.max_count THEN
            RAISE EXCEPTION 'quota_used_up' USING ERRCODE = 'PC011', DETAIL = v_limit.id;
        END IF;
        INSERT INTO payments_quotatake (payment_id, quota_id, period_start, amount_minor, is_given_back, taken_at)
        VALUES (p_payment_id, v_limit.id, v_limit.period_start, v_limit.minor, false, v_now);
    END LOOP;
END $$;

-- Whether the payment came to nothing (its shares are free again) or takes money after all (they are taken again, beyond
-- the limit if need be: the money is there). Twice is once.
CREATE OR REPLACE FUNCTION routing_settle_quotas(p_payment_id text, p_is_given_back boolean)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_take payments_quotatake%ROWTYPE;
    v_sign integer := CASE WHEN p_is_given_back THEN -1 ELSE 1 END;
    v_settled integer := 0;
BEGIN
    FOR v_take IN
        UPDATE payments_quotatake SET is_given_back = p_is_given_back
        WHERE payment_id = p_payment_id AND is_given_back <> p_is_given_back
        RETURNING *
    LOOP
        UPDATE payments_quotause
        SET amount_minor = amount_minor + v_sign * v_take.amount_minor, payments = payments + v_sign
        WHERE quota_id = v_take.quota_id AND period_start = v_take.period_start;
        v_settled := v_settled + 1;
    END LOOP;
    RETURN v_settled;
END $$;
