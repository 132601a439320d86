-- What the house knows of a payer and a merchant, for the facts that rules ask for.
-- p_wants: "age", "first", "device", "rating", "merchant_rating", "email"; only what is named is looked up. kyc_level
-- and age are one row of accounts. Answers a JSON object without what is not known.
CREATE OR REPLACE FUNCTION riskcontrol_known(p_user text, p_merchant text, p_device text, p_wants text[])
RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_known jsonb := '{}';
BEGIN
    IF p_user IS NOT NULL THEN
        IF p_wants && ARRAY['age', 'email'] THEN
            SELECT v_known || jsonb_build_object(
                'age_days', floor(extract(epoch FROM clock_timestamp() - date_joined) / 86400)::integer,
                'kyc_level', kyc_level, 'email', CASE WHEN 'email' = ANY (p_wants) THEN email END
            ) INTO v_known FROM accounts_user WHERE id = p_user;
            v_known := coalesce(v_known, '{}');
        END IF;
        IF 'first' = ANY (p_wants) THEN
            v_known := v_known || jsonb_build_object('is_first', NOT EXISTS (
                SELECT FROM riskcontrol_decision decision
                WHERE decision.user_id = p_user AND decision.refusal = '' AND (
                    NOT EXISTS (
                        SELECT FROM riskcontrol_outcome failed
                        WHERE failed.decision_id = decision.id AND failed.kind = 'failed'
                    ) OR EXISTS (
                        SELECT FROM riskcontrol_outcome late
                        WHERE late.decision_id = decision.id AND late.kind = 'succeeded_late'
                    )
                )
            ));
        END IF;
        IF 'device' = ANY (p_wants) AND p_device <> '' THEN
            v_known := v_known || jsonb_build_object('is_new_device', NOT EXISTS (
                SELECT FROM riskcontrol_decision WHERE device_id = p_device AND user_id = p_user
            ));
        END IF;
        IF 'rating' = ANY (p_wants) THEN
            v_known := v_known || jsonb_build_object('user_rating', coalesce((
                SELECT score FROM riskcontrol_rating WHERE user_id = p_user ORDER BY rated_on DESC LIMIT 1
            ), 0));
        END IF;
    END IF;
    IF 'merchant_rating' = ANY (p_wants) THEN
        v_known := v_known || jsonb_build_object('merchant_rating', coalesce((
            SELECT score FROM riskcontrol_rating WHERE merchant_id = p_merchant ORDER BY rated_on DESC LIMIT 1
        ), 0));
    END IF;
    RETURN v_known;
END $$;
