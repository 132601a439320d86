"""Ending a membership because its member wants it, and thinking better of it."""

from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from memberships.invoices.credit import adjust_credit
from memberships.invoices.holding import stop_revenue
from memberships.models import Invoice, Pause, PromisedRefund, Subscription
from memberships.subscriptions.clearing import cancel_open_orders, void_open_invoices
from memberships.subscriptions.ending import end_subscription
from memberships.subscriptions.errors import AlreadyCanceled, NotCanceled, SubscriptionEnded
from memberships.subscriptions.guarding import require_ours, require_status
from memberships.subscriptions.periods import cut_periods
from memberships.subscriptions.promises import promise
from memberships.subscriptions.queries import get_subscription
from memberships.subscriptions.recording import Why, lock_subscription, save_change
from memberships.subscriptions.refunding import NONE, money_back, paid_payments, policy_now, request_refunds
from memberships.subscriptions.worth import PaidTime, put_aside, time_left
from paycore.money import Money
from payments.orders.models import Payment, Refund

_RUNNING = ("trialing", "active", "paused")
_LIVE = (*_RUNNING, "incomplete", "scheduled", "past_due", "suspended")


@dataclass(frozen=True)
class Canceled:
    """``refunds`` may wait for a review before they are sent; what no payment can take back stays credit for the
    member's next membership."""

    subscription: Subscription
    refunds: list[Refund] = field(default_factory=list)


def ends_at_once(subscription: Subscription) -> bool:
    """Whether there is no paid time that a cancel could wait for."""
    return subscription.status not in _RUNNING


def check_cancel(subscription: Subscription, *, is_now: bool) -> None:
    """The refusals of canceling."""
    require_ours(subscription)
    require_status(subscription, *_LIVE)
    if subscription.cancel_at_period_end and not is_now and not ends_at_once(subscription):
        raise AlreadyCanceled


def cancel_at_period_end(subscription_id: str, *, user_id: str, why: Why) -> Subscription:
    """Nothing more is charged, and access ends exactly with the paid time. What was never paid, or is overdue, ends at
    once. SubscriptionEnded, AlreadyCanceled, PaymentInProgress."""
    with transaction.atomic():
        subscription = get_subscription(subscription_id, user_id=user_id)
        check_cancel(subscription, is_now=False)
        if ends_at_once(subscription):
            return _end_now(subscription_id, user_id=user_id, why=why, policy="none").subscription
        subscription = lock_subscription(subscription_id, user_id=user_id)
        check_cancel(subscription, is_now=False)
        if ends_at_once(subscription):  # it became overdue this second
            raise SubscriptionEnded
        subscription.cancel_at_period_end, subscription.canceled_at = True, why.now
        subscription.next_price = subscription.next_quantity = None
        fields = ("cancel_at_period_end", "canceled_at", "next_price", "next_quantity")
        save_change(subscription, why, was=subscription.status, fields=fields)
    return subscription


def cancel_now(subscription_id: str, *, user_id: str, why: Why, policy: str = "") -> Canceled:
    """Access ends now. What goes back is by ``policy`` (the company's own when empty). SubscriptionEnded,
    PaymentInProgress while an open order may still be paid."""
    with transaction.atomic():
        check_cancel(get_subscription(subscription_id, user_id=user_id), is_now=True)
        return _end_now(subscription_id, user_id=user_id, why=why, policy=policy or policy_now())


def resume(subscription_id: str, *, user_id: str, why: Why) -> Subscription:
    """Take back a cancel that waits for the end of the period. NotCanceled, SubscriptionEnded also when the end has
    come and no worker noticed yet."""
    with transaction.atomic():
        subscription = lock_subscription(subscription_id, user_id=user_id)
        require_ours(subscription)
        require_status(subscription, *_LIVE)
        if not subscription.cancel_at_period_end:
            raise NotCanceled
        ends_at = subscription.period_ends_at
        if subscription.status != Subscription.Status.PAUSED and ends_at is not None and ends_at <= why.now:
            raise SubscriptionEnded
        subscription.cancel_at_period_end, subscription.canceled_at = False, None
        subscription.notice_at = why.now
        fields = ("cancel_at_period_end", "canceled_at", "notice_at")
        save_change(subscription, why, was=subscription.status, fields=fields)
    return subscription


def _end_now(subscription_id: str, *, user_id: str, why: Why, policy: str) -> Canceled:
    cancel_open_orders(subscription_id)
    payments = paid_payments(subscription_id)
    subscription = lock_subscription(subscription_id, user_id=user_id)
    require_status(subscription, *_LIVE)
    void_open_invoices(subscription, why)
    times = time_left(subscription, at=why.now)
    amount = money_back(subscription, times, policy=policy, at=why.now, credit=subscription.credit)
    amount += _put_aside(subscription, policy=policy, now=why.now)
    credit_of = _credit_of(subscription, times, payments, policy=policy, now=why.now)
    # A member's own words stay in the history, from which they can be erased.
    said = why.reason if why.reason and why.by != user_id else "canceled"
    refunds, rest = request_refunds(payments, amount, by=why.by, reason=said)
    _promise(refunds, payments, credit_of)
    cut_periods(times, at=why.now)
    stop_revenue(subscription_id, at=why.now)
    if amount.is_positive:
        _keep_as_credit(subscription, rest, now=why.now)
    subscription.canceled_at = subscription.canceled_at or why.now
    _cut_span(subscription, at=why.now)
    fields = ("canceled_at", "credit_minor", "period_ends_at")
    end_subscription(subscription, why, end_reason="canceled", also_changed=fields)
    return Canceled(subscription, refunds)


def _credit_of(
    subscription: Subscription, times: list[PaidTime], payments: list[Payment], *, policy: str, now: datetime
) -> dict[str, int]:
    """By order: minor units of what goes back of the time that it paid for which its own money cannot bear. Credit had
    paid that much."""
    refundable: dict[str, int] = {}
    for payment in payments:
        refundable[payment.order_id] = refundable.get(payment.order_id, 0) + payment.refundable.minor
    found: dict[str, int] = {}
    for time in times if policy != NONE else ():
        invoice = time.period.invoice
        if time.is_bought and invoice is not None and invoice.order_id is not None:
            worth = money_back(subscription, [time], policy=policy, at=now).minor
            found[invoice.order_id] = min(invoice.credit_minor, max(0, worth - refundable.get(invoice.order_id, 0)))
    return found


def _promise(refunds: list[Refund], payments: list[Payment], credit_of: dict[str, int]) -> None:
    order_of = {payment.id: payment.order_id for payment in payments}
    invoices = {row.order_id: row for row in Invoice.objects.filter(order_id__in=order_of.values())}
    for refund in refunds:
        order_id = order_of[refund.payment_id]
        credit = credit_of.pop(order_id, 0)
        promise(refund, kind=PromisedRefund.Kind.CANCELED, invoice=invoices[order_id], credit=credit)


def _keep_as_credit(subscription: Subscription, rest: Money, *, now: datetime) -> None:
    change = rest - subscription.credit
    subscription.credit_minor = rest.minor
    if not change.is_zero:
        adjust_credit(change=change, now=now, plan=subscription.plan_id)


def _put_aside(subscription: Subscription, *, policy: str, now: datetime) -> Money:
    """What the time put aside by a pause is worth; the pause is over."""
    kept = put_aside(subscription)
    Pause.objects.filter(subscription=subscription, ended_at=None).update(ended_at=now)
    return kept if policy != NONE else Money.zero(subscription.currency)


def _cut_span(subscription: Subscription, *, at: datetime) -> None:
    started, ends = subscription.period_started_at, subscription.period_ends_at
    if started is not None and ends is not None and started < at < ends:
        subscription.period_ends_at = at
