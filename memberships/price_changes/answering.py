"""A member's answer to a price change. It may be changed until the new price was charged."""

from datetime import datetime

from django.db import transaction

from memberships.models import PriceChange, PriceMove, Subscription
from memberships.price_changes.errors import NoPriceChange, PriceChangeOver, PriceOnlyFalls
from memberships.price_changes.settling import leave
from memberships.subscriptions.recording import Why, lock_subscription, note_change, save_change

_OPEN = ("waiting", "agreed", "refused")


def waiting_move(subscription_id: str, *, user_id: str) -> PriceMove:
    """The one that an answer would be about, with its change, prices and subscription. NoPriceChange, also for what is
    another user's."""
    rows = PriceMove.objects.select_related("change__from_price", "change__to_price", "subscription")
    open_ones = rows.filter(
        subscription_id=subscription_id,
        subscription__user_id=user_id,
        status__in=_OPEN,
        change__status=PriceChange.Status.ANNOUNCED,
    )
    found = next((move for move in open_ones if move.subscription.price_id == move.change.from_price_id), None)
    if found is None or found.subscription.status == Subscription.Status.ENDED:
        raise NoPriceChange
    return found


def agree(subscription_id: str, *, user_id: str, now: datetime) -> PriceMove:
    """The member will pay the new price: where consent was asked for from the next renewal on, else when the notice is
    over. A refusal before, and the end that it brought, are taken back. Twice is once.

    ``now`` by the user's clock. NoPriceChange, PriceChangeOver.
    """
    with transaction.atomic():
        subscription, move = _lock(subscription_id, user_id=user_id)
        if move.status == PriceMove.Status.AGREED:
            return move
        is_consent = move.change.kind == PriceChange.Kind.CONSENT
        if is_consent and _is_over(move, now=now):
            raise PriceChangeOver
        left_for_it = _left_for(move, subscription)
        move.status, move.consented_at, move.refused_at = PriceMove.Status.AGREED, now, None
        if is_consent:
            move.may_apply_from = now
        move.save(update_fields=["status", "consented_at", "refused_at", "may_apply_from"])
        why = Why("price_agreed", user_id, now, details=_details(move))
        if subscription.cancel_at_period_end and left_for_it:
            subscription.cancel_at_period_end, subscription.canceled_at = False, None
            save_change(subscription, why, was=subscription.status, fields=("cancel_at_period_end", "canceled_at"))
        else:
            note_change(subscription, why)
    return move


def refuse(subscription_id: str, *, user_id: str, now: datetime) -> PriceMove:
    """The member will not pay the new price. Where consent was asked for the old one stays; after a notice the
    membership ends with its period. Twice is once.

    ``now`` by the user's clock. NoPriceChange, PriceOnlyFalls.
    """
    with transaction.atomic():
        subscription, move = _lock(subscription_id, user_id=user_id)
        if move.status == PriceMove.Status.REFUSED:
            return move
        if not move.change.is_rise:
            raise PriceOnlyFalls
        move.status, move.refused_at, move.consented_at = PriceMove.Status.REFUSED, now, None
        move.may_apply_from = move.notice_ends_at
        move.save(update_fields=["status", "refused_at", "consented_at", "may_apply_from"])
        note_change(subscription, Why("price_refused", user_id, now, details=_details(move)))
        if move.change.kind == PriceChange.Kind.NOTICE:
            leave(subscription, Why("canceled", user_id, now, reason="price change", details=_details(move)))
    return move


def _lock(subscription_id: str, *, user_id: str) -> tuple[Subscription, PriceMove]:
    waiting_move(subscription_id, user_id=user_id)
    subscription = lock_subscription(subscription_id, user_id=user_id)
    found = waiting_move(subscription_id, user_id=user_id)
    rows = PriceMove.objects.select_for_update(no_key=True, of=("self",))
    move = rows.select_related("change__from_price", "change__to_price").get(id=found.id)
    if move.status not in _OPEN:
        raise NoPriceChange
    return subscription, move


def _left_for(move: PriceMove, subscription: Subscription) -> bool:
    """Whether the end that stands came of this change, by a refusal or by silence."""
    if subscription.canceled_at is None:
        return False
    ends = subscription.changes.filter(kind="canceled", happened_at=subscription.canceled_at)
    return ends.filter(details__price_move=move.id).exists()


def _is_over(move: PriceMove, *, now: datetime) -> bool:
    """Where silence ends the membership, the last one to agree is welcome until it has ended."""
    keeps = move.change.unanswered == PriceChange.Unanswered.KEEP
    return keeps and now >= move.notice_ends_at


def _details(move: PriceMove) -> dict[str, str]:
    return {"price_move": move.id, "from": move.change.from_price_id, "to": move.change.to_price_id}
