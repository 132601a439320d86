"""Telling members of a price change: their move and their letter, written together."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from memberships.models import PriceChange, PriceMove, Subscription
from memberships.price_changes.touched import amount_of, touched_by
from memberships.subscriptions.calendar import period_end
from paycore.clock import database_now
from paycore.models import ClockOffset
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import Letter, notify_many

BATCH = 500
_signer = Signer(salt="memberships.price_move", sep=".")


def tell_next(change: PriceChange) -> list[str]:
    """The next members of the locked change, at most 500: the ids of their subscriptions, in order; none is the end."""
    rows = touched_by(change).filter(id__gt=change.cursor).select_related("user", "plan").order_by("id")[:BATCH]
    subscriptions = list(rows)
    clocks = _clocks(subscriptions)
    moves = [_move(change, one, now=clocks[one.user_id]) for one in subscriptions]
    PriceMove.objects.bulk_create(moves)
    notify_many([_letter(change, move, one) for move, one in zip(moves, subscriptions, strict=True)])
    return [one.id for one in subscriptions]


def answer_address(move_id: str) -> str:
    """The page on which a member agrees or refuses, without signing in: whoever has the letter may answer it."""
    return settings.PAYCORE_BASE_URL + reverse("price-change", args=[_signer.sign(move_id)])


def move_of_token(token: str) -> str | None:
    """The id of the move, None for a token that we did not write."""
    try:
        return str(_signer.unsign(token))
    except BadSignature:
        return None


def first_renewal(subscription: Subscription, move: PriceMove, change: PriceChange) -> datetime:
    """When the new price is charged for the first time, if nothing else happens before."""
    price, moment = change.from_price, subscription.period_ends_at
    if moment is None:
        return move.may_apply_from
    while moment < move.may_apply_from:
        moment = period_end(
            moment,
            anchor_at=subscription.anchor_at or moment,
            zone=subscription.time_zone,
            interval=price.interval,
            interval_count=price.interval_count,
        )
    return moment


def _move(change: PriceChange, subscription: Subscription, *, now: datetime) -> PriceMove:
    move = PriceMove(change=change, subscription=subscription, notified_at=now)
    if change.is_rise:
        move.notice_ends_at = move.may_apply_from = now + timedelta(days=change.notice_days)
    else:
        move.status, move.notice_ends_at, move.may_apply_from = PriceMove.Status.AGREED, now, now
    return move


def _letter(change: PriceChange, move: PriceMove, subscription: Subscription) -> Letter:
    old, new = (amount_of(subscription, price) for price in (change.from_price, change.to_price))
    kind = change.kind if change.is_rise else "lower"
    return Letter(
        template=f"price_change_{kind}",
        to=Recipient(user_id=subscription.user_id),
        context={
            "plan_name": subscription.plan.name(subscription.user.locale),
            "old_minor": old.minor,
            "new_minor": new.minor,
            "currency": old.currency,
            "applies_at": first_renewal(subscription, move, change).isoformat(),
            "answer_by_at": move.notice_ends_at.isoformat(),
            "ends_unanswered": int(change.unanswered == PriceChange.Unanswered.END),
            "answer_url": answer_address(move.id) if change.is_rise else "",
        },
        key=f"price_change:{move.id}",
    )


def _clocks(subscriptions: Sequence[Subscription]) -> dict[str, datetime]:
    """Every member's now: the database's, but in the sandbox somebody may be ahead."""
    now, users = database_now(), [one.user_id for one in subscriptions]
    ahead: dict[str, timedelta] = {}
    if settings.PAYCORE_SANDBOX_MODE:
        ahead = dict(ClockOffset.objects.filter(subject__in=users).values_list("subject", "offset"))
    return {user_id: now + ahead.get(user_id, timedelta(0)) for user_id in users}
