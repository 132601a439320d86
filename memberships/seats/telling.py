"""News for those who share somebody's membership."""

from memberships.events import MembershipChanged
from memberships.models import Seat
from memberships.seats.presentation import present_seat
from paycore.events import publish


def tell_who_shares(subscription_id: str) -> None:
    """The membership they sit in changed, and with it what they may do: ``owner_changed``, once for each of them."""
    for seat in Seat.objects.filter(subscription_id=subscription_id, status=Seat.Status.ACTIVE).order_by("id"):
        publish(MembershipChanged(seat.id, str(seat.user_id), "owner_changed", present_seat(seat)))
