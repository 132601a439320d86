-- Everything that gives a user anything at a moment (null: now), in one round trip; memberships/entitlements/rights.py
-- decides. A source without features gives nothing yet: "changes_at" says when that changes by itself. The period that
-- is lived is the last paid one that began: what was paid ahead (a gift behind it) has a version and a count of its own.
CREATE OR REPLACE FUNCTION memberships_rights(p_user text, p_at timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    at constant timestamptz := coalesce(p_at, clock_timestamp());
    found jsonb;
BEGIN
    WITH held AS (
        SELECT 'subscription' AS kind, s.id AS source_id, s.*
        FROM memberships_subscription s
        WHERE s.user_id = p_user AND s.status IN ('trialing', 'active', 'past_due')
        UNION ALL
        SELECT 'seat', seat.id, s.*
        FROM memberships_seat seat JOIN memberships_subscription s ON s.id = seat.subscription_id
        WHERE seat.user_id = p_user AND seat.status = 'active' AND s.status IN ('trialing', 'active', 'past_due')
    ), sources AS (
        SELECT jsonb_build_object(
            'source', kind,
            'source_id', source_id,
            'reason', CASE
                WHEN status = 'past_due' THEN 'grace'
                WHEN cancel_at_period_end THEN 'canceled'
                WHEN status = 'trialing' THEN 'trial'
                ELSE 'paid' END,
            'plan', plan.code,
            'until', CASE WHEN status = 'past_due' THEN grace_until ELSE period_ends_at END,
            'changes_at', CASE
                WHEN status = 'past_due' THEN grace_until
                WHEN EXISTS (
                    SELECT 1 FROM memberships_period n
                    WHERE n.subscription_id = held.id AND n.status = 'paid' AND n.number > lived.number
                ) THEN lived.ends_at
                WHEN cancel_at_period_end THEN period_ends_at END,
            'subject', held.id,
            'zone', time_zone,
            'starts_at', coalesce(lived.starts_at, period_started_at),
            'ends_at', coalesce(lived.ends_at, period_ends_at),
            'features', coalesce((
                SELECT jsonb_agg(v.features) FROM memberships_planversion v
                WHERE v.plan_id = held.plan_id AND (
                    v.number = (
                        SELECT max(n.number) FROM memberships_planversion n WHERE n.plan_id = held.plan_id
                    ) OR v.id = lived.plan_version_id
                )
            ), '[]')
        ) AS source
        FROM held
        JOIN memberships_plan plan ON plan.id = held.plan_id
        LEFT JOIN LATERAL (
            SELECT p.number, p.starts_at, p.ends_at, p.plan_version_id FROM memberships_period p
            WHERE p.subscription_id = held.id AND p.status = 'paid' AND p.starts_at <= at
            ORDER BY p.number DESC LIMIT 1
        ) AS lived ON true
        WHERE CASE
            WHEN status = 'past_due' THEN coalesce(grace_until > at, true)
            ELSE NOT cancel_at_period_end OR coalesce(period_ends_at > at, true) END
        UNION ALL
        SELECT jsonb_build_object(
            'source', 'grant',
            'source_id', g.id,
            'reason', g.source,
            'plan', plan.code,
            'until', g.ends_at,
            'changes_at', CASE WHEN g.starts_at > at THEN g.starts_at ELSE g.ends_at END,
            'subject', g.id,
            'zone', 'UTC',
            'starts_at', g.starts_at,
            'ends_at', g.ends_at,
            'features', CASE WHEN g.starts_at > at THEN '[]' ELSE coalesce((
                SELECT jsonb_agg(v.features) FROM memberships_planversion v
                WHERE v.plan_id = g.plan_id AND v.number IN (
                    SELECT max(n.number) FROM memberships_planversion n WHERE n.plan_id = g.plan_id
                    UNION ALL
                    SELECT max(n.number) FROM memberships_planversion n
                    WHERE n.plan_id = g.plan_id AND n.published_at <= g.created_at
                )
            ), '[]') END
        )
        FROM memberships_grant g JOIN memberships_plan plan ON plan.id = g.plan_id
        WHERE g.user_id = p_user AND g.ends_at > at AND g.revoked_at IS NULL
        UNION ALL
        SELECT jsonb_build_object(
            'source', 'free',
            'source_id', tier.id,
            'reason', 'free',
            'plan', plan.code,
            'until', NULL,
            'changes_at', NULL,
            'subject', 'free',
            'zone', 'UTC',
            'starts_at', NULL,
            'ends_at', NULL,
            'features', coalesce((
                SELECT jsonb_agg(newest.features) FROM (
                    SELECT v.features FROM memberships_planversion v WHERE v.plan_id = plan.id
                    ORDER BY v.number DESC LIMIT 1
                ) AS newest
            ), '[]')
        )
        FROM memberships_tier tier JOIN memberships_plan plan ON plan.tier_id = tier.id
        WHERE tier.rank = 0 AND plan.archived_at IS NULL
    )
    SELECT jsonb_build_object(
        'at', at,
        'sources', coalesce((SELECT jsonb_agg(source) FROM sources), '[]'),
        'features', coalesce((
            SELECT jsonb_object_agg(f.code, jsonb_build_array(f.kind, f.reset))
            FROM memberships_feature f WHERE f.is_active
        ), '{}')
    ) INTO found;
    RETURN found;
END
$$;
