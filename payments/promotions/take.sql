-- The slots of promotions and codes, exact however many reach for the last one: the promotion's row is locked first,
-- then the code's, so that what is counted after that stays true until the transaction ends.

-- Takes one slot and writes the redemption. p: {"redemption": {columns}, "persons": [{"kind", "key" (hex)}],
-- "at": the buyer's time, "exclusive": whether the promotion goes alone}. Refusals are SQLSTATE PC02x:
-- PC021 cannot be used (any more), PC022 this person has used it, PC023 does not go together, PC024 a budget or limit.
CREATE OR REPLACE FUNCTION promotions_take(p jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_new payments_redemption%ROWTYPE := jsonb_populate_record(NULL::payments_redemption, p -> 'redemption');
    v_promotion payments_promotion%ROWTYPE;
    v_code payments_promotioncode%ROWTYPE;
    v_at timestamptz := (p ->> 'at')::timestamptz;
    v_now timestamptz := clock_timestamp();
    v_today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    v_keys bytea[] := ARRAY(SELECT decode(value ->> 'key', 'hex') FROM jsonb_array_elements(p -> 'persons'));
    v_uses integer;
    v_uses_of_code integer;
BEGIN
    SELECT * INTO v_promotion FROM payments_promotion WHERE id = v_new.promotion_id FOR NO KEY UPDATE;
    SELECT * INTO v_code FROM payments_promotioncode WHERE id = v_new.code_id FOR NO KEY UPDATE;
    IF v_promotion.status <> 'active' OR NOT v_code.is_enabled OR v_code.promotion_id <> v_promotion.id
        OR v_promotion.starts_at > v_at OR v_promotion.ends_at <= v_at OR v_code.expires_at <= v_at
    THEN
        RAISE EXCEPTION 'promotion_code_not_valid' USING ERRCODE = 'PC021';
    END IF;
    IF EXISTS (
        SELECT 1 FROM payments_redemption AS other JOIN payments_promotion AS terms ON terms.id = other.promotion_id
        WHERE other.subject_id = v_new.subject_id AND other.status <> 'released'
            -- What has given all it had to give is the past: it stands in the way of nothing.
            AND (other.status = 'taken' OR other.periods_left IS NULL OR other.periods_left > 0)
            AND (terms.stacking = 'exclusive' OR v_promotion.stacking = 'exclusive')
    ) THEN
        RAISE EXCEPTION 'promotion_not_combinable' USING ERRCODE = 'PC023';
    END IF;
    IF v_promotion.max_per_person IS NOT NULL OR v_code.max_per_person IS NOT NULL THEN
        SELECT count(DISTINCT use.id), count(DISTINCT use.id) FILTER (WHERE use.code_id = v_code.id)
        INTO v_uses, v_uses_of_code
        FROM payments_redemptionperson AS person JOIN payments_redemption AS use ON use.id = person.redemption_id
        WHERE person.promotion_id = v_promotion.id AND person.key = ANY (v_keys) AND use.status <> 'released';
        IF v_uses >= v_promotion.max_per_person OR v_uses_of_code >= v_code.max_per_person THEN
            RAISE EXCEPTION 'promotion_already_used' USING ERRCODE = 'PC022';
        END IF;
    END IF;
    IF v_promotion.used >= v_promotion.max_uses OR v_code.used >= v_code.max_uses
        OR v_promotion.day = v_today AND v_promotion.used_on_day >= v_promotion.max_per_day
        OR v_promotion.max_per_day = 0
        OR v_promotion.reserved_minor + v_new.reserved_minor > v_promotion.budget_minor
    THEN
        RAISE EXCEPTION 'promotion_used_up' USING ERRCODE = 'PC024';
    END IF;
    UPDATE payments_promotion
    SET used = used + 1, day = v_today, used_on_day = CASE WHEN day = v_today THEN used_on_day + 1 ELSE 1 END,
        reserved_minor = reserved_minor + v_new.reserved_minor
    WHERE id = v_promotion.id;
    UPDATE payments_promotioncode SET used = used + 1 WHERE id = v_code.id;
    v_new.status := 'taken';
    v_new.day := v_today;
    v_new.taken_at := v_now;
    v_new.is_suspect := false;
    INSERT INTO payments_redemption SELECT v_new.*;
    INSERT INTO payments_redemptionperson (redemption_id, promotion_id, kind, key)
    SELECT v_new.id, v_promotion.id, value ->> 'kind', decode(value ->> 'key', 'hex')
    FROM jsonb_array_elements(p -> 'persons') ON CONFLICT DO NOTHING;
END $$;

-- One use is given back ('released') or used ('used': also what was given back before, for it was paid after all; its
-- slot is taken again beyond the limit if need be). A use that was withdrawn stays given back for good. Whether it moved.
CREATE OR REPLACE FUNCTION promotions_settle_use(p_use_id text, p_status text, p_is_withdrawn boolean DEFAULT false)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_use payments_redemption%ROWTYPE;
    v_sign integer;
BEGIN
    -- The locks in the order of promotions_take: the promotion, then codes, then uses.
    PERFORM 1 FROM payments_promotion
    WHERE id = (SELECT promotion_id FROM payments_redemption WHERE id = p_use_id) FOR NO KEY UPDATE;
    SELECT * INTO v_use FROM payments_redemption WHERE id = p_use_id FOR NO KEY UPDATE;
    IF NOT FOUND OR v_use.status = p_status OR v_use.withdrawn_at IS NOT NULL THEN
        RETURN false;
    END IF;
    v_sign := (p_status <> 'released')::integer - (v_use.status <> 'released')::integer;
    IF v_sign <> 0 THEN
        UPDATE payments_promotion
        SET used = used + v_sign, reserved_minor = reserved_minor + v_sign * v_use.reserved_minor,
            used_on_day = CASE WHEN day = v_use.day THEN greatest(used_on_day + v_sign, 0) ELSE used_on_day END
        WHERE id = v_use.promotion_id;
        UPDATE payments_promotioncode SET used = used + v_sign WHERE id = v_use.code_id;
    END IF;
    UPDATE payments_redemption
    SET status = p_status,
        used_at = CASE WHEN p_status = 'used' THEN clock_timestamp() ELSE used_at END,
        released_at = CASE WHEN p_status = 'released' THEN clock_timestamp() END,
        withdrawn_at = CASE WHEN p_is_withdrawn THEN clock_timestamp() END
    WHERE id = v_use.id;
    RETURN true;
END $$;

-- The same for everything that p_subject_id holds, or (p_is_withdrawn) takes off again what it holds. Twice is once.
-- Answers how many moved.
DROP FUNCTION IF EXISTS promotions_settle(text, text);
CREATE OR REPLACE FUNCTION promotions_settle(
    p_subject_id text, p_status text, p_is_withdrawn boolean DEFAULT false
)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_use record;
    v_settled integer := 0;
BEGIN
    -- All promotions before the first use, by id, as promotions_take meets them.
    PERFORM 1 FROM payments_promotion WHERE id IN (
        SELECT promotion_id FROM payments_redemption WHERE subject_id = p_subject_id AND status <> p_status
    ) ORDER BY id FOR NO KEY UPDATE;
    FOR v_use IN
        SELECT id, promotion_id FROM payments_redemption WHERE subject_id = p_subject_id AND status <> p_status
        ORDER BY promotion_id, id
    LOOP
        -- What was given back does not come again beside a later use of the same promotion.
        CONTINUE WHEN p_status = 'used' AND EXISTS (
            SELECT 1 FROM payments_redemption
            WHERE subject_id = p_subject_id AND promotion_id = v_use.promotion_id AND status <> 'released'
                AND id <> v_use.id
        );
        IF promotions_settle_use(v_use.id, p_status, p_is_withdrawn) THEN
            v_settled := v_settled + 1;
        END IF;
    END LOOP;
    RETURN v_settled;
END $$;
