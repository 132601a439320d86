"""A period that could not be collected: what a failure means, when the next attempt is, when access ends, and when all
of it does.

The first failure opens a :class:`Dunning`, and grace: access goes on for ``PAYCORE_GRACE_DAYS``. Attempts (or, where
none can help, reminders) follow on the days of ``PAYCORE_RENEWAL_RETRY_DAYS``; after the last, the membership ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from memberships.invoices.paying import mark_uncollectible, mark_void
from memberships.models import Dunning, Invoice, Period, Subscription
from memberships.renewals import telling
from memberships.renewals.schedule import (
    OUTSIDE_HOURS,
    is_hopeless,
    next_opening_hours,
    retry_dates,
)
from memberships.subscriptions.calendar import day_of_notice
from memberships.subscriptions.clearing import cancel_open_orders, close_at_gateway, open_invoices
from memberships.subscriptions.ending import end_subscription
from memberships.subscriptions.recording import SYSTEM, Why, lock_subscription, save_change
from payments.errors import PaymentInProgress
from payments.orders.models import Payment
from payments.orders.transitions import LIVE_PAYMENT

OVERDUE_FIELDS = (
    "status", "past_due_since", "grace_until", "retries", "failure_code", "due_at", "notice_at",
)  # fmt: skip
LOOK_AGAIN = timedelta(minutes=10)
UNPAID, CANCELED = "unpaid", "canceled"
_OVERDUE = (Subscription.Status.PAST_DUE, Subscription.Status.SUSPENDED)


@dataclass(frozen=True, slots=True)
class Failure:
    """Attempt ``attempt`` to collect ``invoice_id`` brought nothing, for ``code``."""

    subscription_id: str
    invoice_id: str
    attempt: int
    code: str
    details: Mapping[str, str] = field(default_factory=dict)


def record_failure(failure: Failure, *, now: datetime) -> bool:
    """Once: whoever tells it again, or tells of an attempt that is over, changes nothing. Whether it was news."""
    with transaction.atomic():
        subscription = lock_subscription(failure.subscription_id)
        waits = Period.objects.filter(invoice_id=failure.invoice_id, status=Period.Status.OPEN).exists()
        if not waits or subscription.retries + 1 != failure.attempt:
            return False
        subscription.retries = failure.attempt
        is_leaving = subscription.cancel_at_period_end and subscription.status not in _OVERDUE
        if failure.code == OUTSIDE_HOURS or is_leaving:
            # Whoever canceled while it was collected is asked for nothing more: they end now, as they would have.
            subscription.due_at = now if is_leaving else next_opening_hours(now)
            subscription.save(update_fields=["retries", "due_at"])
            return True
        dunning = _note_in_dunning(subscription, failure, now=now)
        _fall_behind(subscription, dunning, failure, now=now)
    return True


def remind(subscription_id: str, *, now: datetime) -> None:
    """A date on which nothing can be charged has come: the member hears of it once more."""
    with transaction.atomic():
        subscription = lock_subscription(subscription_id)
        dunning = open_dunning(subscription_id)
        if dunning is None or dunning.next_retry_at is None or dunning.next_retry_at > now:
            return
        _set_next(dunning, subscription, now=now)
        dunning.save(update_fields=["step", "next_retry_at"])
        subscription.due_at = next_look(subscription, dunning)
        subscription.save(update_fields=["due_at"])
        if not is_over(dunning):
            telling.tell_of_failure(subscription, dunning, occasion=f"step{dunning.step}", now=now)


def suspend(subscription_id: str, *, now: datetime) -> bool:
    """Grace is over: no access until it is paid. Not while a payment is under way: its money may be on its way."""
    with transaction.atomic():
        subscription = lock_subscription(subscription_id)
        dunning = open_dunning(subscription_id)
        is_due = subscription.grace_until is not None and subscription.grace_until <= now
        if subscription.status != Subscription.Status.PAST_DUE or dunning is None or not is_due:
            return False
        if _has_live_payment(dunning.invoice):
            subscription.due_at = now + LOOK_AGAIN
            subscription.save(update_fields=["due_at"])
            return False
        was, subscription.status = subscription.status, Subscription.Status.SUSPENDED
        subscription.due_at = next_look(subscription, dunning)
        subscription.notice_at = None
        why = Why("suspended", SYSTEM, now, details={"invoice": dunning.invoice_id})
        save_change(subscription, why, was=was, fields=("status", "due_at", "notice_at"))
        telling.tell_of_suspension(subscription, dunning, now=now)
    return True


def give_up(subscription_id: str, *, end_reason: str, now: datetime) -> bool:
    """End a subscription whose open period nobody pays. Its orders are closed at the gateway first; while money may
    still come it is looked at again, and what was paid meanwhile goes on. Whether it has ended."""
    close_at_gateway(subscription_id)
    try:
        with transaction.atomic():
            cancel_open_orders(subscription_id)
            subscription = lock_subscription(subscription_id)
            if not _may_end(subscription, end_reason=end_reason, now=now):
                return False
            for invoice in open_invoices(subscription_id):
                _let_go(subscription, invoice, is_lost=end_reason == UNPAID, now=now)
            close_dunning(subscription_id, status=Dunning.Status.LOST, now=now)
            why = Why("ended", SYSTEM, now, details={"reason": end_reason})
            end_subscription(subscription, why, end_reason=end_reason, also_changed=("credit_minor",))
    except PaymentInProgress:
        _look_again(subscription_id, at=now + LOOK_AGAIN)
        return False
    return True


def _may_end(subscription: Subscription, *, end_reason: str, now: datetime) -> bool:
    """Looked at again under the lock: while gateways were asked, the money may have come and counted."""
    if subscription.status == Subscription.Status.ENDED:
        return True
    if end_reason == CANCELED:
        ends_at = subscription.period_ends_at
        return subscription.cancel_at_period_end and (ends_at is None or ends_at <= now)
    return (
        subscription.status in _OVERDUE
        or Period.objects.filter(subscription=subscription, status=Period.Status.OPEN).exists()
    )


def open_dunning(subscription_id: str) -> Dunning | None:
    rows = Dunning.objects.filter(subscription_id=subscription_id, status=Dunning.Status.OPEN)
    return rows.select_related("invoice__order").first()


def close_dunning(subscription_id: str, *, status: Dunning.Status, now: datetime, recovered_by: str = "") -> bool:
    """Whether one was open."""
    rows = Dunning.objects.filter(subscription_id=subscription_id, status=Dunning.Status.OPEN)
    return bool(rows.update(status=status, closed_at=now, next_retry_at=None, recovered_by=recovered_by))


def dates_of(dunning: Dunning, *, zone: str) -> list[datetime]:
    return retry_dates(dunning.opened_at, zone=zone, days=settings.PAYCORE_RENEWAL_RETRY_DAYS)


def is_over(dunning: Dunning) -> bool:
    """Its last date has passed."""
    return dunning.step >= len(settings.PAYCORE_RENEWAL_RETRY_DAYS)


def next_look(subscription: Subscription, dunning: Dunning) -> datetime:
    """The next attempt, or the end of grace when that comes first."""
    if dunning.next_retry_at is None:
        raise ValueError("what is under way has a next date")
    if subscription.status == Subscription.Status.PAST_DUE and subscription.grace_until is not None:
        return min(dunning.next_retry_at, subscription.grace_until)
    return dunning.next_retry_at


def _note_in_dunning(subscription: Subscription, failure: Failure, *, now: datetime) -> Dunning:
    dunning = open_dunning(subscription.id)
    if dunning is None or dunning.invoice_id != failure.invoice_id:
        dunning = Dunning(
            invoice=Invoice.objects.select_related("order").get(id=failure.invoice_id),
            subscription=subscription,
            first_code=failure.code[:64],
            opened_at=now,
        )
    dunning.last_code = failure.code[:64]
    dunning.failures += 1
    dunning.is_hopeless = is_hopeless(failure.code)
    _set_next(dunning, subscription, now=now)
    dunning.save()
    return dunning


def _set_next(dunning: Dunning, subscription: Subscription, *, now: datetime) -> None:
    """The first date that has not passed; after the last one, the end is due at once."""
    dates = dates_of(dunning, zone=subscription.time_zone)
    ahead = [date for date in dates if date > now]
    dunning.step = len(dates) - len(ahead)
    dunning.next_retry_at = ahead[0] if ahead else now


def _fall_behind(subscription: Subscription, dunning: Dunning, failure: Failure, *, now: datetime) -> None:
    """Overdue, and without access once grace is over. Who never had a period has none: one is given on credit only to
    who was a member before, if only on trial."""
    was = subscription.status
    was_overdue = was in _OVERDUE
    subscription.failure_code = failure.code[:64]
    subscription.past_due_since = dunning.opened_at
    details = {"invoice": failure.invoice_id, "attempt": failure.attempt, "code": failure.code} | dict(failure.details)
    if not was_overdue:
        grace = timedelta(days=settings.PAYCORE_GRACE_DAYS if subscription.period_number else 0)
        subscription.grace_until = dunning.opened_at + grace
        subscription.status = Subscription.Status.PAST_DUE
    subscription.notice_at = _grace_notice(subscription, now=now)
    subscription.due_at = next_look(subscription, dunning)
    why = Why("payment_failed" if was_overdue else "past_due", SYSTEM, now, details=details)
    save_change(subscription, why, was=was, fields=OVERDUE_FIELDS)
    if subscription.grace_until is not None and subscription.grace_until <= now:
        suspend(subscription.id, now=now)
    if not is_over(dunning):
        telling.tell_of_failure(subscription, dunning, occasion=f"attempt{failure.attempt}", now=now)


def _grace_notice(subscription: Subscription, *, now: datetime) -> datetime | None:
    if subscription.status != Subscription.Status.PAST_DUE or subscription.grace_until is None:
        return None
    told_at = day_of_notice(subscription.grace_until, zone=subscription.time_zone, days_before=1)
    return told_at if told_at > now else None


def _let_go(subscription: Subscription, invoice: Invoice, *, is_lost: bool, now: datetime) -> None:
    """Credit that it used is the member's again."""
    if invoice.status == Invoice.Status.OPEN:
        (mark_uncollectible if is_lost else mark_void)(invoice, now=now)
        subscription.credit_minor += invoice.credit_minor


def _has_live_payment(invoice: Invoice) -> bool:
    return Payment.objects.filter(order_id=invoice.order_id, status__in=LIVE_PAYMENT).exists()


def _look_again(subscription_id: str, *, at: datetime) -> None:
    with transaction.atomic():
        subscription = lock_subscription(subscription_id)
        if subscription.status != Subscription.Status.ENDED:
            subscription.due_at = at
            subscription.save(update_fields=["due_at"])
