"""Money went back: what it had paid for is over."""

from collections.abc import Iterator
from dataclasses import replace

from django.db.models import Sum

from memberships.invoices.credit import adjust_credit
from memberships.invoices.holding import stop_revenue
from memberships.models import CreditNote, Invoice, Pause, Period, PlanChange, Subscription
from memberships.subscriptions.ending import end_subscription
from memberships.subscriptions.periods import cut_periods
from memberships.subscriptions.recording import Why, lock_subscription, save_change
from memberships.subscriptions.worth import time_left
from paycore.money import Money
from payments.orders.models import Payment


def revoke_paid_time(invoice: Invoice, why: Why, *, end_reason: str) -> None:
    """The period of ``invoice`` is revoked, with the credit that a dearer plan left of its money, and its subscription
    ends when that period runs, or when its unused time pays for what runs now. Money back for a month long gone ends
    nothing. Safe to repeat."""
    subscription = lock_subscription(str(invoice.subscription_id))
    running = _stands_behind(invoice, subscription, why)
    paid = Period.objects.filter(invoice=invoice, status=Period.Status.PAID)
    if paid.update(status=Period.Status.REVOKED):
        _take_credit_back(subscription, invoice, why)
    if subscription.status == Subscription.Status.ENDED or not running:
        return
    cut_periods(time_left(subscription, at=why.now), at=why.now)
    stop_revenue(subscription.id, at=why.now)
    Pause.objects.filter(subscription=subscription, ended_at=None).update(ended_at=why.now)
    end_subscription(subscription, why, end_reason=end_reason)


def _stands_behind(invoice: Invoice, subscription: Subscription, why: Why) -> bool:
    """Whether time that the subscription still has was paid by ``invoice``: by its own period, or by a chain of changes
    and pauses that began with it."""
    alive = {time.period.id for time in time_left(subscription, at=why.now)}
    paused = Pause.objects.filter(subscription=subscription, ended_at=None).values_list("period_id", flat=True)
    alive |= set(paused)
    if subscription.status in ("past_due", "suspended"):
        return False
    return any(chain & alive for chain in _followed(invoice, subscription))


def _followed(invoice: Invoice, subscription: Subscription) -> Iterator[set[str]]:
    """Ids of the period that ``invoice`` paid, then of what its unused time went into, and so on."""
    chain = set(Period.objects.filter(invoice=invoice).values_list("id", flat=True))
    steps = _steps_of(subscription)
    while chain:
        yield chain
        chain = {after for before, after in steps if before in chain}


def _steps_of(subscription: Subscription) -> list[tuple[str, str]]:
    """Which period's unused time went into which."""
    changes = PlanChange.objects.filter(subscription=subscription, applied_at__isnull=False)
    pauses = Pause.objects.filter(subscription=subscription, given_as__isnull=False)
    return [
        *changes.filter(invoice__period__isnull=False).values_list("period_id", "invoice__period__id"),
        *pauses.values_list("period_id", "given_as_id"),
    ]


def _take_credit_back(subscription: Subscription, invoice: Invoice, why: Why) -> None:
    """Changes to less made credit of money that is with the payer again: what is left of it goes, as far as nothing
    else that these periods were paid with stands behind it. What a cancel gave back was worked out with the credit."""
    if invoice.promises.exists():
        return
    periods = set().union(*_followed(invoice, subscription))
    changes = PlanChange.objects.filter(subscription=subscription, period__in=periods, applied_at__isnull=False)
    made = changes.aggregate(sum=Sum("new_credit_minor", default=0))["sum"]
    too_much = min(subscription.credit_minor, made - _still_paid(periods, but=invoice) if made else 0)
    if too_much <= 0:
        return
    subscription.credit_minor -= too_much
    adjust_credit(change=Money(-too_much, subscription.currency), now=why.now, plan=subscription.plan_id)
    details = {**why.details, "credit_minor": too_much}
    why = replace(why, kind="credit_taken_back", details=details)
    save_change(subscription, why, was=subscription.status, fields=("credit_minor",))


def _still_paid(periods: set[str], *, but: Invoice) -> int:
    """Minor units of money and credit that were paid for these periods and did not go back. The credit that paid
    ``but`` goes back with its last refund's credit note, before this or after."""
    invoices = Invoice.objects.filter(period__in=periods, status=Invoice.Status.PAID)
    others = invoices.exclude(id=but.id)
    credit = others.aggregate(sum=Sum("credit_minor", default=0))["sum"]
    notes = CreditNote.objects.filter(invoice__in=others, voided_at=None)
    credit -= notes.aggregate(sum=Sum("credit_minor", default=0))["sum"]
    orders = invoices.filter(order__isnull=False).values_list("order_id", flat=True)
    paid = Payment.objects.filter(order_id__in=list(orders), status=Payment.Status.SUCCEEDED, is_surplus=False)
    return int(credit) + sum(payment.refundable.minor for payment in paid)
