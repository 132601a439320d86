"""A price change as the member it is about sees it."""

from typing import Any

from memberships.models import PriceChange, PriceMove
from memberships.price_changes.telling import first_renewal
from memberships.price_changes.touched import amount_of


def present_move(move: PriceMove) -> dict[str, Any]:
    """Amounts of one interval for the member's seats, in minor units, before tax and discounts."""
    change, subscription = move.change, move.subscription
    old, new = amount_of(subscription, change.from_price), amount_of(subscription, change.to_price)
    return {
        "id": move.id,
        "object": "price_change",
        "subscription": subscription.id,
        "status": str(move.status),
        "kind": str(change.kind) if change.is_rise else "lower",
        "if_unanswered": _if_unanswered(change),
        "currency": old.currency,
        "old_amount_minor": old.minor,
        "new_amount_minor": new.minor,
        "old_price": change.from_price_id,
        "new_price": change.to_price_id,
        "answer_by": move.notice_ends_at if change.is_rise else None,
        "may_apply_from": move.may_apply_from,
        "first_charged_at": first_renewal(subscription, move, change),
        "subscription_ends": subscription.cancel_at_period_end,
    }


def _if_unanswered(change: PriceChange) -> str:
    if change.kind == PriceChange.Kind.NOTICE or not change.is_rise:
        return "new_price"
    return "old_price" if change.unanswered == PriceChange.Unanswered.KEEP else "ends"
