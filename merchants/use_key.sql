-- Who holds the key with this hash; notes its use, at most once a minute. No row for a wrong, revoked or expired key.
-- ``allowed_networks`` is null when the key may be used from anywhere.
-- On the pay path: planned once per connection, one indexed read.
DROP FUNCTION IF EXISTS merchants_use_key(bytea);
CREATE FUNCTION merchants_use_key(
    p_hash bytea, OUT key_id text, OUT merchant_id text, OUT status text, OUT access text, OUT allowed_networks text[]
)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    v_last_used_at timestamptz;
BEGIN
    SELECT k.id, k.merchant_id, m.status, k.access, nullif(k.allowed_networks, '{}'), k.last_used_at
    INTO key_id, merchant_id, status, access, allowed_networks, v_last_used_at
    FROM merchants_apikey AS k JOIN merchants_merchant AS m ON m.id = k.merchant_id
    WHERE k.secret_hash = p_hash AND k.revoked_at IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp());
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF status = 'approved' AND coalesce(v_last_used_at < clock_timestamp() - interval '1 minute', true) THEN
        -- The repeated condition keeps parallel requests from queueing up to note the same minute.
        UPDATE merchants_apikey SET last_used_at = clock_timestamp()
        WHERE id = (
            SELECT id FROM merchants_apikey
            WHERE id = key_id AND coalesce(last_used_at < clock_timestamp() - interval '1 minute', true)
            FOR NO KEY UPDATE SKIP LOCKED
        );
    END IF;
    RETURN NEXT;
END $$;
