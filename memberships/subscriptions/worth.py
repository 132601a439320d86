"""What the time that a member still has is worth: what was paid for it, after discounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from memberships.invoices.drafting import round_half_away
from memberships.models import Invoice, Pause, Period, Subscription
from memberships.subscriptions.proration import Span, unused_of
from paycore.money import Money
from payments.orders.models import Payment

_BOUGHT_LINES = ("plan", "seats")


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


def refundable_of(times: Sequence[PaidTime], *, at: datetime, currency: str) -> Money:
    """The unused part of what was paid, with tax."""
    return unused_of([time.span for time in times if time.is_bought], at=at, currency=currency)[0]


def _worth(period: Period, subscription: Subscription) -> PaidTime:
    currency = subscription.currency
    if period.invoice is not None:
        rows = [row for row in period.invoice.lines if row["kind"] in _BOUGHT_LINES]
        net = sum(row["net_minor"] for row in rows)
        gross = net + sum(row["tax_minor"] for row in rows)
        kept = gross - _given_back(period.invoice, of=gross)
        net = round_half_away(net * kept, gross) if gross else 0
        return _paid_time(period, gross=Money(kept, currency), net=Money(net, currency), is_bought=True)
    pause = Pause.objects.filter(given_as=period).first()
    if pause is not None:
        gross, net_left = Money(pause.unused_minor, currency), Money(pause.unused_net_minor, currency)
        return _paid_time(period, gross=gross, net=net_left, is_bought=True)
    nothing = Money.zero(currency)
    return _paid_time(period, gross=nothing, net=nothing, is_bought=False)


def _given_back(invoice: Invoice, *, of: int) -> int:
    """What went back, or is on its way back, of the lines that cost ``of``: their share of all that was charged."""
    if invoice.order_id is None:
        return 0
    paid = Payment.objects.filter(order_id=invoice.order_id, status=Payment.Status.SUCCEEDED, is_surplus=False)
    gone = sum(payment.captured_minor - payment.refundable.minor for payment in paid)
    charged = sum(max(0, row["net_minor"] + row["tax_minor"]) for row in invoice.lines)
    return min(of, round_half_away(gone * of, charged)) if charged else 0


def _paid_time(period: Period, *, gross: Money, net: Money, is_bought: bool) -> PaidTime:
    return PaidTime(period, Span(period.starts_at, period.ends_at, gross, net), is_bought)
