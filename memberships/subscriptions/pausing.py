"""Putting paid time aside, and going on with it."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from memberships.entitlements.counters import go_on_counting
from memberships.invoices.holding import hold_revenue, release_revenue
from memberships.models import Invoice, Pause, Period, Redemption, Subscription
from memberships.subscriptions.clearing import cancel_open_orders, void_open_invoices
from memberships.subscriptions.errors import PauseNotPossible, SubscriptionNotPaused
from memberships.subscriptions.guarding import require_no_renewal, require_ours, require_status
from memberships.subscriptions.periods import cut_periods, next_number, put_behind
from memberships.subscriptions.proration import unused_of
from memberships.subscriptions.queries import get_subscription
from memberships.subscriptions.recording import Why, lock_subscription, save_change
from memberships.subscriptions.worth import PaidTime, time_left

CHANGE = (Invoice.Kind.CHANGE,)
_SECOND = timedelta(seconds=1)
_FIELDS = (
    "status", "paused_at", "resumes_at", "unused_seconds", "period_number", "period_started_at", "period_ends_at",
    "anchor_at", "trial_ends_at", "due_at", "notice_at", "credit_minor",
)  # fmt: skip


def check_pause(subscription: Subscription, *, until: datetime | None, now: datetime) -> None:
    """The refusals of pausing. RenewalUnderWay also for paid time that is over already."""
    require_ours(subscription)
    require_status(subscription, "trialing", "active")
    require_no_renewal(subscription)
    at_most = now + timedelta(days=settings.PAYCORE_PAUSE_MOST_DAYS)
    if until is not None and not now < until <= at_most:
        raise PauseNotPossible(most_days=settings.PAYCORE_PAUSE_MOST_DAYS)


def pause(subscription_id: str, *, until: datetime | None, user_id: str, why: Why) -> Subscription:
    """No access and no charges until ``until`` (None: the longest pause); the paid time that is left is put aside to
    the second. Time that was given behind it waits where it is."""
    with transaction.atomic():
        check_pause(get_subscription(subscription_id, user_id=user_id), until=until, now=why.now)
        cancel_open_orders(subscription_id, kinds=CHANGE)
        subscription = lock_subscription(subscription_id, user_id=user_id)
        check_pause(subscription, until=until, now=why.now)
        void_open_invoices(subscription, why, kinds=CHANGE)
        times, _given = _split(time_left(subscription, at=why.now), since=why.now)
        if not times:  # over this second, the renewal has not noticed yet
            raise PauseNotPossible(most_days=settings.PAYCORE_PAUSE_MOST_DAYS)
        was = subscription.status
        subscription.unused_seconds = _put_aside(subscription, times, now=why.now)
        cut_periods(times, at=why.now)
        hold_revenue(subscription.id, at=why.now)
        longest = why.now + timedelta(days=settings.PAYCORE_PAUSE_MOST_DAYS)
        subscription.status, subscription.paused_at = Subscription.Status.PAUSED, why.now
        subscription.resumes_at = subscription.due_at = until or longest
        subscription.notice_at, subscription.period_ends_at = None, why.now
        save_change(subscription, why, was=was, fields=_FIELDS)
    return subscription


def unpause(subscription_id: str, *, why: Why, user_id: str | None = None) -> Subscription:
    """Go on: what was put aside is given as a period of its own, time that was given comes behind it, and the next one
    is due at the end."""
    with transaction.atomic():
        subscription = lock_subscription(subscription_id, user_id=user_id)
        require_ours(subscription)
        if subscription.status != Subscription.Status.PAUSED:
            raise SubscriptionNotPaused(status=str(subscription.status))
        paused = Pause.objects.select_related("period").get(subscription=subscription, ended_at=None)
        _stays, given = _split(time_left(subscription, at=paused.paused_at), since=paused.paused_at)
        cut_periods(given, at=paused.paused_at)
        given = [time for time in given if not _was_taken_back(time.period)]
        period = _give_back(subscription, paused, now=why.now)
        go_on_counting(
            subscription.id, stopped_at=paused.paused_at, seconds=paused.unused_seconds, until=period.ends_at
        )
        was = subscription.status
        subscription.status = Subscription.Status.TRIALING if paused.is_trial else Subscription.Status.ACTIVE
        subscription.paused_at = subscription.resumes_at = None
        subscription.unused_seconds, subscription.period_number = 0, period.number
        subscription.period_started_at, subscription.period_ends_at = period.starts_at, period.ends_at
        subscription.anchor_at = period.ends_at
        put_behind(subscription, given, stays=(), at=paused.paused_at)
        subscription.due_at = subscription.period_ends_at
        if paused.is_trial:
            subscription.trial_ends_at = subscription.period_ends_at
        subscription.notice_at = why.now
        release_revenue(subscription.id, starts_at=period.starts_at, ends_at=period.ends_at)
        save_change(subscription, why, was=was, fields=_FIELDS)
    return subscription


def _split(times: list[PaidTime], *, since: datetime) -> tuple[list[PaidTime], list[PaidTime]]:
    """What a pause at ``since`` puts aside, and the time that was given behind it."""
    is_given = [time.period.starts_at > since and not time.is_bought for time in times]
    aside = [time for time, given in zip(times, is_given, strict=True) if not given]
    return aside, [time for time, given in zip(times, is_given, strict=True) if given]


def _put_aside(subscription: Subscription, times: list[PaidTime], *, now: datetime) -> int:
    seconds = sum(-((max(time.span.starts_at, now) - time.span.ends_at) // _SECOND) for time in times)  # rounded up
    bought = [time.span for time in times if time.is_bought]
    gross, net = unused_of(bought, at=now, currency=subscription.currency)
    Pause.objects.create(
        subscription=subscription, period=times[0].period, paused_at=now, unused_seconds=seconds,
        unused_minor=gross.minor, unused_net_minor=net.minor,
        is_trial=subscription.status == Subscription.Status.TRIALING,
    )  # fmt: skip
    return seconds


def _give_back(subscription: Subscription, paused: Pause, *, now: datetime) -> Period:
    was_trial = paused.period.kind == Period.Kind.TRIAL
    seconds = 0 if _was_taken_back(paused.period) else paused.unused_seconds
    period = Period.objects.create(
        subscription=subscription,
        number=next_number(subscription),
        kind=Period.Kind.TRIAL if was_trial else Period.Kind.BONUS,
        status=Period.Status.PAID,
        plan_version_id=paused.period.plan_version_id,
        price_id=subscription.price_id,
        quantity=subscription.quantity,
        starts_at=now,
        ends_at=now + max(timedelta(seconds=seconds), _SECOND),
    )
    paused.ended_at, paused.given_as = now, period
    paused.save(update_fields=["ended_at", "given_as"])
    Redemption.objects.filter(period=paused.period, revoked_at__isnull=True).update(period=period)
    return period


def _was_taken_back(period: Period) -> bool:
    """A gift whose money went back during the pause."""
    return Redemption.objects.filter(period=period, revoked_at__isnull=False).exists()
