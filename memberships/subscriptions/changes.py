"""What changing a running subscription at once means. Pure: the preview and the change ask the same function."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import translation
from django.utils.translation import gettext

from memberships.catalogue.known import plan_of
from memberships.invoices.drafting import ChargeLine
from memberships.models import PlanVersion, Price
from memberships.subscriptions.pricing import end_of_period, lines_for_period
from memberships.subscriptions.proration import Rhythm, Span, price_of_span, unused_of
from paycore.money import Money


@dataclass(frozen=True, slots=True)
class Running:
    """What a subscription has now: its price, where its calendar is anchored, when the running period ends (at the
    moment of the change when there is none to keep), and the paid spans that are not over."""

    price: Price
    anchor_at: datetime
    zone: str
    ends_at: datetime
    spans: Sequence[Span]


@dataclass(frozen=True, slots=True)
class Wanted:
    """``with_setup``: nothing was paid yet, so the set-up fee is due with it."""

    price: Price
    version: PlanVersion
    quantity: int
    with_setup: bool = False


@dataclass(frozen=True, slots=True)
class QuotedChange:
    """The period that replaces what is left, from ``effective_at`` to ``ends_at``, and the lines of its invoice."""

    lines: tuple[ChargeLine, ...]
    effective_at: datetime
    ends_at: datetime
    anchor_at: datetime


def quote_change(running: Running, wanted: Wanted, *, at: datetime, language: str) -> QuotedChange:
    """The unused time is given back to the second, the new plan is paid from ``at``: to the same end when it is paid
    by the same interval, otherwise for a whole interval of its own."""
    price = wanted.price
    keeps_rhythm = (price.interval, price.interval_count) == (running.price.interval, running.price.interval_count)
    keeps_rhythm = keeps_rhythm and running.ends_at > at
    anchor_at = running.anchor_at if keeps_rhythm else at
    ends_at = running.ends_at if keeps_rhythm else _whole_interval(running, price, at=at)
    charges = lines_for_period(
        plan_version=wanted.version, price=price, quantity=wanted.quantity,
        starts_at=at, ends_at=ends_at, language=language, with_setup=wanted.with_setup,
    )  # fmt: skip
    if keeps_rhythm:
        rhythm = Rhythm(anchor_at, running.zone, price.interval, price.interval_count)
        charges = [_for_the_rest(line, rhythm=rhythm) for line in charges]
    credits = _credits(running, is_tax_inclusive=price.is_tax_inclusive, at=at, language=language)
    return QuotedChange((*charges, *credits), at, ends_at, anchor_at)


def _whole_interval(running: Running, price: Price, *, at: datetime) -> datetime:
    return end_of_period(price, starts_at=at, anchor_at=at, zone=running.zone)


def _for_the_rest(line: ChargeLine, *, rhythm: Rhythm) -> ChargeLine:
    if line.starts_at is None or line.ends_at is None:  # a set-up fee is of no span
        return line
    return replace(
        line, amount=price_of_span(line.amount, starts_at=line.starts_at, ends_at=line.ends_at, rhythm=rhythm)
    )


def _credits(running: Running, *, is_tax_inclusive: bool, at: datetime, language: str) -> list[ChargeLine]:
    gross, net = unused_of(running.spans, at=at, currency=running.price.currency)
    amount: Money = gross if is_tax_inclusive else net
    if not amount.is_positive:
        return []
    plan = plan_of(running.price.plan_id)
    with translation.override(language):
        description = gettext("Unused time of %(plan)s") % {"plan": plan.name(language)}
    ends_at = max((span.ends_at for span in running.spans), default=running.ends_at)
    return [
        ChargeLine(
            "credit", description, -amount,
            starts_at=at, ends_at=max(ends_at, at), plan=plan.id, price=running.price.id,
        )
    ]  # fmt: skip
