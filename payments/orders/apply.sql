-- tx 2 of a payment, the door's hand: everything one piece of evidence changes, in one round trip.
-- p: {order_id, order_version, payment_id, payment_version, payment: {…changed columns}, order: {…} or null,
--     entries: [ledger entries], events: [...], evidence: {…} or null, key: {scope, key, token, status, body} or null}
-- Locks order, then payment. Answers false, having changed nothing, when either row moved since it was read.
CREATE OR REPLACE FUNCTION payments_apply(p jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_order payments_order%ROWTYPE;
    v_payment payments_payment%ROWTYPE;
    v_item jsonb;
BEGIN
    SELECT * INTO v_order FROM payments_order WHERE id = p ->> 'order_id' FOR NO KEY UPDATE;
    SELECT * INTO v_payment FROM payments_payment WHERE id = p ->> 'payment_id' FOR NO KEY UPDATE;
    IF v_order.version <> (p ->> 'order_version')::integer OR v_payment.version <> (p ->> 'payment_version')::integer
    THEN
        RETURN false;
    END IF;
    IF p -> 'payment' <> '{}' THEN
        v_payment := jsonb_populate_record(v_payment, p -> 'payment');
        UPDATE payments_payment SET
            status = v_payment.status, authorized_minor = v_payment.authorized_minor,
            captured_minor = v_payment.captured_minor, fee_minor = v_payment.fee_minor,
            is_surplus = v_payment.is_surplus, gateway_reference = v_payment.gateway_reference,
            action = v_payment.action, failure_code = v_payment.failure_code,
            failure_message = v_payment.failure_message, poll_attempts = v_payment.poll_attempts,
            next_attempt_at = v_payment.next_attempt_at, succeeded_at = v_payment.succeeded_at
        WHERE id = v_payment.id;
    END IF;
    IF p -> 'order' <> 'null' THEN
        v_order := jsonb_populate_record(v_order, p -> 'order');
        UPDATE payments_order SET
            status = v_order.status, paid_at = v_order.paid_at, next_attempt_at = v_order.next_attempt_at
        WHERE id = v_order.id;
    END IF;
    FOR v_item IN SELECT * FROM jsonb_array_elements(p -> 'events') LOOP
        PERFORM paycore_publish(
            v_item ->> 'name', v_item ->> 'object_id', v_item -> 'payload',
            ARRAY(SELECT jsonb_array_elements_text(v_item -> 'handlers')), v_item ->> 'request_id'
        );
    END LOOP;
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
