"""What becomes of moves without their member: the time to answer ends, the membership ends, the change is withdrawn."""

from typing import Any

from django.conf import settings
from django.db import connection, transaction

from memberships.models import PriceChange, PriceMove, Subscription
from memberships.subscriptions.recording import SYSTEM, Why, lock_subscription, save_change
from paycore.claims import try_each
from paycore.clock import database_now

_OPEN = ("waiting", "agreed", "refused")
_BATCH = 500
# OFFSET 0: each move's subscription is looked up by its key. Joined freely, a planner that believes the tables small
# compares every move with every subscription.
_VOID_MOVED_AWAY = """
    WITH gone AS MATERIALIZED (
        SELECT move.id FROM memberships_pricemove AS move
        CROSS JOIN LATERAL (
            SELECT status, price_id FROM memberships_subscription WHERE id = move.subscription_id OFFSET 0
        ) AS subscription
        WHERE move.change_id = %(change)s AND move.status IN ('waiting', 'agreed', 'refused')
            AND (subscription.status = 'ended' OR subscription.price_id IS DISTINCT FROM %(from_price)s)
    )
    UPDATE memberships_pricemove SET status = 'void'
    WHERE id = ANY(ARRAY(SELECT id FROM gone)) AND status IN ('waiting', 'agreed', 'refused')
"""
_UNANSWERED = """
    SELECT move.id FROM memberships_pricemove AS move
    CROSS JOIN LATERAL (
        SELECT user_id, status, cancel_at_period_end FROM memberships_subscription
        WHERE id = move.subscription_id OFFSET 0
    ) AS subscription
    LEFT JOIN paycore_clockoffset AS ahead ON %(sandbox)s AND ahead.subject = subscription.user_id
    WHERE move.change_id = %(change)s AND NOT subscription.cancel_at_period_end AND subscription.status <> 'ended'
        AND (move.status = 'waiting' OR (%(ends)s AND move.status = 'refused'))
        AND (%(sandbox)s OR move.notice_ends_at <= statement_timestamp())
        AND move.notice_ends_at <= statement_timestamp() + coalesce(ahead."offset", interval '0')
    LIMIT %(batch)s
"""
_REFUSE = """
    UPDATE memberships_pricemove SET status = 'refused' WHERE id = ANY(%s) AND status = 'waiting'
"""


def void_moves(change: PriceChange) -> None:
    PriceMove.objects.filter(change=change, status__in=_OPEN).update(status=PriceMove.Status.VOID)


def close_moves(change: PriceChange) -> bool:
    """Of an announced change: moves that have lost their object, and, where consent was asked for, the silence of those
    whose time is over. Whether there may be more of the latter. Safe to repeat."""
    with connection.cursor() as cursor:
        cursor.execute(_VOID_MOVED_AWAY, {"change": change.id, "from_price": change.from_price_id})
    if change.kind != PriceChange.Kind.CONSENT:
        return False
    ends = change.unanswered == PriceChange.Unanswered.END
    moves = _unanswered(change, ends=ends)
    if ends:
        try_each(moves, _end_with_period)
    else:
        with connection.cursor() as cursor:
            cursor.execute(_REFUSE, [moves])
    return len(moves) == _BATCH


def _unanswered(change: PriceChange, *, ends: bool) -> list[str]:
    asked: dict[str, Any] = {
        "change": change.id,
        "sandbox": settings.PAYCORE_SANDBOX_MODE,
        "ends": ends,
        "batch": _BATCH,
    }
    with connection.cursor() as cursor:
        cursor.execute(_UNANSWERED, asked)
        return [row[0] for row in cursor.fetchall()]


def _end_with_period(move_id: str) -> None:
    """No consent was given, and the change says that the membership then ends: with the time that is paid."""
    known = PriceMove.objects.select_related("subscription").get(id=move_id)
    now = database_now(subject=known.subscription.user_id)
    with transaction.atomic():
        subscription = lock_subscription(known.subscription_id)
        move = PriceMove.objects.select_for_update(no_key=True).get(id=move_id)
        if move.status not in ("waiting", "refused") or subscription.status == Subscription.Status.ENDED:
            return
        if move.status == PriceMove.Status.WAITING:
            move.status = PriceMove.Status.REFUSED
            move.save(update_fields=["status"])
        leave(subscription, Why("canceled", SYSTEM, now, reason="price change", details={"price_move": move.id}))


def leave(subscription: Subscription, why: Why) -> None:
    """The locked subscription ends with its period. Nothing when that was decided before."""
    if subscription.cancel_at_period_end:
        return
    subscription.cancel_at_period_end, subscription.canceled_at = True, why.now
    subscription.next_price = subscription.next_quantity = None
    fields = ("cancel_at_period_end", "canceled_at", "next_price", "next_quantity")
    save_change(subscription, why, was=subscription.status, fields=fields)
