-- tx 1 of a payment: the idempotency key, the order when it comes along, and the intent to pay. One round trip.
-- p_key: null, or {scope, key, fingerprint (hex), lease_seconds, token, is_claimed}. p_order: a whole row, or null.
-- Beside the order's columns: lifetime_seconds, and promotions: the uses that it takes along.
-- p_payment: a whole row whose order_id, when the order is not new, must be open and without a live attempt. Beside
-- the columns: first_query_seconds, journal (risk control's record of the decision), quotas (what the account's limits
-- lose by it, or null), for a payment that is held before it is sent hold_seconds, and open_seconds: how long the payer
-- needs. The order then stays open at least as long.
-- Answers {"claim": {…}} when the key is not new, else {"now": database clock, "expires_at", "order_version"}. Refusals
-- are SQLSTATE PC0xx.
CREATE OR REPLACE FUNCTION payments_begin(p_key jsonb, p_order jsonb, p_payment jsonb, p_events jsonb)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_claim jsonb;
    v_order payments_order%ROWTYPE;
    v_payment payments_payment%ROWTYPE;
    v_now timestamptz := clock_timestamp();
    v_hold_seconds integer := p_payment ->> 'hold_seconds';
    -- Once it is let go, the payer still has ten minutes.
    v_open_seconds integer := greatest(v_hold_seconds + 600, (p_payment ->> 'open_seconds')::integer);
    v_lifetime_seconds integer := greatest((p_order ->> 'lifetime_seconds')::integer, v_open_seconds);
BEGIN
    IF p_key IS NOT NULL AND NOT (p_key ->> 'is_claimed')::boolean THEN
        v_claim := paycore_claim_key(
            p_key ->> 'scope', p_key ->> 'key', decode(p_key ->> 'fingerprint', 'hex'),
            (p_key ->> 'lease_seconds')::integer, (p_key ->> 'token')::uuid, p_payment ->> 'id'
        );
        IF v_claim ->> 'state' <> 'new' THEN
            RETURN jsonb_build_object('claim', v_claim);
        END IF;
    END IF;
    IF p_order IS NOT NULL THEN
        v_order := jsonb_populate_record(NULL::payments_order, p_order || jsonb_build_object(
            'created_at', v_now, 'updated_at', v_now,
            'expires_at', v_now + make_interval(secs => v_lifetime_seconds),
            'next_attempt_at', v_now + make_interval(secs => v_lifetime_seconds)
        ));
        INSERT INTO payments_order SELECT v_order.*;
        PERFORM promotions_take(value) FROM jsonb_array_elements(coalesce(p_order -> 'promotions', '[]'));
    ELSE
        SELECT * INTO v_order FROM payments_order WHERE id = p_payment ->> 'order_id' FOR NO KEY UPDATE;
        IF v_order.status <> 'open' THEN
            RAISE EXCEPTION 'order_not_open' USING ERRCODE = 'PC001';
        ELSIF v_order.expires_at <= v_now THEN
            RAISE EXCEPTION 'order_expired' USING ERRCODE = 'PC002';
        END IF;
        IF v_order.expires_at < v_now + make_interval(secs => v_open_seconds) THEN
            UPDATE payments_order SET expires_at = v_now + make_interval(secs => v_open_seconds),
                next_attempt_at = v_now + make_interval(secs => v_open_seconds)
            WHERE id = v_order.id RETURNING * INTO v_order;
        END IF;
    END IF;
    v_payment := jsonb_populate_record(NULL::payments_payment, p_payment || jsonb_build_object(
        'created_at', v_now, 'updated_at', v_now,
        'next_attempt_at', v_now + make_interval(
            secs => coalesce(v_hold_seconds, (p_payment ->> 'first_query_seconds')::integer)
        ),
        'held_until', v_now + make_interval(secs => v_hold_seconds)
    ));
    INSERT INTO payments_payment SELECT v_payment.*;
    IF p_payment -> 'quotas' <> 'null' THEN
        PERFORM routing_take_quotas(v_payment.id, p_payment -> 'quotas');  -- or SQLSTATE PC011: another account
    END IF;
    IF p_payment -> 'journal' <> 'null' THEN
        PERFORM riskcontrol_journal(p_payment -> 'journal');
    END IF;
    IF (p_key ->> 'is_claimed')::boolean THEN
        -- Another attempt under a key: its lease is renewed, and only its holder may begin one.
        UPDATE paycore_idempotencykey
        SET resource_id = v_payment.id,
            locked_until = v_now + make_interval(secs => (p_key ->> 'lease_seconds')::integer)
        WHERE scope = p_key ->> 'scope' AND key = p_key ->> 'key' AND lease_token = (p_key ->> 'token')::uuid
            AND response_status IS NULL;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'lease_lost' USING ERRCODE = 'PC003';
        END IF;
    END IF;
    IF p_events <> '[]' THEN
        PERFORM paycore_publish(p_events);
    END IF;
    RETURN jsonb_build_object('now', v_now, 'expires_at', v_order.expires_at, 'order_version', v_order.version);
END $$;
