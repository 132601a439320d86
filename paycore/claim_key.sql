-- Claim an idempotency key for one caller and route.
-- Answers {"state": "new" | "replay" | "resume" | "busy" | "other_request", …}; "new" and "resume" hold a lease.
-- p_resource_id: the intent that this transaction creates under the key, for whoever has to finish it; or ''.
CREATE OR REPLACE FUNCTION paycore_claim_key(
    p_scope text, p_key text, p_fingerprint bytea, p_lease_seconds integer, p_token uuid, p_resource_id text
) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    v_row paycore_idempotencykey%ROWTYPE;
BEGIN
    INSERT INTO paycore_idempotencykey (scope, key, fingerprint, resource_id, locked_until, lease_token)
    VALUES (p_scope, p_key, p_fingerprint, p_resource_id, clock_timestamp() + make_interval(secs => p_lease_seconds), p_token)
    ON CONFLICT (scope, key) DO NOTHING;
    IF FOUND THEN
        RETURN '{"state": "new"}';
    END IF;
    SELECT * INTO v_row FROM paycore_idempotencykey WHERE scope = p_scope AND key = p_key FOR NO KEY UPDATE;
    IF v_row.fingerprint <> p_fingerprint THEN
        RETURN '{"state": "other_request"}';
    ELSIF v_row.response_status IS NOT NULL THEN
        RETURN jsonb_build_object('state', 'replay', 'status', v_row.response_status,
                                  'body', encode(v_row.response_body, 'base64'));
    ELSIF v_row.locked_until > clock_timestamp() THEN
        RETURN jsonb_build_object('state', 'busy', 'retry_after_seconds',
                                  ceil(extract(epoch FROM v_row.locked_until - clock_timestamp())));
    END IF;
    UPDATE paycore_idempotencykey
    SET locked_until = clock_timestamp() + make_interval(secs => p_lease_seconds), lease_token = p_token
    WHERE id = v_row.id;
    RETURN jsonb_build_object('state', 'resume', 'resource_id', v_row.resource_id);
END $$;
