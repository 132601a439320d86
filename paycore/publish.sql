-- Events, each with one outbox message for each of its handlers, in the caller's transaction.
-- p_events: [{name, object_id, payload, handlers: […], request_id}]. The caller holds the locks on the objects, so
-- sequences have no gap; the unique constraint refuses a mistake.
CREATE OR REPLACE FUNCTION paycore_publish(p_events jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH told AS (
        SELECT event ->> 'name' AS name, event ->> 'object_id' AS object_id, event -> 'payload' AS payload,
               event ->> 'request_id' AS request_id, event -> 'handlers' AS handlers, position,
               (SELECT coalesce(max(sequence), 0) FROM paycore_event WHERE object_id = event ->> 'object_id')
                   + row_number() OVER (PARTITION BY event ->> 'object_id' ORDER BY position) AS sequence
        FROM jsonb_array_elements(p_events) WITH ORDINALITY AS t(event, position)
    ), written AS (
        INSERT INTO paycore_event (name, object_id, sequence, payload, request_id, occurred_at)
        SELECT name, object_id, sequence, payload, request_id, clock_timestamp() FROM told ORDER BY position
        RETURNING id, object_id, sequence
    )
    INSERT INTO paycore_outboxmessage (event_id, handler, status, attempts, next_attempt_at, last_error)
    SELECT written.id, handler, 'pending', 0, clock_timestamp(), ''
    FROM written
    JOIN told ON told.object_id = written.object_id AND told.sequence = written.sequence
    CROSS JOIN LATERAL jsonb_array_elements_text(told.handlers) AS handler;
END $$;
