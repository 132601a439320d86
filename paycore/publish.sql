-- One event and one outbox message for each of its handlers, in the caller's transaction.
-- The caller holds the lock on the object, so sequences have no gap; the unique constraint refuses a mistake.
CREATE OR REPLACE FUNCTION paycore_publish(
    p_name text, p_object_id text, p_payload jsonb, p_handlers text[], p_request_id text
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_event_id bigint;
BEGIN
    INSERT INTO paycore_event (name, object_id, sequence, payload, request_id, occurred_at)
    VALUES (
        p_name, p_object_id,
        (SELECT coalesce(max(sequence), 0) + 1 FROM paycore_event WHERE object_id = p_object_id),
        p_payload, p_request_id, clock_timestamp()
    )
    RETURNING id INTO v_event_id;
    IF cardinality(p_handlers) > 0 THEN
        INSERT INTO paycore_outboxmessage (event_id, handler, status, attempts, next_attempt_at, last_error)
        SELECT v_event_id, handler, 'pending', 0, clock_timestamp(), ''
        FROM unnest(p_handlers) AS handler;
    END IF;
    RETURN v_event_id;
END $$;
