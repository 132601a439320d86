"""Whom a price change touches, whom it leaves alone and why, and what it is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from django.db.models import Case, Count, F, IntegerField, QuerySet, Sum, TextField, Value, When
from django.db.models.functions import Cast, Greatest

from memberships.catalogue.known import newest_version
from memberships.models import Price, PriceChange, Subscription
from paycore.money import Money

_TIMES_A_YEAR = {"day": 365, "week": 52, "month": 12, "quarter": 4, "year": 1}

TOUCHED = ""
ENDED, NOT_STARTED, LEAVING, CHANGING = "ended", "not_started", "leaving", "changing"


@dataclass(frozen=True, slots=True)
class DryRun:
    """``exempt`` counts members by why they are left alone, ``by_status`` those who are not; ``seats`` are those paid
    beside the plan."""

    members: int
    seats: int
    by_status: Mapping[str, int]
    exempt: Mapping[str, int]
    yearly_difference: Money


def touched_by(change: PriceChange) -> "QuerySet[Subscription]":
    found: QuerySet[Subscription] = everybody(change).filter(exempt=TOUCHED)
    return found


def everybody(change: PriceChange) -> "QuerySet[Any]":
    """Who pays or paid the old price, with ``exempt``: why they are left alone, empty for those who are not."""
    reason = Case(
        When(status=Subscription.Status.ENDED, then=Value(ENDED)),
        When(status=Subscription.Status.INCOMPLETE, then=Value(NOT_STARTED)),
        When(cancel_at_period_end=True, then=Value(LEAVING)),
        When(next_price__isnull=False, then=Value(CHANGING)),
        default=Value(TOUCHED),
        output_field=TextField(),
    )
    return Subscription.objects.filter(price=change.from_price_id).annotate(exempt=reason)


def dry_run(change: PriceChange) -> DryRun:
    """As things stand now. Nothing is written."""
    included = newest_version(change.from_price.plan_id).seats_included
    extra = Greatest(Cast(F("quantity"), IntegerField()) - included, 0)
    rows = everybody(change).values("exempt", "status").annotate(members=Count("id"), paid_seats=Sum(extra)).order_by()
    by_status: dict[str, int] = {}
    exempt: dict[str, int] = {}
    members = seats = 0
    for row in rows:
        if row["exempt"] == TOUCHED:
            by_status[row["status"]] = row["members"]
            members, seats = members + row["members"], seats + row["paid_seats"]
        else:
            exempt[row["exempt"]] = exempt.get(row["exempt"], 0) + row["members"]
    return DryRun(members, seats, by_status, exempt, _a_year(change, members=members, seats=seats))


def amount_of(subscription: Subscription, price: Price) -> Money:
    """What one interval costs this member at ``price``, before tax and discounts."""
    included = newest_version(subscription.plan_id).seats_included
    return price.amount_for(seats=subscription.next_quantity or subscription.quantity, included=included)


def _a_year(change: PriceChange, *, members: int, seats: int) -> Money:
    old, new = change.from_price, change.to_price
    each_time = (new.amount_minor - old.amount_minor) * members
    each_time += (new.seat_amount_minor - old.seat_amount_minor) * seats
    times = Fraction(_TIMES_A_YEAR[old.interval], old.interval_count)
    return Money(round(each_time * times), old.currency)
