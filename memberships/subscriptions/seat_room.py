"""How many places a subscription has, and how many are taken. The owner's is one of them."""

from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from memberships.catalogue.known import newest_version, version_of
from memberships.models import Period, Seat, Subscription
from paycore.errors import Conflict


class SeatsInUse(Conflict):
    code = "seats_in_use"
    title = _("More seats are taken than would be left. Remove some members first.")


class NoSeatLeft(Conflict):
    code = "no_seat_left"
    title = _("Every seat is taken. Remove a member or buy another seat.")


def taken_seats(subscription_id: str, *, now: datetime) -> "QuerySet[Seat]":
    """Members', and those that an invitation which can still be accepted keeps free."""
    waits = Q(status=Seat.Status.INVITED, expires_at__gt=now) | Q(status=Seat.Status.CLAIMED)
    return Seat.objects.filter(Q(status=Seat.Status.ACTIVE) | waits, subscription_id=subscription_id)


def room(subscription: Subscription) -> int:
    """What the plan contains, or the quantity where that is more; what is lowered for the next period counts now."""
    quantity = min(subscription.quantity, subscription.next_quantity or subscription.quantity)
    return max(quantity, seats_included(subscription))


def seats_included(subscription: Subscription) -> int:
    """By the plan as it was bought or as it is now, whichever is better for the member."""
    bought = (
        Period.objects.filter(subscription=subscription, number=subscription.period_number)
        .values_list("plan_version_id", flat=True)
        .first()
    )
    now = newest_version(subscription.plan_id).seats_included
    return max(now, version_of(bought).seats_included) if bought else now


def require_room(subscription: Subscription, *, quantity: int, included: int, now: datetime) -> None:
    """That everybody who has a seat keeps it with ``quantity`` and the plan's ``included`` ones. SeatsInUse, with the
    seats. Call it under the subscription's lock."""
    taken = list(taken_seats(subscription.id, now=now).order_by("id").values_list("id", flat=True)[:100])
    if 1 + len(taken) > max(quantity, included):
        raise SeatsInUse(seats=taken, subscription=subscription.id)
