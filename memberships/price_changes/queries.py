"""What is kept about a person and the price changes they were told of."""

from typing import Any

from memberships.models import PriceMove


def moves_for_export(user_id: str) -> list[dict[str, Any]]:
    """Oldest first."""
    moves = PriceMove.objects.filter(subscription__user_id=user_id).select_related("change").order_by("id")
    return [
        {
            "id": move.id,
            "subscription": move.subscription_id,
            "old_price": move.change.from_price_id,
            "new_price": move.change.to_price_id,
            "status": str(move.status),
            "notified_at": move.notified_at,
            "consented_at": move.consented_at,
            "refused_at": move.refused_at,
            "applied_at": move.applied_at,
        }
        for move in moves
    ]
