-- What a schedule has earned at p_at: evenly, by the second, from its base to its end; the remainder at the end.
CREATE OR REPLACE FUNCTION memberships_earned(s memberships_revenueschedule, p_at timestamptz)
RETURNS bigint STABLE LANGUAGE sql AS $$
    SELECT CASE
        WHEN s.is_held OR (p_at <= s.base_at AND p_at < s.ends_at) THEN s.base_minor
        WHEN p_at >= s.ends_at THEN s.total_minor
        ELSE s.base_minor + div(
            (s.total_minor - s.base_minor) * extract(epoch FROM p_at - s.base_at),
            extract(epoch FROM s.ends_at - s.base_at)
        )::bigint
    END
$$;

-- Turn what was earned until the last midnight (UTC) into revenue: at most p_limit due schedules, those of one user when
-- one is named. One posting a currency under (revenue, p_batch, recognised:…), and rows by month and plan that sum to it.
-- Schedules that another worker has are left to it. In a sandbox every user's own clock counts. Answers how many it saw.
CREATE OR REPLACE FUNCTION memberships_recognise(p_batch text, p_limit integer, p_is_sandbox boolean, p_user text)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_ids text[];
    v_sum record;
BEGIN
    IF p_user <> '' THEN
        SELECT array_agg(id) INTO v_ids FROM (
            SELECT s.id FROM memberships_revenueschedule AS s
            WHERE s.user_id = p_user AND s.next_at <= v_now + coalesce(
                (SELECT o."offset" FROM paycore_clockoffset AS o WHERE p_is_sandbox AND o.subject = p_user), interval '0'
            )
            ORDER BY s.id LIMIT p_limit FOR NO KEY UPDATE
        ) AS due;
    ELSE
        SELECT array_agg(id) INTO v_ids FROM (
            SELECT s.id FROM memberships_revenueschedule AS s WHERE s.next_at <= v_now
            ORDER BY s.next_at LIMIT p_limit FOR NO KEY UPDATE SKIP LOCKED
        ) AS due;
        IF p_is_sandbox THEN
            SELECT v_ids || array_agg(id) INTO v_ids FROM (
                SELECT s.id FROM paycore_clockoffset AS o JOIN memberships_revenueschedule AS s ON s.user_id = o.subject
                WHERE s.next_at > v_now AND s.next_at <= v_now + o."offset"
                LIMIT p_limit FOR NO KEY UPDATE OF s SKIP LOCKED
            ) AS ahead;
        END IF;
    END IF;
    IF v_ids IS NULL THEN
        RETURN 0;
    END IF;
    WITH known AS MATERIALIZED (
        SELECT s AS row, s.id, s.recognised_minor, s.currency, s.plan, s.looked_at,
               date_trunc('day', v_now + coalesce(o."offset", interval '0'), 'UTC') AS until
        FROM memberships_revenueschedule AS s
        LEFT JOIN paycore_clockoffset AS o ON p_is_sandbox AND o.subject = s.user_id
        WHERE s.id = ANY (v_ids)
    ), stretch AS (
        -- A pass that comes late still puts every month's revenue into its month.
        SELECT k.id, k.currency, k.plan, k.recognised_minor, point.at,
               greatest(k.recognised_minor, memberships_earned(k.row, point.at)) AS earned
        FROM known AS k CROSS JOIN LATERAL (
            SELECT month_start AS at FROM generate_series(
                date_trunc('month', k.looked_at, 'UTC') + interval '1 month', k.until, interval '1 month'
            ) AS month_start WHERE month_start > k.looked_at AND month_start < k.until
            UNION ALL SELECT k.until
        ) AS point
    ), step AS (
        SELECT id, currency, plan, at,
               earned - lag(earned, 1, recognised_minor) OVER (PARTITION BY id ORDER BY at) AS amount
        FROM stretch
    ), written AS (
        INSERT INTO memberships_revenuerecognition (batch, month, plan, currency, amount_minor, created_at)
        SELECT p_batch, date_trunc('month', (at - interval '1 microsecond') AT TIME ZONE 'UTC')::date, plan, currency,
               sum(amount), v_now
        FROM step GROUP BY 2, plan, currency HAVING sum(amount) > 0
        RETURNING 1
    ), last AS (
        SELECT DISTINCT ON (st.id) st.id, st.earned, st.at FROM stretch AS st ORDER BY st.id, st.at DESC
    )
    UPDATE memberships_revenueschedule AS s
    SET recognised_minor = last.earned,
        looked_at = greatest(s.looked_at, last.at),
        next_at = CASE WHEN s.is_held OR last.earned = s.total_minor THEN NULL
                  ELSE date_trunc('day', greatest(last.at, s.base_at), 'UTC') + interval '1 day' END
    FROM last WHERE s.id = last.id;
    FOR v_sum IN
        SELECT currency, sum(amount_minor)::bigint AS amount FROM memberships_revenuerecognition
        WHERE batch = p_batch GROUP BY currency ORDER BY currency
    LOOP
        PERFORM ledger_post(
            'revenue', p_batch, 'recognised:' || v_sum.currency, v_sum.currency,
            ARRAY['membership:deferred'], ARRAY['revenue:membership'], ARRAY[v_sum.amount]
        );
    END LOOP;
    RETURN cardinality(v_ids);
END $$;
