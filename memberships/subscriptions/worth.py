"""What the time that a member still has is worth: what was paid for it, after discounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from memberships.invoices.drafting import round_half_away
from memberships.models import Pause, Period, Subscription
from memberships.subscriptions.proration import Span, unused_of
from memberships.subscriptions.standing import bought, kept_by, standing
from paycore.money import Money


@dataclass(frozen=True, slots=True)
class PaidTime:
    """``is_bought``: the member's own money stands behind it. A trial and time that was given are worth nothing here;
    given time stays time."""

    period: Period
    span: Span
    is_bought: bool


def time_left(subscription: Subscription, *, at: datetime) -> list[PaidTime]:
    """The paid periods that are not over at ``at``, oldest first."""
    periods = Period.objects.filter(subscription=subscription, status=Period.Status.PAID, ends_at__gt=at)
    return [_worth(period, subscription) for period in periods.select_related("invoice").order_by("number")]


def put_aside(subscription: Subscription) -> Money:
    """What the time that a running pause keeps is worth, with tax."""
    pause = Pause.objects.filter(subscription=subscription, ended_at=None).select_related("period__invoice").first()
    return Money(kept_by(pause)[0] if pause else 0, subscription.currency)


def refundable_of(times: Sequence[PaidTime], *, at: datetime, currency: str) -> Money:
    """The unused part of what was paid, with tax."""
    return unused_of([time.span for time in times if time.is_bought], at=at, currency=currency)[0]


def _worth(period: Period, subscription: Subscription) -> PaidTime:
    currency = subscription.currency
    if period.invoice is not None:
        gross, net = bought(period.invoice)
        kept = standing(period.invoice)
        net = round_half_away(net * kept, gross) if gross else 0
        return _paid_time(period, gross=Money(kept, currency), net=Money(net, currency), is_bought=True)
    pause = Pause.objects.select_related("period").filter(given_as=period).first()
    if pause is not None and _worth(pause.period, subscription).is_bought:
        gross, net = kept_by(pause)
        return _paid_time(period, gross=Money(gross, currency), net=Money(net, currency), is_bought=True)
    nothing = Money.zero(currency)
    return _paid_time(period, gross=nothing, net=nothing, is_bought=False)


def _paid_time(period: Period, *, gross: Money, net: Money, is_bought: bool) -> PaidTime:
    return PaidTime(period, Span(period.starts_at, period.ends_at, gross, net), is_bought)
