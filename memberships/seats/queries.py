"""Reading seats."""

from typing import Any

from django.db.models import QuerySet

from memberships.models import Seat, Subscription
from memberships.seats.presentation import present_seat, present_to_owner
from paycore.errors import NotFound


def own_subscription(subscription_id: str, *, owner_id: str) -> Subscription:
    """NotFound for anybody else's."""
    subscription = Subscription.objects.filter(id=subscription_id, user_id=owner_id).first()
    if subscription is None:
        raise NotFound
    return subscription


def seats_of(subscription: Subscription, *, status: str = "") -> "QuerySet[Seat]":
    """Without removed ones, unless those are asked for."""
    rows = Seat.objects.filter(subscription=subscription).select_related("user")
    return rows.filter(status=status) if status else rows.exclude(status=Seat.Status.REMOVED)


def seats_for_export(user_id: str) -> list[dict[str, Any]]:
    """A person's own seats and those that they offered, for the archive of their data."""
    own = Seat.objects.filter(user_id=user_id).order_by("id")
    offered = Seat.objects.filter(subscription__user_id=user_id).select_related("user").order_by("id")
    return [*map(present_seat, own), *map(present_to_owner, offered)]
