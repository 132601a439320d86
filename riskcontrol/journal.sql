-- A decision's row, the hits of rules, and what the attempt takes of limits, in the caller's transaction.
-- p: the columns of riskcontrol_decision and "hits": [{rule, version, action, is_shadow, is_fallback}]; "reserved" is
-- [{limit, subject}]. A decision that is there already changes nothing. Raises PC010, its detail is {limit, resets_at}.
CREATE OR REPLACE FUNCTION riskcontrol_journal(p jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_reserved jsonb := p -> 'reserved';
    v_limit record;
BEGIN
    IF v_reserved <> '[]' THEN
        -- What is written down is what is taken: a limit may have been switched off a moment ago.
        SELECT coalesce(jsonb_agg(taken), '[]') INTO v_reserved
        FROM jsonb_array_elements(v_reserved) AS taken
        JOIN riskcontrol_paymentlimit bound ON bound.id = taken ->> 'limit' AND bound.is_active;
    END IF;
    INSERT INTO riskcontrol_decision (
        id, subject_id, merchant_id, user_id, amount_minor, currency, method, ip, device_id, payment_method_key,
        action, delay_seconds, refusal, reasons, facts, reserved, decided_at
    ) VALUES (
        p ->> 'id', p ->> 'subject_id', p ->> 'merchant_id', p ->> 'user_id', (p ->> 'amount_minor')::bigint,
        p ->> 'currency', p ->> 'method', p ->> 'ip', p ->> 'device_id', p ->> 'payment_method_key',
        p ->> 'action', (p ->> 'delay_seconds')::integer, p ->> 'refusal', p -> 'reasons', p -> 'facts',
        v_reserved, v_now
    ) ON CONFLICT (id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF p -> 'hits' <> '[]' THEN
        INSERT INTO riskcontrol_hit (decision_id, rule_id, rule_version, action, is_shadow, is_fallback, happened_at)
        SELECT p ->> 'id', hit ->> 'rule', (hit ->> 'version')::integer, hit ->> 'action',
               (hit ->> 'is_shadow')::boolean, (hit ->> 'is_fallback')::boolean, v_now
        FROM jsonb_array_elements(p -> 'hits') AS hit;
    END IF;
    IF v_reserved = '[]' THEN
        RETURN;
    END IF;
    -- Always in the same order: two payments that take of the same limits must not wait for each other.
    FOR v_limit IN
        SELECT bound.id, taken ->> 'subject' AS subject, riskcontrol_period_start(bound.kind, v_now) AS starts,
               CASE WHEN bound.max_count IS NULL THEN (p ->> 'amount_minor')::bigint ELSE 0 END AS minor,
               coalesce(bound.max_amount_minor, 9223372036854775807) AS max_minor,
               coalesce(bound.max_count, 2147483647) AS max_count, bound.kind
        FROM jsonb_array_elements(v_reserved) AS taken
        JOIN riskcontrol_paymentlimit bound ON bound.id = taken ->> 'limit'
        ORDER BY bound.id, subject
    LOOP
        IF v_limit.minor <= v_limit.max_minor THEN
            INSERT INTO riskcontrol_usage AS usage (limit_id, subject_id, period_start, used_minor, used_count)
            VALUES (v_limit.id, v_limit.subject, v_limit.starts, v_limit.minor, 1)
            ON CONFLICT (limit_id, subject_id, period_start) DO UPDATE
            SET used_minor = usage.used_minor + excluded.used_minor, used_count = usage.used_count + 1
            WHERE usage.used_minor <= v_limit.max_minor - excluded.used_minor AND usage.used_count < v_limit.max_count;
        END IF;
        IF v_limit.minor > v_limit.max_minor OR NOT FOUND THEN
            RAISE EXCEPTION 'payment_limit_reached' USING ERRCODE = 'PC010', DETAIL = jsonb_build_object(
                'limit', v_limit.id, 'resets_at', riskcontrol_period_end(v_limit.kind, v_limit.starts)
            )::text;
        END IF;
    END LOOP;
END $$;

-- Periods are the clock's in UTC: hours, days, months.
CREATE OR REPLACE FUNCTION riskcontrol_period_start(p_kind text, p_at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT date_trunc(CASE p_kind WHEN 'month_sum' THEN 'month' WHEN 'hour_count' THEN 'hour' ELSE 'day' END, p_at, 'UTC')
$$;

CREATE OR REPLACE FUNCTION riskcontrol_period_end(p_kind text, p_start timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    SELECT (p_start AT TIME ZONE 'UTC' + CASE p_kind
        WHEN 'month_sum' THEN interval '1 month' WHEN 'hour_count' THEN interval '1 hour' ELSE interval '1 day' END
    ) AT TIME ZONE 'UTC'
$$;

-- The decision's amounts move in the periods that it was made in: p_sign 1 takes, -1 gives back. Numbers of payments
-- stay: they count attempts.
CREATE OR REPLACE FUNCTION riskcontrol_move_usage(p_decision text, p_sign integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_taken record;
BEGIN
    FOR v_taken IN
        SELECT bound.id, taken ->> 'subject' AS subject, decision.amount_minor * p_sign AS minor,
               riskcontrol_period_start(bound.kind, decision.decided_at) AS starts
        FROM riskcontrol_decision decision
        CROSS JOIN LATERAL jsonb_array_elements(decision.reserved) AS taken
        JOIN riskcontrol_paymentlimit bound ON bound.id = taken ->> 'limit' AND bound.max_amount_minor IS NOT NULL
        WHERE decision.id = p_decision
        ORDER BY bound.id, subject
    LOOP
        UPDATE riskcontrol_usage SET used_minor = used_minor + v_taken.minor
        WHERE limit_id = v_taken.id AND subject_id = v_taken.subject AND period_start = v_taken.starts;
    END LOOP;
END $$;

-- What became of an attempt, once for each (decision, kind, occasion); true when it was news.
CREATE OR REPLACE FUNCTION riskcontrol_record_outcome(
    p_decision text, p_kind text, p_occasion text, p_amount_minor bigint, p_currency text
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO riskcontrol_outcome (decision_id, kind, occasion, amount_minor, currency, recorded_at)
    VALUES (p_decision, p_kind, p_occasion, p_amount_minor, p_currency, clock_timestamp())
    ON CONFLICT (decision_id, kind, occasion) DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF p_kind = 'failed' THEN
        PERFORM riskcontrol_move_usage(p_decision, -1);
    ELSIF p_kind = 'succeeded_late' THEN
        PERFORM riskcontrol_move_usage(p_decision, 1);
    END IF;
    RETURN true;
END $$;
