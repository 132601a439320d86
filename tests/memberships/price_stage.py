"""Members of an old price, and a new one on sale, for tests of price changes."""

from datetime import datetime, timedelta
from typing import Any

from memberships.models import Period, PlanVersion, Price, PriceChange, Subscription
from memberships.price_changes.announcing import Draft, create_change
from paycore.clock import database_now
from tests.memberships.factories import make_plan, make_price
from tests.merchants.factories import make_user

DAY = timedelta(days=1)


def make_prices(*, old: int = 1999, new: int = 2299, **terms: Any) -> tuple[Price, Price]:
    """Of Premium by the month in dollars; the old one is not on sale any more."""
    plan = make_plan("premium", features={"exports": 100}, seats=terms.pop("seats", (1, 1)))
    seat_amounts = terms.pop("seat_amounts", (0, 0))
    before = make_price(plan, old, is_active=False, seat_amount_minor=seat_amounts[0], **terms)
    return before, make_price(plan, new, seat_amount_minor=seat_amounts[1], **terms)


def make_member(price: Price, *, ends_in: timedelta = 10 * DAY, **fields: Any) -> Subscription:
    """Somebody in their first paid month, which ends in ten days."""
    now = database_now()
    ends_at = now + ends_in
    member = Subscription.objects.create(
        **{
            "user": make_user(),
            "status": "active",
            "plan": price.plan,
            "price": price,
            "currency": price.currency,
            "anchor_at": ends_at - 31 * DAY,
            "period_number": 1,
            "period_started_at": ends_at - 31 * DAY,
            "period_ends_at": ends_at,
            "due_at": ends_at,
        }
        | fields
    )
    if member.period_ends_at is not None:
        Period.objects.create(
            subscription=member,
            number=1,
            status="paid",
            plan_version=PlanVersion.objects.filter(plan=price.plan).latest("number"),
            price=price,
            starts_at=ends_at - 31 * DAY,
            ends_at=ends_at,
        )
    return member


def make_change(prices: tuple[Price, Price], **terms: Any) -> PriceChange:
    """A draft that nobody was told of."""
    author = terms.pop("author", None) or make_user(is_staff=True)
    return create_change(Draft(prices[0].id, prices[1].id, created_by_id=author.pk, **terms))


def another_person() -> str:
    return str(make_user(is_staff=True).pk)


def in_days(days: int) -> datetime:
    return database_now() + days * DAY
