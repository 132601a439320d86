-- tx 1 of many payments that nobody is there to wait for: what payments_begin does for one, without keys, new orders,
-- holds and quotas. p_payments: whole rows beside first_query_seconds. Orders are locked in the order of their ids.
-- Answers {"now": database clock, "begun": {payment id: order version}, "refused": {payment id: why}}.
CREATE OR REPLACE FUNCTION payments_begin_many(p_payments jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_begun jsonb;
    v_refused jsonb;
BEGIN
    PERFORM 1 FROM payments_order
    WHERE id IN (SELECT value ->> 'order_id' FROM jsonb_array_elements(p_payments))
    ORDER BY id FOR NO KEY UPDATE;
    WITH wanted AS MATERIALIZED (
        SELECT value AS row, value ->> 'id' AS id, value ->> 'order_id' AS order_id
        FROM jsonb_array_elements(p_payments)
    ), judged AS MATERIALIZED (
        SELECT wanted.*, o.version AS order_version, CASE
            WHEN EXISTS (SELECT 1 FROM payments_payment WHERE id = wanted.id) THEN 'begun_before'
            WHEN o.status IS DISTINCT FROM 'open' THEN 'order_not_open'
            WHEN o.expires_at <= v_now THEN 'order_expired'
            WHEN EXISTS (
                SELECT 1 FROM payments_payment AS live
                WHERE live.order_id = wanted.order_id
                    AND live.status IN ('created', 'submitting', 'requires_action', 'processing', 'authorized')
            ) THEN 'payment_in_progress'
        END AS refusal
        FROM wanted LEFT JOIN payments_order AS o ON o.id = wanted.order_id
    ), begun AS (
        INSERT INTO payments_payment
        SELECT payment.* FROM judged
        CROSS JOIN LATERAL jsonb_populate_record(NULL::payments_payment, judged.row || jsonb_build_object(
            'created_at', v_now, 'updated_at', v_now,
            'next_attempt_at', v_now + make_interval(secs => (judged.row ->> 'first_query_seconds')::integer)
        )) AS payment
        WHERE judged.refusal IS NULL
    )
    SELECT jsonb_object_agg(id, order_version) FILTER (WHERE refusal IS NULL),
           jsonb_object_agg(id, refusal) FILTER (WHERE refusal IS NOT NULL)
    INTO v_begun, v_refused FROM judged;
    RETURN jsonb_build_object(
        'now', v_now, 'begun', coalesce(v_begun, '{}'), 'refused', coalesce(v_refused, '{}')
    );
END $$;

-- New open orders, whole rows as created, with their news.
CREATE OR REPLACE FUNCTION payments_create_orders(p_orders jsonb, p_events jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payments_order
    SELECT created.* FROM jsonb_array_elements(p_orders) AS row
    CROSS JOIN LATERAL jsonb_populate_record(NULL::payments_order, row) AS created;
    PERFORM paycore_publish(p_events);
END $$;
