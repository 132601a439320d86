"""A seat as the API shows it."""

from typing import Any

from accounts.models import User
from memberships.models import Seat, Subscription


def present_seat(seat: Seat) -> dict[str, Any]:
    """Without anybody's address: also what events carry."""
    return {
        "id": seat.id,
        "object": "seat",
        "subscription": seat.subscription_id,
        "role": "member",
        "status": str(seat.status),
        "user": seat.user_id,
        "expires_at": _iso(seat.expires_at) if seat.status == Seat.Status.INVITED else None,
        "accepted_at": _iso(seat.accepted_at),
    }


def present_to_owner(seat: Seat) -> dict[str, Any]:
    """With the address that the owner typed in, and the name of whoever came."""
    return present_seat(seat) | {"email": seat.email or None, "name": seat.user.name if seat.user else ""}


def present_owner(subscription: Subscription, owner: User) -> dict[str, Any]:
    """The owner's own place: no row, but one of the seats."""
    return {
        "id": subscription.id,
        "object": "seat",
        "subscription": subscription.id,
        "role": "owner",
        "status": "active",
        "user": owner.pk,
        "expires_at": None,
        "accepted_at": _iso(subscription.starts_at),
        "email": owner.email,
        "name": owner.name,
    }


def _iso(moment: Any) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
