"""The clock's work: renewals in batches, and everything else that happens to one subscription by itself.

``due_at`` says when to look; what is to be done is decided by the row, under its lock, when somebody looks.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction

from memberships.models import Invoice, Period, Subscription
from memberships.renewals.bulk import without_garbage_collection
from memberships.renewals.claiming import STEPS, Span, lease, lock_due
from memberships.renewals.collecting import collect
from memberships.renewals.dunning import (
    CANCELED,
    UNPAID,
    give_up,
    is_over,
    next_look,
    open_dunning,
    remind,
    suspend,
)
from memberships.renewals.notices import send_due_notices
from memberships.renewals.opening import BATCH, Opened, open_due_periods
from memberships.subscriptions.clearing import cancel_open_orders, close_at_gateway, void_open_invoices
from memberships.subscriptions.pausing import unpause
from memberships.subscriptions.recording import SYSTEM, Why, lock_subscription
from memberships.subscriptions.starting import begin_scheduled, lapse
from paycore.claims import try_each
from payments.errors import PaymentInProgress
from payments.orders.models import Order

COLLECTED_AT_ONCE = 100
MOST_SECONDS = 25
MOST_STEPS = 50
MOST_STEPS_OF_USER = 10_000
LOOK_AGAIN = timedelta(minutes=10)
_CHANGE = (Invoice.Kind.CHANGE,)
_ENDED_ORDER = (Order.Status.CANCELED, Order.Status.EXPIRED)


def renew_due(*, limit: int = BATCH, span: Span | None = None) -> int:
    """Open and collect what is due, as one batch; how many were looked at. What could not be opened is raised, after
    everybody else was served."""
    with without_garbage_collection():
        opened = open_due_periods(limit=limit, span=span)
        _collect_in_time(opened)
    try_each(list(opened.to_clear), lambda one: drop_change(one, now=opened.nows[one]))
    if opened.broken:
        raise ExceptionGroup("some periods could not be opened", list(opened.broken))
    return len(opened.nows)


def _collect_in_time(opened: Opened) -> None:
    """Providers may be slow: what a worker's time is too short for is due again, and somebody else's."""
    started = time.monotonic()
    for start in range(0, len(opened.to_collect), COLLECTED_AT_ONCE):
        if time.monotonic() - started > MOST_SECONDS:
            late = opened.to_collect[start:]
            rows = Subscription.objects.filter(id__in=late, status__in=("trialing", "active"))
            rows.filter(periods__status=Period.Status.OPEN).update(due_at=min(opened.nows[one] for one in late))
            return
        collect(opened.to_collect[start : start + COLLECTED_AT_ONCE], nows=opened.nows)


def step_due(*, limit: int = MOST_STEPS, span: Span | None = None) -> int:
    """Everything else that is due, one by one; how many."""
    with transaction.atomic():
        claimed = lock_due(STEPS, limit=limit, span=span)
        lease(claimed)
    try_each(list(claimed.nows), lambda one: step(one, now=claimed.nows[one]))
    return len(claimed.nows)


def step(subscription_id: str, *, now: datetime) -> None:
    """What is due of one subscription at ``now``, by its user's clock. Safe to repeat. No transaction may be open."""
    subscription = Subscription.objects.get(id=subscription_id)
    act = _ACTS.get(str(subscription.status))
    if act is not None:
        act(subscription, now)


def step_user(user_id: str, *, until: datetime) -> datetime | None:
    """Everything of a user's subscriptions that is due by ``until``, in the order in which it is due and as if it were
    done on time; when something is due next (None: never). What waits for an answer from outside is left where it is.
    """
    stuck: set[tuple[str, datetime]] = set()
    for _number in range(MOST_STEPS_OF_USER):
        due = _next_of(user_id, stuck)
        if due is None or due[0] > until:
            break
        moment, subscription_id, queue = due
        span = Span(user_id, moment)
        if queue == "notice_at":
            send_due_notices(span=span)
        else:
            renew_due(span=span)
            step_due(span=span)
        stuck |= _waits(subscription_id, since=moment)
    rest = _next_of(user_id, set())
    return rest[0] if rest else None


def drop_change(subscription_id: str, *, now: datetime) -> bool:
    """A change within the period that is over was never paid: its order is closed before the next period is opened."""
    close_at_gateway(subscription_id, kinds=_CHANGE)
    try:
        with transaction.atomic():
            cancel_open_orders(subscription_id, kinds=_CHANGE)
            subscription = lock_subscription(subscription_id)
            void_open_invoices(subscription, Why("change_dropped", SYSTEM, now), kinds=_CHANGE)
            if subscription.status in (Subscription.Status.TRIALING, Subscription.Status.ACTIVE):
                subscription.due_at = now
            subscription.save(update_fields=["credit_minor", "due_at"])
    except PaymentInProgress:
        return False  # it was claimed until a minute from now
    return True


def _look_at_start(subscription: Subscription, now: datetime) -> None:
    """Incomplete: its order's end tells. This is for news that never came."""
    rows = Invoice.objects.filter(subscription=subscription, kind=Invoice.Kind.START, status=Invoice.Status.OPEN)
    invoice = rows.select_related("order").first()
    if invoice is not None and invoice.order is not None and invoice.order.status in _ENDED_ORDER:
        with transaction.atomic():
            lapse(invoice, now=now)
        return
    _look_again(subscription, at=now + LOOK_AGAIN)


def _begin(subscription: Subscription, now: datetime) -> None:
    with transaction.atomic():
        locked = lock_subscription(subscription.id)
        if locked.status != Subscription.Status.SCHEDULED:
            return
        if locked.starts_at is not None and locked.starts_at > now:
            locked.due_at = locked.starts_at
            locked.save(update_fields=["due_at"])
            return
        begin_scheduled(locked, now=now)
    collect([subscription.id], nows={subscription.id: now})


def _end_with_period(subscription: Subscription, now: datetime) -> None:
    """It was canceled for the end of its period. A next one that was opened before that, and is being paid, counts."""
    if not subscription.cancel_at_period_end:
        return  # resumed meanwhile: the batch renews it
    ends_at = subscription.period_ends_at
    if ends_at is not None and ends_at > now:
        _look_again(subscription, at=ends_at)
        return
    if not collect_if_paid(subscription.id, now=now):
        give_up(subscription.id, end_reason=CANCELED, now=now)


def _go_on_overdue(subscription: Subscription, now: datetime) -> None:
    dunning = open_dunning(subscription.id)
    if dunning is None:
        _look_for_money(subscription, now)
        return
    if dunning.next_retry_at is not None and dunning.next_retry_at <= now:
        _retry(subscription, now)
    if not suspend(subscription.id, now=now):
        _back_to_plan(subscription.id, now=now)


def _back_to_plan(subscription_id: str, *, now: datetime) -> None:
    """Looked at too early: due again when something is planned."""
    with transaction.atomic():
        subscription = lock_subscription(subscription_id)
        dunning = open_dunning(subscription_id)
        is_overdue = subscription.status in (Subscription.Status.PAST_DUE, Subscription.Status.SUSPENDED)
        if not is_overdue or dunning is None:
            return
        planned = next_look(subscription, dunning)
        if planned > now:
            subscription.due_at = planned
            subscription.save(update_fields=["due_at"])


def _retry(subscription: Subscription, now: datetime) -> None:
    dunning = open_dunning(subscription.id)
    if dunning is None:
        return
    if is_over(dunning):
        if collect_if_paid(subscription.id, now=now):
            return
        give_up(subscription.id, end_reason=UNPAID, now=now)
    elif dunning.is_hopeless:
        if not collect_if_paid(subscription.id, now=now):
            remind(subscription.id, now=now)
    else:
        collect([subscription.id], nows={subscription.id: now})


def collect_if_paid(subscription_id: str, *, now: datetime) -> bool:
    """The member may have paid a moment ago, and the news be on its way."""
    paid = Period.objects.filter(
        subscription_id=subscription_id, status=Period.Status.OPEN, invoice__order__status=Order.Status.PAID
    )
    if not paid.exists():
        return False
    collect([subscription_id], nows={subscription_id: now})
    return True


def _look_for_money(subscription: Subscription, now: datetime) -> None:
    """Overdue, and nothing is under way: a period that is open is collected, and otherwise nobody owes anything."""
    collected = collect([subscription.id], nows={subscription.id: now})
    if subscription.id not in collected.outcomes:
        give_up(subscription.id, end_reason=UNPAID, now=now)


def _go_on_after_pause(subscription: Subscription, now: datetime) -> None:
    if subscription.resumes_at is not None and subscription.resumes_at <= now:
        unpause(subscription.id, why=Why("unpaused", SYSTEM, now))
    elif subscription.resumes_at is not None:
        _look_again(subscription, at=subscription.resumes_at)


def _look_again(subscription: Subscription, *, at: datetime) -> None:
    rows = Subscription.objects.filter(id=subscription.id, status=subscription.status)
    rows.filter(period_number=subscription.period_number).update(due_at=at)


_ACTS: dict[str, Callable[[Subscription, datetime], None]] = {
    "incomplete": _look_at_start,
    "scheduled": _begin,
    "trialing": _end_with_period,
    "active": _end_with_period,
    "past_due": _go_on_overdue,
    "suspended": _go_on_overdue,
    "paused": _go_on_after_pause,
}


def _next_of(user_id: str, stuck: set[tuple[str, datetime]]) -> tuple[datetime, str, str] | None:
    """The earliest of a user's dates, notices before deeds of the same moment."""
    rows = Subscription.objects.filter(user_id=user_id, rail=Subscription.Rail.WEB)
    dates: list[tuple[datetime, int, str, str]] = []
    for row in rows.exclude(status__in=(Subscription.Status.ENDED, Subscription.Status.INCOMPLETE)):
        if row.notice_at is not None:
            dates.append((row.notice_at, 0, row.id, "notice_at"))
        if row.due_at is not None and not any(one == row.id and row.due_at >= since for one, since in stuck):
            dates.append((row.due_at, 1, row.id, "due_at"))
    if not dates:
        return None
    moment, _order, subscription_id, queue = min(dates)
    return moment, subscription_id, queue


def _waits(subscription_id: str, *, since: datetime) -> set[tuple[str, datetime]]:
    """Its payment is under way, so only real time brings it further."""
    waiting = Period.objects.filter(
        subscription_id=subscription_id,
        status=Period.Status.OPEN,
        invoice__order__payments__status__in=("created", "submitting", "requires_action", "processing"),
    )
    return {(subscription_id, since)} if waiting.exists() else set()
