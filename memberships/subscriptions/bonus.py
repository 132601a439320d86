"""Time that is given: a period nobody pays for, behind the last one. The next renewal moves out by it."""

from datetime import datetime

from memberships.catalogue.known import newest_version
from memberships.models import Period, Subscription
from memberships.subscriptions.calendar import boundary
from memberships.subscriptions.due import next_due
from memberships.subscriptions.errors import RenewalUnderWay
from memberships.subscriptions.periods import next_number
from memberships.subscriptions.recording import Why, save_change

BONUS_FIELDS = ("period_number", "period_ends_at", "anchor_at", "due_at", "notice_at", "trial_ends_at")
_WITH_TIME = (Subscription.Status.TRIALING, Subscription.Status.ACTIVE)


def takes_bonus(subscription: Subscription, *, now: datetime) -> bool:
    """Whether time can be put behind the last period: one of ours that runs. One whose end is set and over does not.

    RenewalUnderWay while the next period is being paid for.
    """
    if subscription.rail != Subscription.Rail.WEB or subscription.status not in _WITH_TIME:
        return False
    is_over = subscription.period_ends_at is None or subscription.period_ends_at <= now
    if is_over and subscription.cancel_at_period_end:
        return False
    if is_over or Period.objects.filter(subscription=subscription, status=Period.Status.OPEN).exists():
        raise RenewalUnderWay(retry_after_seconds=60)
    return True


def append_bonus(subscription: Subscription, why: Why, *, interval: str, interval_count: int) -> Period:
    """``interval_count`` intervals, by the member's calendar, behind what the locked subscription has
    (:func:`takes_bonus` first). The end of it is the new anchor; a trial that runs ends with it."""
    starts_at = subscription.period_ends_at
    if starts_at is None:
        raise ValueError("no period runs")
    zone = subscription.time_zone
    ends_at = boundary(starts_at, zone=zone, interval=interval, interval_count=interval_count, steps=1)
    period = Period.objects.create(
        subscription=subscription,
        number=next_number(subscription),
        kind=Period.Kind.BONUS,
        status=Period.Status.PAID,
        plan_version=newest_version(subscription.plan_id),
        quantity=subscription.quantity,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    subscription.period_number = period.number
    details = {**why.details, "period": period.id}
    move_end(subscription, ends_at, Why(why.kind, why.by, why.now, reason=why.reason, details=details))
    return period


def move_end(subscription: Subscription, ends_at: datetime, why: Why) -> None:
    """The locked subscription's time now ends at ``ends_at``: save it with everything that hangs on it."""
    if subscription.status == Subscription.Status.TRIALING:
        subscription.trial_ends_at = ends_at
    subscription.period_ends_at = subscription.anchor_at = ends_at
    subscription.due_at = next_due(subscription)
    if subscription.notice_at is not None or subscription.due_at is not None:
        subscription.notice_at = why.now  # whoever notifies looks and sets the right moment
    save_change(subscription, why, was=subscription.status, fields=BONUS_FIELDS)
