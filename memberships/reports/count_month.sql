-- What a period is worth a month (minor units), as if years had twelve equal months. Null where no price is known.
CREATE OR REPLACE FUNCTION memberships_monthly(
    p_amount bigint, p_interval text, p_count integer
) RETURNS numeric IMMUTABLE LANGUAGE sql AS $$
    SELECT p_amount * CASE p_interval
        WHEN 'day' THEN 365 / 12.0 WHEN 'week' THEN 365 / 84.0 WHEN 'month' THEN 1.0 WHEN 'quarter' THEN 1 / 3.0
        ELSE 1 / 12.0
    END / p_count
$$;

-- Who is a paying member at a moment, of which plan and for how much a month: one row a user. A store's and a web
-- subscription of one user do not run at once; if they did, the dearer one counts. Paid time that a pause gave back
-- counts; a period whose money went back counts until then, or else the month before would have lost nobody.
CREATE OR REPLACE FUNCTION memberships_paying(p_at timestamptz)
RETURNS TABLE (user_id varchar, plan_id varchar, currency varchar, monthly bigint) STABLE LANGUAGE sql AS $$
    SELECT DISTINCT ON (s.user_id) s.user_id, version.plan_id, coalesce(price.currency, '')::varchar,
           coalesce(round(memberships_monthly(
               price.amount_minor + price.seat_amount_minor * greatest(0, p.quantity - version.seats_included),
               price.interval, price.interval_count
           )), 0)::bigint AS monthly
    FROM memberships_period AS p
    JOIN memberships_subscription AS s ON s.id = p.subscription_id
    JOIN memberships_planversion AS version ON version.id = p.plan_version_id
    LEFT JOIN memberships_price AS price ON price.id = p.price_id
    WHERE p.starts_at <= p_at AND p.ends_at > p_at
        AND (p.status = 'paid' OR p.status = 'revoked' AND coalesce(s.ended_at > p_at, true))
        AND (p.kind IN ('paid', 'store') OR p.kind = 'bonus' AND EXISTS (
            SELECT 1 FROM memberships_pause AS pause WHERE pause.given_as_id = p.id AND pause.unused_minor > 0
        ))
    ORDER BY s.user_id, monthly DESC
$$;

-- Count (anew) the month that begins at p_month (UTC), as of its end or of now. Safe to repeat.
CREATE OR REPLACE FUNCTION memberships_count_month(p_month date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_start timestamptz := p_month::timestamp AT TIME ZONE 'UTC';
    v_end timestamptz := (p_month + interval '1 month')::timestamp AT TIME ZONE 'UTC';
    v_at timestamptz := least(v_end - interval '1 microsecond', clock_timestamp());
    v_count integer;
BEGIN
    DELETE FROM memberships_membershipmonth WHERE month = p_month;
    INSERT INTO memberships_membershipmonth (
        month, currency, plan_id, members, trials, mrr_minor, new_members, lost_members, new_minor, grown_minor,
        shrunk_minor, lost_minor, trials_ended, trials_won, failed, recovered, counted_at
    )
    WITH was AS MATERIALIZED (
        SELECT * FROM memberships_paying(v_start - interval '1 microsecond')
    ), now_paying AS MATERIALIZED (
        SELECT * FROM memberships_paying(v_at)
    ), moved AS (
        -- What changes its plan or currency is new there and lost here, unless it only grew or shrank.
        SELECT n.plan_id, n.currency, 1 AS members, n.monthly AS mrr,
               (was.user_id IS NULL)::integer AS new_members, 0 AS lost_members,
               CASE WHEN was.user_id IS NULL OR was.plan_id <> n.plan_id OR was.currency <> n.currency
                    THEN n.monthly ELSE 0 END AS new_minor,
               CASE WHEN was.plan_id = n.plan_id AND was.currency = n.currency
                    THEN greatest(n.monthly - was.monthly, 0) ELSE 0 END AS grown,
               CASE WHEN was.plan_id = n.plan_id AND was.currency = n.currency
                    THEN greatest(was.monthly - n.monthly, 0) ELSE 0 END AS shrunk,
               0::bigint AS lost
        FROM now_paying AS n LEFT JOIN was ON was.user_id = n.user_id
        UNION ALL
        SELECT was.plan_id, was.currency, 0, 0, 0, (n.user_id IS NULL)::integer, 0, 0, 0, was.monthly
        FROM was LEFT JOIN now_paying AS n ON n.user_id = was.user_id
        WHERE n.user_id IS NULL OR n.plan_id <> was.plan_id OR n.currency <> was.currency
    ), trial AS (
        SELECT version.plan_id, coalesce(s.currency, '')::varchar AS currency,
               (p.ends_at > v_at AND p.starts_at <= v_at AND p.status = 'paid')::integer AS running,
               (p.ends_at > v_start AND p.ends_at <= v_at AND NOT goes_on)::integer AS ended,
               (p.ends_at > v_start AND p.ends_at <= v_at AND NOT goes_on AND EXISTS (
                   SELECT 1 FROM memberships_period AS next
                   WHERE next.subscription_id = p.subscription_id AND next.kind = 'paid' AND next.status = 'paid'
               ))::integer AS won
        FROM memberships_period AS p
        JOIN memberships_subscription AS s ON s.id = p.subscription_id
        JOIN memberships_planversion AS version ON version.id = p.plan_version_id
        -- A trial that was paused, or became another plan's, is one trial in several periods.
        CROSS JOIN LATERAL (
            SELECT EXISTS (
                SELECT 1 FROM memberships_period AS later
                WHERE later.subscription_id = p.subscription_id AND later.kind = 'trial' AND later.number > p.number
            ) OR EXISTS (
                SELECT 1 FROM memberships_pause AS pause WHERE pause.period_id = p.id AND pause.ended_at IS NULL
            ) AS goes_on
        ) AS trial_goes_on
        WHERE p.kind = 'trial' AND p.ends_at > v_start AND p.starts_at <= v_at
    ), dunned AS (
        SELECT s.plan_id, s.currency, count(*) AS failed, count(*) FILTER (WHERE d.status = 'recovered') AS recovered
        FROM memberships_dunning AS d JOIN memberships_subscription AS s ON s.id = d.subscription_id
        WHERE d.opened_at >= v_start AND d.opened_at < v_end
        GROUP BY s.plan_id, s.currency
    ), together AS (
        SELECT plan_id, currency, sum(members) AS members, 0::bigint AS trials, sum(mrr) AS mrr,
               sum(new_members) AS new_members, sum(lost_members) AS lost_members, sum(new_minor) AS new_minor,
               sum(grown) AS grown, sum(shrunk) AS shrunk, sum(lost) AS lost, 0::bigint AS ended, 0::bigint AS won,
               0 AS failed, 0 AS recovered
        FROM moved GROUP BY plan_id, currency
        UNION ALL
        SELECT plan_id, currency, 0, sum(running), 0, 0, 0, 0, 0, 0, 0, sum(ended), sum(won), 0, 0
        FROM trial GROUP BY plan_id, currency
        UNION ALL
        SELECT plan_id, currency, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, failed, recovered FROM dunned
    )
    SELECT p_month, currency, plan_id, sum(members), sum(trials), sum(mrr), sum(new_members), sum(lost_members),
           sum(new_minor), sum(grown), sum(shrunk), sum(lost), sum(ended), sum(won), sum(failed), sum(recovered),
           clock_timestamp()
    FROM together GROUP BY currency, plan_id;
    GET DIAGNOSTICS v_count = ROW_COUNT;

    DELETE FROM memberships_membershipcohort WHERE month = p_month;
    INSERT INTO memberships_membershipcohort (cohort, month, started, kept)
    WITH first AS MATERIALIZED (
        SELECT s.user_id, date_trunc('month', min(p.starts_at) AT TIME ZONE 'UTC')::date AS cohort
        FROM memberships_period AS p JOIN memberships_subscription AS s ON s.id = p.subscription_id
        WHERE p.kind IN ('paid', 'store') AND p.status IN ('paid', 'revoked')
        GROUP BY s.user_id
    ), paying AS (
        SELECT user_id FROM memberships_paying(v_at)
    )
    SELECT first.cohort, p_month, count(*), count(paying.user_id)
    FROM first LEFT JOIN paying ON paying.user_id = first.user_id
    WHERE first.cohort <= p_month AND first.cohort > p_month - interval '13 months'
    GROUP BY first.cohort;
    RETURN v_count;
END $$;
