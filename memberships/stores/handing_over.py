"""A purchase goes from one user to another: the giver's membership ends, the rest is the taker's."""

from dataclasses import dataclass
from datetime import datetime

from memberships.models import Period, StorePurchase
from memberships.stores.beside import withdraw_grant
from memberships.subscriptions.recording import Why, lock_subscription, save_change

_FIELDS = (
    "status", "ended_at", "end_reason", "period_number", "period_started_at", "period_ends_at", "due_at", "notice_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Handover:
    """What is paid for from ``since`` on is ``to_user_id``'s; the giver's membership ended at ``ended_at``."""

    to_user_id: str
    since: datetime
    ended_at: datetime
    end_reason: str


def hand_over(purchase: StorePurchase, handover: Handover, *, now: datetime) -> None:
    """Of a locked purchase, to be projected and saved by the caller."""
    _end_for_giver(purchase, handover, now=now)
    purchase.user_id, purchase.owned_since, purchase.subscription = handover.to_user_id, handover.since, None


def _end_for_giver(purchase: StorePurchase, handover: Handover, *, now: datetime) -> None:
    """Their time until then stays theirs; grants of a purchase beside another membership go with it."""
    at = handover.ended_at
    for row in purchase.transactions.select_related("grant").exclude(grant=None):
        withdraw_grant(row, now=now)
        row.grant = None
        row.save(update_fields=["grant"])
    if purchase.subscription_id is None:
        return
    subscription = lock_subscription(purchase.subscription_id)
    was = subscription.status
    if not subscription.is_live:
        return
    for ahead in subscription.periods.filter(status=Period.Status.PAID, starts_at__gte=at):
        ahead.status = Period.Status.REVOKED  # renewed ahead of time: the taker's
        ahead.save(update_fields=["status"])
    running = subscription.periods.filter(status=Period.Status.PAID, starts_at__lt=at, ends_at__gt=at).first()
    if running is not None:
        running.ends_at = subscription.period_ends_at = at
        running.save(update_fields=["ends_at"])
        subscription.period_number, subscription.period_started_at = running.number, running.starts_at
    subscription.status, subscription.ended_at, subscription.end_reason = "ended", at, handover.end_reason
    subscription.due_at = subscription.notice_at = None
    why = Why("ended", by=str(subscription.rail), now=now, details={"store_purchase": purchase.id})
    save_change(subscription, why, was=was, fields=_FIELDS)
