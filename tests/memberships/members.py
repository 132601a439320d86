"""Members with a running subscription, made by rows: for tests about what may happen to one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from accounts.models import User
from memberships.catalogue.known import newest_version
from memberships.gifts.services import GiftDraft, buy_gift
from memberships.models import Gift, Grant, Period, Price, Seat, Subscription
from memberships.seats.services import invite
from memberships.subscriptions.calendar import period_end
from memberships.transitions import LIVE
from merchants.models import Merchant
from paycore.clock import database_now
from tests.memberships.factories import make_plan, make_price


def make_member(user: User, price: Price, *, started: datetime | None = None, **more: Any) -> Subscription:
    """An active one in its first paid period, which began ten days ago; an incomplete or ended one has none."""
    starts_at = started or database_now() - timedelta(days=10)
    status = more.pop("status", "active")
    zone = more.pop("time_zone", "UTC")
    ends_at = period_end(
        starts_at, anchor_at=starts_at, zone=zone, interval=price.interval, interval_count=price.interval_count
    )
    fields: dict[str, Any] = {
        "anchor_at": starts_at,
        "starts_at": starts_at,
        "period_number": 1,
        "period_started_at": starts_at,
        "period_ends_at": ends_at,
        "due_at": ends_at,
        "currency": price.currency,
    }
    if status in ("paused", "suspended", "ended"):
        fields["due_at"] = None
    if status == "ended":
        fields["ended_at"] = database_now()
    fields |= more
    subscription = Subscription.objects.create(
        user=user, plan_id=price.plan_id, price=price, status=status, time_zone=zone, **fields
    )
    Period.objects.create(
        subscription=subscription,
        number=1,
        kind="trial" if status == "trialing" else "paid",
        status="paid",
        plan_version=newest_version(price.plan_id),
        price=price,
        quantity=subscription.quantity,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    return subscription


def make_store_member(user: User, price: Price) -> Subscription:
    """Sold by the App Store, for a month from now."""
    now = database_now()
    return Subscription.objects.create(
        user=user,
        rail="app_store",
        status="active",
        plan_id=price.plan_id,
        store_reference="2000000123",
        period_number=1,
        period_started_at=now,
        period_ends_at=now + timedelta(days=30),
    )


def grants_of(user: User) -> list[Grant]:
    return list(Grant.objects.filter(user=user).order_by("starts_at"))


@dataclass
class Family:
    subscription: Subscription
    seat: Seat
    gift: Gift


def make_family(owner: User) -> Family:
    """A membership with a seat that was offered, and a gift that waits for its money."""
    if not Merchant.objects.filter(is_platform=True).exists():
        Merchant.objects.create(name="Paycore", country="US", status="approved", is_platform=True)
    price = make_price(make_plan("platinum", seats=(4, 4)))
    live = Subscription.objects.filter(user=owner, status__in=LIVE).first()
    subscription = live or make_member(owner, price)
    Subscription.objects.filter(id=subscription.id).update(quantity=4)
    now = database_now()
    seat = invite(subscription.id, owner=owner, email="invited@example.com", now=now)
    return Family(subscription, seat, buy_gift(GiftDraft(buyer=owner, price_id=price.id), now=now))
