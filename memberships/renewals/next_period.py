"""What the next period of a subscription will be: plan, price, span and what it costs. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from memberships.catalogue.known import newest_version, price_of
from memberships.invoices.drafting import ChargeLine, Discount, Draft, draft_invoice
from memberships.invoices.tax import tax_for
from memberships.models import PlanVersion, Price, Subscription
from memberships.subscriptions.calendar import period_end
from memberships.subscriptions.pricing import lines_for_period


@dataclass(frozen=True, slots=True)
class NextPeriod:
    """``lines`` are what it costs before discounts, tax and credit."""

    subscription: Subscription
    number: int
    price: Price
    plan_version: PlanVersion
    quantity: int
    anchor_at: datetime
    starts_at: datetime
    ends_at: datetime
    language: str
    lines: Sequence[ChargeLine] = field(default=())

    @property
    def subtotal_minor(self) -> int:
        return sum(line.amount.minor for line in self.lines)


def next_period(subscription: Subscription, *, number: int, prices: Mapping[str, Price], language: str) -> NextPeriod:
    """The one that starts where the present one ends. ``prices``: what price changes say, by
    subscription; a price that the member chose goes before. After a trial the calendar begins with its end."""
    price = _price(subscription, prices)
    # A start ahead without a trial is active before it has a period.
    is_first_paid = subscription.status == Subscription.Status.TRIALING or not subscription.period_number
    starts_at = subscription.period_ends_at
    if starts_at is None:
        raise ValueError("what renews has a period")
    anchor_at = starts_at if is_first_paid else subscription.anchor_at or starts_at
    ends_at = period_end(
        starts_at,
        anchor_at=anchor_at,
        zone=subscription.time_zone,
        interval=price.interval,
        interval_count=price.interval_count,
    )
    version = newest_version(price.plan_id)
    quantity = subscription.next_quantity or subscription.quantity
    lines = lines_for_period(
        plan_version=version,
        price=price,
        quantity=quantity,
        starts_at=starts_at,
        ends_at=ends_at,
        language=language,
        with_setup=is_first_paid,
    )
    return NextPeriod(
        subscription, number, price, version, quantity, anchor_at, starts_at, ends_at, language, tuple(lines)
    )


def draft_of(period: NextPeriod, *, discount: Discount | None, now: datetime) -> Draft:
    """With the tax of the day and the member's credit."""
    subscription = period.subscription
    tax = tax_for(subscription.country, on=now.date(), is_inclusive=period.price.is_tax_inclusive)
    return draft_invoice(period.lines, tax=tax, discounts=[discount] if discount else (), credit=subscription.credit)


def _price(subscription: Subscription, prices: Mapping[str, Price]) -> Price:
    if subscription.next_price_id:
        return price_of(subscription.next_price_id)
    if subscription.price_id is None:
        raise ValueError("what is sold here has a price")
    return prices.get(subscription.id) or price_of(subscription.price_id)
