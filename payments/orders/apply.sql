-- tx 2 of a payment, the door's hand: everything one piece of evidence changes, in one round trip.
-- p: {order_id, order_version, payment_id, payment_version, payment: {…changed columns}, order: {…} or null,
--     entries: [ledger entries], events: [...], evidence: {…} or null, key: {scope, key, token, status, body} or null}
-- Locks order, then payment. Answers false, having changed nothing, when either row moved since it was read.
CREATE OR REPLACE FUNCTION payments_apply(p jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_item jsonb;
BEGIN
    PERFORM 1 FROM payments_order AS o JOIN payments_payment AS t ON t.order_id = o.id
    WHERE t.id = p ->> 'payment_id' AND o.id = p ->> 'order_id'
        AND o.version = (p ->> 'order_version')::integer AND t.version = (p ->> 'payment_version')::integer
    FOR NO KEY UPDATE OF o, t;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF p -> 'payment' <> '{}' THEN
        UPDATE payments_payment AS t SET
            (status, authorized_minor, captured_minor, fee_minor, is_surplus, gateway_reference, action, failure_code,
             failure_message, hold, poll_attempts, next_attempt_at, succeeded_at) = (
                SELECT r.status, r.authorized_minor, r.captured_minor, r.fee_minor, r.is_surplus, r.gateway_reference,
                       r.action, r.failure_code, r.failure_message, r.hold, r.poll_attempts, r.next_attempt_at,
                       r.succeeded_at
                FROM jsonb_populate_record(t.*, p -> 'payment') AS r
            )
        WHERE id = p ->> 'payment_id';
    END IF;
    IF p -> 'order' <> 'null' THEN
        UPDATE payments_order AS o SET (status, paid_at, next_attempt_at) = (
            SELECT r.status, r.paid_at, r.next_attempt_at FROM jsonb_populate_record(o.*, p -> 'order') AS r
        )
        WHERE id = p ->> 'order_id';
    END IF;
    IF p -> 'events' <> '[]' THEN
        PERFORM paycore_publish(p -> 'events');
    END IF;
    IF p -> 'evidence' <> 'null' THEN
        INSERT INTO payments_evidence (object_id, source, outcome, is_applied, note, details, received_at)
        VALUES (
            p ->> 'payment_id', p #>> '{evidence,source}', p #>> '{evidence,outcome}',
            (p #>> '{evidence,is_applied}')::boolean, p #>> '{evidence,note}', p #> '{evidence,details}',
            clock_timestamp()
        );
    END IF;
    IF p -> 'key' <> 'null' THEN
        UPDATE paycore_idempotencykey
        SET response_status = (p #>> '{key,status}')::smallint, locked_until = NULL,
            response_body = decode(p #>> '{key,body}', 'base64')
        WHERE scope = p #>> '{key,scope}' AND key = p #>> '{key,key}'
          AND lease_token = (p #>> '{key,token}')::uuid AND response_status IS NULL;
    END IF;
    FOR v_item IN SELECT * FROM jsonb_array_elements(p -> 'entries') LOOP
        PERFORM ledger_post(
            v_item ->> 'type', v_item ->> 'id', v_item ->> 'phase', v_item ->> 'currency',
            ARRAY(SELECT jsonb_array_elements_text(v_item -> 'debits')),
            ARRAY(SELECT jsonb_array_elements_text(v_item -> 'credits')),
            ARRAY(SELECT jsonb_array_elements_text(v_item -> 'amounts')::bigint)
        );
    END LOOP;
    RETURN true;
END $$;
