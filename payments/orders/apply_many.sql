-- tx 2 of many payments, the door's hand for a batch: what payments_apply does for one, for all of them in one
-- transaction. p_changes: an array of its argument, without keys. A change whose rows moved since they were read is
-- left out, whole. Answers the ids of the payments whose changes were applied.
CREATE OR REPLACE FUNCTION payments_apply_many(p_changes jsonb) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    v_applied text[];
    v_events jsonb;
    v_entries jsonb;
BEGIN
    WITH locked AS (
        SELECT t.id FROM jsonb_array_elements(p_changes) AS p
        JOIN payments_payment AS t ON t.id = p ->> 'payment_id'
        JOIN payments_order AS o ON o.id = t.order_id
        WHERE o.id = p ->> 'order_id'
            AND o.version = (p ->> 'order_version')::integer AND t.version = (p ->> 'payment_version')::integer
        ORDER BY o.id FOR NO KEY UPDATE OF o, t
    )
    SELECT coalesce(array_agg(id), '{}') INTO v_applied FROM locked;

    UPDATE payments_payment AS t SET
        (status, authorized_minor, captured_minor, fee_minor, is_surplus, gateway_reference, action, failure_code,
         failure_message, hold, poll_attempts, next_attempt_at, succeeded_at) = (
            SELECT r.status, r.authorized_minor, r.captured_minor, r.fee_minor, r.is_surplus, r.gateway_reference,
                   r.action, r.failure_code, r.failure_message, r.hold, r.poll_attempts, r.next_attempt_at,
                   r.succeeded_at
            FROM jsonb_populate_record(t.*, p -> 'payment') AS r
        )
    FROM jsonb_array_elements(p_changes) AS p
    WHERE t.id = p ->> 'payment_id' AND t.id = ANY (v_applied) AND p -> 'payment' <> '{}';

    UPDATE payments_order AS o SET (status, paid_at, next_attempt_at) = (
        SELECT r.status, r.paid_at, r.next_attempt_at FROM jsonb_populate_record(o.*, p -> 'order') AS r
    )
    FROM jsonb_array_elements(p_changes) AS p
    WHERE o.id = p ->> 'order_id' AND p ->> 'payment_id' = ANY (v_applied) AND p -> 'order' <> 'null';

    SELECT jsonb_agg(event ORDER BY position, number) INTO v_events
    FROM jsonb_array_elements(p_changes) WITH ORDINALITY AS t(p, position)
    CROSS JOIN LATERAL jsonb_array_elements(p -> 'events') WITH ORDINALITY AS e(event, number)
    WHERE p ->> 'payment_id' = ANY (v_applied);
    IF v_events IS NOT NULL THEN
        PERFORM paycore_publish(v_events);
    END IF;

    INSERT INTO payments_evidence (object_id, source, outcome, is_applied, note, details, received_at)
    SELECT p ->> 'payment_id', p #>> '{evidence,source}', p #>> '{evidence,outcome}',
           (p #>> '{evidence,is_applied}')::boolean, p #>> '{evidence,note}', p #> '{evidence,details}',
           clock_timestamp()
    FROM jsonb_array_elements(p_changes) WITH ORDINALITY AS t(p, position)
    WHERE p ->> 'payment_id' = ANY (v_applied) AND p -> 'evidence' <> 'null'
    ORDER BY position;

    SELECT jsonb_agg(entry ORDER BY position) INTO v_entries
    FROM jsonb_array_elements(p_changes) WITH ORDINALITY AS t(p, position)
    CROSS JOIN LATERAL jsonb_array_elements(p -> 'entries') AS entry
    WHERE p ->> 'payment_id' = ANY (v_applied);
    IF v_entries IS NOT NULL THEN
        PERFORM ledger_post_many(v_entries);
    END IF;
    RETURN v_applied;
END $$;
