"""What the database refuses about an order's total: it changes by a code before anybody tries to pay, or not at all."""

import pgtrigger

_TOTAL_BEFORE_PAYMENT = """
    IF OLD.status <> 'open' OR NOT OLD.takes_codes
        OR NEW.amount_minor + NEW.discount_minor <> OLD.amount_minor + OLD.discount_minor
        -- An attempt that failed may still take its money late: the total that it was for stands.
        OR EXISTS (SELECT 1 FROM payments_payment WHERE order_id = OLD.id)
    THEN
        RAISE EXCEPTION 'only a code changes the total of an order, and only before it is paid';
    END IF;
    RETURN NEW;
"""
_TOTAL_AS_READ = """
    -- The order is locked by now. It was read before, and a code may have changed its total since.
    IF EXISTS (
        SELECT 1 FROM payments_order WHERE id = NEW.order_id AND takes_codes AND amount_minor <> NEW.amount_minor
    ) THEN
        RAISE EXCEPTION 'order_changed' USING ERRCODE = 'PC004';
    END IF;
    RETURN NEW;
"""


def total_before_payment() -> pgtrigger.Trigger:
    """On orders."""
    return pgtrigger.Trigger(
        name="total_before_payment",
        when=pgtrigger.Before,
        operation=pgtrigger.UpdateOf("amount_minor", "discount_minor"),  # type: ignore[no-untyped-call]  # pgtrigger has no types here
        condition=pgtrigger.Condition(
            "((OLD.amount_minor, OLD.discount_minor) IS DISTINCT FROM (NEW.amount_minor, NEW.discount_minor))"
        ),
        func=_TOTAL_BEFORE_PAYMENT,
    )


def total_as_read() -> pgtrigger.Trigger:
    """On payments: an intent is for the total that its order has."""
    return pgtrigger.Trigger(
        name="total_as_read", when=pgtrigger.Before, operation=pgtrigger.Insert, func=_TOTAL_AS_READ
    )
