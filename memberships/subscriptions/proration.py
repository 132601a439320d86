"""What part of a price belongs to which part of a span. Pure, exact: the parts sum to the whole in minor units."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from memberships.subscriptions.calendar import boundary, step_of
from paycore.money import Money

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Time that a member has, and what it is worth: ``gross`` with tax, ``net`` without."""

    starts_at: datetime
    ends_at: datetime
    gross: Money
    net: Money


def split_unused(amount: Money, *, starts_at: datetime, ends_at: datetime, at: datetime) -> tuple[Money, Money]:
    """``(used, unused)`` of ``amount`` for the span when it is left at ``at``; before its start all of it is unused,
    after its end nothing."""
    used_time = min(max(at, starts_at), ends_at) - starts_at
    whole = (ends_at - starts_at) // _MICROSECOND
    used, unused = amount.allocate([used_time // _MICROSECOND, whole - used_time // _MICROSECOND])
    return used, unused


def unused_of(spans: Iterable[Span], *, at: datetime, currency: str) -> tuple[Money, Money]:
    """``(gross, net)`` of the unused time of all of them."""
    gross = net = Money.zero(currency)
    for span in spans:
        times = {"starts_at": span.starts_at, "ends_at": span.ends_at, "at": at}
        gross += split_unused(span.gross, **times)[1]
        net += split_unused(span.net, **times)[1]
    return gross, net


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When the periods of a subscription end."""

    anchor_at: datetime
    zone: str
    interval: str
    interval_count: int

    def at_step(self, steps: int) -> datetime:
        return boundary(
            self.anchor_at, zone=self.zone, interval=self.interval, interval_count=self.interval_count, steps=steps
        )


def price_of_span(amount: Money, *, starts_at: datetime, ends_at: datetime, rhythm: Rhythm) -> Money:
    """What the time from ``starts_at`` to ``ends_at`` costs when a whole interval costs ``amount``.

    Whole intervals are counted backwards from the end; of the one in which the span begins, its share. A span of
    exactly one interval costs exactly ``amount``.
    """
    step = step_of(
        ends_at,
        anchor_at=rhythm.anchor_at,
        zone=rhythm.zone,
        interval=rhythm.interval,
        interval_count=rhythm.interval_count,
    )
    if rhythm.at_step(step) != ends_at:  # an end off the calendar is a calendar of its own
        rhythm, step = replace(rhythm, anchor_at=ends_at), 0
    until, price = ends_at, Money.zero(amount.currency)
    while True:
        step -= 1
        since = rhythm.at_step(step)
        if since <= starts_at:
            return price + split_unused(amount, starts_at=since, ends_at=until, at=starts_at)[1]
        price += amount
        until = since
