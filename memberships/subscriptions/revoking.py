"""Money went back: what it had paid for is over."""

from memberships.invoices.holding import stop_revenue
from memberships.models import Invoice, Pause, Period, PlanChange, Subscription
from memberships.subscriptions.ending import end_subscription
from memberships.subscriptions.periods import cut_periods
from memberships.subscriptions.recording import Why, lock_subscription
from memberships.subscriptions.worth import time_left


def revoke_paid_time(invoice: Invoice, why: Why, *, end_reason: str) -> None:
    """The period of ``invoice`` is revoked, and its subscription ends when that period runs, or when its unused time
    pays for what runs now. Money back for a month long gone ends nothing. Safe to repeat."""
    subscription = lock_subscription(str(invoice.subscription_id))
    running = _stands_behind(invoice, subscription, why)
    Period.objects.filter(invoice=invoice, status=Period.Status.PAID).update(status=Period.Status.REVOKED)
    if subscription.status == Subscription.Status.ENDED or not running:
        return
    cut_periods(time_left(subscription, at=why.now), at=why.now)
    stop_revenue(subscription.id, at=why.now)
    Pause.objects.filter(subscription=subscription, ended_at=None).update(ended_at=why.now)
    end_subscription(subscription, why, end_reason=end_reason)


def _stands_behind(invoice: Invoice, subscription: Subscription, why: Why) -> bool:
    """Whether time that the subscription still has was paid by ``invoice``: by its own period, or by a chain of changes
    and pauses that began with it."""
    chain = set(Period.objects.filter(invoice=invoice).values_list("id", flat=True))
    if not chain:
        return False
    alive = {time.period.id for time in time_left(subscription, at=why.now)}
    paused = Pause.objects.filter(subscription=subscription, ended_at=None).values_list("period_id", flat=True)
    alive |= set(paused)
    if subscription.status in ("past_due", "suspended"):
        return False
    steps = _steps_of(subscription)
    while chain:
        if chain & alive:
            return True
        chain = {after for before, after in steps if before in chain}
    return False


def _steps_of(subscription: Subscription) -> list[tuple[str, str]]:
    """Which period's unused time went into which."""
    changes = PlanChange.objects.filter(subscription=subscription, applied_at__isnull=False)
    pauses = Pause.objects.filter(subscription=subscription, given_as__isnull=False)
    return [
        *changes.filter(invoice__period__isnull=False).values_list("period_id", "invoice__period__id"),
        *pauses.values_list("period_id", "given_as_id"),
    ]
