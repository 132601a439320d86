"""Inviting, taking and leaving a seat. The subscription's lock orders them: the last seat goes to one person."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.models import User
from memberships.catalogue.known import plan_of
from memberships.entitlements.freshness import touch
from memberships.events import MembershipChanged
from memberships.models import Seat, Subscription
from memberships.seats.errors import (
    AlreadyHasSeat,
    InvitationNotValid,
    NothingToConfirm,
    NotLive,
    OwnerNeedsNoSeat,
    TooManySeatInvitations,
)
from memberships.seats.presentation import present_seat
from memberships.subscriptions.recording import Why, lock_subscription, note_change
from memberships.subscriptions.seat_room import NoSeatLeft, room, taken_seats
from paycore.encryption import blind_index
from paycore.errors import NotFound
from paycore.events import publish
from paycore.models import Notification
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify
from paycore.notifications.strangers import name_for_strangers

INVITATION_LASTS = timedelta(days=7)
MOST_INVITATIONS_A_DAY = 50
MOST_TOKEN_CHARACTERS = 128
_INDEX = "memberships.seat.email"
Status = Seat.Status


def invite(subscription_id: str, *, owner: User, email: str, now: datetime) -> Seat:
    """Mail a link to ``email``, good for a week; an older open invitation of the same address ends.

    NotFound, NotLive, NoSeatLeft, OwnerNeedsNoSeat, AlreadyHasSeat (in this membership), TooManySeatInvitations.
    """
    address = email.strip().lower()
    index, token = blind_index(address, context=_INDEX), secrets.token_urlsafe(32)
    with transaction.atomic():
        subscription = lock_subscription(subscription_id, user_id=owner.id)
        _require_live(subscription)
        if address == (owner.email or ""):
            raise OwnerNeedsNoSeat
        own = Seat.objects.filter(subscription=subscription)
        if own.filter(status=Status.ACTIVE, user__email=address).exists():
            raise AlreadyHasSeat
        if own.filter(created_at__gt=now - timedelta(days=1)).count() >= MOST_INVITATIONS_A_DAY:
            raise TooManySeatInvitations
        for older in own.filter(status__in=(Status.INVITED, Status.CLAIMED), email_index=index):
            _end(older, by=owner.id, now=now)
        if 1 + taken_seats(subscription.id, now=now).count() >= room(subscription):
            raise NoSeatLeft
        seat = Seat.objects.create(
            subscription=subscription,
            email=address,
            email_index=index,
            token_hash=_hash(token),
            expires_at=now + INVITATION_LASTS,
        )
        note_change(subscription, Why("seat_offered", owner.id, now, details={"seat": seat.id}))
        _mail_invitation(seat, owner=owner, plan_id=subscription.plan_id, token=token)
    return seat


def accept(*, token: str, user: User, now: datetime) -> Seat:
    """Take the seat behind a mailed token. With another address than the invited one it is only claimed, until the
    owner says yes (:func:`confirm`). A repeat by the same person answers the seat as it is.

    InvitationNotValid, OwnerNeedsNoSeat, AlreadyHasSeat, NoSeatLeft.
    """
    found = _find(token)
    with transaction.atomic():
        subscription = lock_subscription(found.subscription_id)
        seat = Seat.objects.select_for_update(no_key=True).get(id=found.id)
        if seat.user_id == user.id and seat.status in (Status.ACTIVE, Status.CLAIMED):
            return seat
        if seat.status != Status.INVITED or seat.expires_at <= now or not subscription.is_live:
            raise InvitationNotValid
        if subscription.user_id == user.id:
            raise OwnerNeedsNoSeat
        _require_room(subscription, seat, now=now)
        if (user.email or "") == seat.email:
            _take(seat, subscription, user, now=now)
        else:
            seat.status, seat.user = Status.CLAIMED, user
            seat.save(update_fields=["status", "user"])
            note_change(subscription, Why("seat_claimed", user.id, now, details={"seat": seat.id}))
            _ask_owner(seat, subscription)
    return seat


def confirm(seat_id: str, *, subscription_id: str, owner_id: str, now: datetime) -> Seat:
    """The owner says yes to somebody with another address. NotFound, NothingToConfirm, AlreadyHasSeat, NoSeatLeft."""
    with transaction.atomic():
        subscription, seat = _lock_own(seat_id, subscription_id=subscription_id, owner_id=owner_id)
        if seat.status != Status.CLAIMED or seat.user is None:
            raise NothingToConfirm
        _require_live(subscription)
        _require_room(subscription, seat, now=now)
        _take(seat, subscription, seat.user, now=now)
    return seat


def remove(seat_id: str, *, subscription_id: str, owner_id: str, now: datetime) -> Seat:
    """By the owner: the member's rights end at once, an invitation is worth nothing any more. Safe to repeat."""
    with transaction.atomic():
        subscription, seat = _lock_own(seat_id, subscription_id=subscription_id, owner_id=owner_id)
        _leave(subscription, seat, by=owner_id, now=now)
    return seat


def leave(*, user_id: str, now: datetime) -> Seat:
    """By the member. NotFound without a seat."""
    with transaction.atomic():
        held = Seat.objects.filter(user_id=user_id, status=Status.ACTIVE).first()
        if held is None:
            raise NotFound
        subscription = lock_subscription(held.subscription_id)
        seat = Seat.objects.select_for_update(no_key=True).get(id=held.id)
        _leave(subscription, seat, by=user_id, now=now)
    return seat


def end_surplus(subscription_id: str, *, now: datetime) -> int:
    """How many sat beyond the places that a store's new plan has, the last to come first: the store asked nobody. At
    home a change that leaves too few places is refused."""
    with transaction.atomic():
        subscription = lock_subscription(subscription_id)
        held = Seat.objects.select_for_update(no_key=True).filter(subscription=subscription, status=Status.ACTIVE)
        surplus = list(held.order_by("accepted_at", "id"))[room(subscription) - 1 :] if subscription.is_live else []
        for seat in reversed(surplus):
            _leave(subscription, seat, by=subscription.rail, now=now)
    return len(surplus)


def forget_seats(user: User, *, now: datetime) -> None:
    """Of a person who is erased: their seats end, and so do invitations to their address and those that they sent. Who
    sits in their membership keeps the seat, without the address that it was offered to."""
    offered = Q(subscription__user=user)
    theirs = Seat.objects.filter(Q(user=user) | Q(email_index=_index_of(user)) | offered)
    ids = list(theirs.values_list("id", flat=True))
    for seat in theirs.exclude(status=Status.REMOVED).exclude(offered, status=Status.ACTIVE):
        with transaction.atomic():
            subscription = lock_subscription(seat.subscription_id)
            _leave(subscription, Seat.objects.select_for_update(no_key=True).get(id=seat.id), by=user.id, now=now)
    Seat.objects.filter(id__in=ids).update(email="", email_index=b"")


def _index_of(user: User) -> bytes:
    return blind_index(user.email, context=_INDEX) if user.email else b"none"


def _find(token: str) -> Seat:
    if not token or len(token) > MOST_TOKEN_CHARACTERS:
        raise InvitationNotValid
    seat = Seat.objects.filter(token_hash=_hash(token)).first()
    if seat is None:
        raise InvitationNotValid
    return seat


def _lock_own(seat_id: str, *, subscription_id: str, owner_id: str) -> tuple[Subscription, Seat]:
    subscription = lock_subscription(subscription_id, user_id=owner_id)
    seat = Seat.objects.select_for_update(no_key=True).filter(id=seat_id, subscription=subscription).first()
    if seat is None:
        raise NotFound
    return subscription, seat


def _require_live(subscription: Subscription) -> None:
    if not subscription.is_live:
        raise NotLive(status=subscription.status)


def _require_room(subscription: Subscription, seat: Seat, *, now: datetime) -> None:
    """Under the lock: an invitation keeps a place free, but there may be fewer places than when it was sent."""
    members = Seat.objects.filter(subscription=subscription, status=Status.ACTIVE).exclude(id=seat.id).count()
    if 1 + members >= room(subscription):
        raise NoSeatLeft


def _take(seat: Seat, subscription: Subscription, user: User, *, now: datetime) -> None:
    held = Seat.objects.filter(user=user, status=Status.ACTIVE).select_related("subscription").first()
    if held is not None:
        if held.subscription.status != Subscription.Status.ENDED:
            raise AlreadyHasSeat
        _end(held, by="system", now=now)  # it gave nothing any more
    seat.status, seat.user, seat.accepted_at = Status.ACTIVE, user, now
    try:
        with transaction.atomic():
            seat.save(update_fields=["status", "user", "accepted_at"])
    except IntegrityError as error:
        if "seat_one_active_a_user" in str(error):
            raise AlreadyHasSeat from error
        raise
    _tell(seat, subscription, kind="seat_taken", by=user.id, now=now)


def _leave(subscription: Subscription, seat: Seat, *, by: str, now: datetime) -> None:
    if seat.status == Status.REMOVED:
        return
    _end(seat, by=by, now=now)
    _tell(seat, subscription, kind="seat_removed", by=by, now=now)


def _end(seat: Seat, *, by: str, now: datetime) -> None:
    """The invited address is not needed any more and goes with it."""
    seat.status, seat.removed_at, seat.removed_by = Status.REMOVED, now, by
    seat.email, seat.email_index = "", b""
    seat.save(update_fields=["status", "removed_at", "removed_by", "email", "email_index"])
    Notification.objects.filter(key=f"seat_invitation:{seat.id}").delete()


def _tell(seat: Seat, subscription: Subscription, *, kind: str, by: str, now: datetime) -> None:
    note_change(subscription, Why(kind, by, now, details={"seat": seat.id}))
    if seat.user_id is not None:
        publish(MembershipChanged(seat.id, seat.user_id, kind, present_seat(seat)))
        touch([seat.user_id])


def _mail_invitation(seat: Seat, *, owner: User, plan_id: str, token: str) -> None:
    notify(
        template="seat_invitation",
        to=Recipient(email=seat.email, language=owner.locale),
        context={
            "owner_name": name_for_strangers(owner.name),
            "plan_name": plan_of(plan_id).name(owner.locale),
            "token": token,
            "expires_at": seat.expires_at.isoformat(),
        },
        key=f"seat_invitation:{seat.id}",
        expires_at=seat.expires_at,
    )


def _ask_owner(seat: Seat, subscription: Subscription) -> None:
    owner = subscription.user
    notify(
        template="seat_claimed",
        to=Recipient(user_id=owner.pk),
        context={
            "plan_name": plan_of(subscription.plan_id).name(owner.locale),
            "person": name_for_strangers(seat.user.name) if seat.user else "",
            "invited": seat.email,
        },
        key=f"seat_claimed:{seat.id}",
    )


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
