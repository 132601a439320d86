-- The invoices p_ids were paid at the moments beside them.
CREATE OR REPLACE FUNCTION memberships_mark_paid(p_ids text[], p_moments timestamptz[]) RETURNS void LANGUAGE sql AS $$
    UPDATE memberships_invoice AS invoice SET status = 'paid', paid_at = paid.moment
    FROM unnest(p_ids, p_moments) AS paid(id, moment) WHERE invoice.id = paid.id
$$;
