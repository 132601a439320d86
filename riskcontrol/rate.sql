-- Rates every user and merchant that was active in the last 90 days, or whose last rating was not 0. A row is written
-- only where score or reasons differ from the last one. Answers how many rows were written. Running it twice on one
-- day writes nothing more. Points: docs/risk.md.
CREATE OR REPLACE FUNCTION riskcontrol_rate(p_at timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_since timestamptz := p_at - interval '90 days';
    v_written integer;
BEGIN
    WITH tried AS MATERIALIZED (
        SELECT decision.id, user_id, merchant_id, amount_minor, refusal FROM riskcontrol_decision decision
        WHERE decided_at > v_since
    ), told AS (
        SELECT decision_id,
               (count(*) FILTER (WHERE kind = 'failed') > 0
                   AND count(*) FILTER (WHERE kind = 'succeeded_late') = 0)::integer AS failed,
               (count(*) FILTER (WHERE kind = 'refunded') > 0)::integer AS refunded,
               (count(*) FILTER (WHERE kind = 'disputed') > 0)::integer AS disputed
        FROM riskcontrol_outcome WHERE recorded_at > v_since GROUP BY decision_id
    ), matched AS (
        SELECT decision_id, 1 AS hit FROM riskcontrol_hit
        WHERE NOT is_shadow AND NOT is_fallback AND action IN ('challenge', 'review', 'reject') AND happened_at > v_since
        GROUP BY decision_id
    ), counted AS (
        SELECT CASE WHEN grouping(user_id) = 0 THEN user_id END AS user_id,
               CASE WHEN grouping(merchant_id) = 0 THEN merchant_id END AS merchant_id,
               count(*) AS attempts, count(*) FILTER (WHERE refusal = '') AS went_on,
               coalesce(sum(failed), 0) AS failures, coalesce(sum(refunded), 0) AS refunds,
               coalesce(sum(disputed), 0) AS disputes, coalesce(sum(hit), 0) AS hits
        FROM tried LEFT JOIN told ON told.decision_id = tried.id LEFT JOIN matched ON matched.decision_id = tried.id
        GROUP BY GROUPING SETS ((user_id), (merchant_id))
    ), latest AS (
        -- A user's id is never a merchant's: one column to join by.
        SELECT DISTINCT ON (coalesce(user_id, merchant_id)) coalesce(user_id, merchant_id) AS subject_id,
               user_id, merchant_id, score, reasons
        FROM riskcontrol_rating ORDER BY coalesce(user_id, merchant_id), rated_on DESC
    ), subjects AS (
        SELECT user_id, merchant_id, attempts, went_on, failures, refunds, disputes, hits FROM counted
        WHERE user_id IS NOT NULL OR merchant_id IS NOT NULL
        UNION ALL
        SELECT user_id, merchant_id, 0, 0, 0, 0, 0, 0 FROM latest
        WHERE score > 0 AND NOT EXISTS (
            SELECT FROM counted WHERE coalesce(counted.user_id, counted.merchant_id) = latest.subject_id
        )
    ), pointed AS (
        SELECT subjects.*,
            -- A person: two disputes are plenty. A merchant: 1 % of the payments is what card schemes warn at.
            CASE WHEN user_id IS NOT NULL THEN least(60, 35 * disputes)
                 ELSE least(60, floor(40 * 100.0 * disputes / greatest(went_on, 100))) END::integer AS dispute_points,
            CASE WHEN refunds < 3 THEN 0 ELSE least(20, floor(25.0 * refunds / went_on)) END::integer AS refund_points,
            CASE WHEN failures < 5 THEN 0 ELSE least(20, floor(25.0 * failures / went_on)) END::integer AS failure_points,
            CASE WHEN user_id IS NOT NULL THEN least(20, 4 * hits)
                 ELSE least(20, floor(100.0 * hits / greatest(attempts, 20))) END::integer AS hit_points
        FROM subjects
    ), rated AS (
        SELECT user_id, merchant_id,
               least(100, dispute_points + refund_points + failure_points + hit_points) AS score,
               jsonb_build_object(
                   'attempts', attempts, 'failures', failures, 'refunds', refunds, 'disputes', disputes, 'hits', hits,
                   'points', jsonb_build_object('disputes', dispute_points, 'refunds', refund_points,
                                                'failures', failure_points, 'hits', hit_points)
               ) AS reasons
        FROM pointed
    ), written AS (
        INSERT INTO riskcontrol_rating (user_id, merchant_id, score, grade, reasons, rated_on, rated_at)
        SELECT rated.user_id, rated.merchant_id, rated.score,
               CASE WHEN rated.score < 10 THEN 'A' WHEN rated.score < 25 THEN 'B' WHEN rated.score < 50 THEN 'C'
                    WHEN rated.score < 75 THEN 'D' ELSE 'E' END,
               rated.reasons, (p_at AT TIME ZONE 'UTC')::date, p_at
        FROM rated
        LEFT JOIN latest ON latest.subject_id = coalesce(rated.user_id, rated.merchant_id)
        WHERE latest.subject_id IS NULL OR latest.score <> rated.score OR latest.reasons <> rated.reasons
        ON CONFLICT DO NOTHING RETURNING 1
    )
    SELECT count(*) INTO v_written FROM written;
    RETURN v_written;
END $$;
