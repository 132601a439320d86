"""Cutting paid time, and putting time behind it."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Max

from memberships.models import Period, Redemption, Subscription
from memberships.subscriptions.worth import PaidTime


def next_number(subscription: Subscription) -> int:
    """A number is used once, also by a period that came to nothing."""
    last = Period.objects.filter(subscription=subscription).aggregate(last=Max("number"))["last"]
    return max(last or 0, subscription.period_number) + 1


def cut_periods(times: Sequence[PaidTime], *, at: datetime) -> None:
    """The running period ends at ``at``; one that has not begun gives nothing."""
    for time in times:
        period = time.period
        if period.starts_at < at:
            period.ends_at = at
            period.save(update_fields=["ends_at"])
        else:
            period.status = Period.Status.REVOKED
            period.save(update_fields=["status"])


def put_behind(
    subscription: Subscription, given: Sequence[PaidTime], *, stays: Sequence[PaidTime], at: datetime
) -> None:
    """Time that was given and was cut at ``at`` goes on behind the last period; ``stays`` stand there already. The
    subscription's row is set, not saved: its calendar is anchored at the end of what was given."""
    last = max((time.period for time in stays), key=lambda period: period.ends_at, default=None)
    if last is not None:
        _end_with(subscription, last)
    for time in given:
        starts_at = subscription.period_ends_at or at
        length = time.span.ends_at - max(time.span.starts_at, at)
        period = Period.objects.create(
            subscription=subscription, number=next_number(subscription), kind=time.period.kind,
            status=Period.Status.PAID, plan_version_id=time.period.plan_version_id, price_id=time.period.price_id,
            quantity=time.period.quantity, starts_at=starts_at, ends_at=starts_at + length,
        )  # fmt: skip
        Redemption.objects.filter(period=time.period, revoked_at__isnull=True).update(period=period)
        _end_with(subscription, period)


def _end_with(subscription: Subscription, period: Period) -> None:
    subscription.period_number = period.number
    subscription.period_ends_at = subscription.anchor_at = period.ends_at
