"""What the database keeps true about subscriptions, periods and prices, whoever writes."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from memberships.catalogue.known import newest_version
from memberships.models import Period, Price, Subscription
from merchants.models import Merchant
from paycore.clock import database_now
from tests.accounts.factories import UserFactory
from tests.memberships.factories import make_catalogue
from tests.memberships.members import make_member

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def price(platform: Merchant) -> Price:
    return make_catalogue()


@pytest.fixture
def member(price: Price) -> Subscription:
    return make_member(UserFactory(), price)


def add_period(member: Subscription, **more: Any) -> Period:
    running = member.periods.get(number=1)
    fields = {
        "number": 2, "status": "paid", "starts_at": running.ends_at, "ends_at": running.ends_at + 30 * DAY,
        "plan_version": newest_version(member.plan_id), "price_id": member.price_id,
    }  # fmt: skip
    return Period.objects.create(subscription=member, **{**fields, **more})


def test_periods_that_count_cannot_overlap(member: Subscription) -> None:
    running = member.periods.get()
    with pytest.raises(IntegrityError, match="period_no_two_at_once"), transaction.atomic():
        add_period(member, starts_at=running.ends_at - timedelta(microseconds=1))
    add_period(member)


def test_a_revoked_period_makes_room_again(member: Subscription) -> None:
    Period.objects.update(status="revoked")
    running = member.periods.get()
    assert add_period(member, starts_at=running.starts_at, ends_at=running.ends_at).number == 2


def test_a_number_is_used_once(member: Subscription) -> None:
    with pytest.raises(IntegrityError, match="period_once"), transaction.atomic():
        add_period(member, number=1)


def test_one_period_waits_for_money_at_a_time(member: Subscription) -> None:
    first = add_period(member, status="open")
    with pytest.raises(IntegrityError, match="period_one_open"), transaction.atomic():
        add_period(member, number=3, status="open", starts_at=first.ends_at, ends_at=first.ends_at + DAY)


@pytest.mark.parametrize("days", [0, -1])
def test_a_period_runs_forward(member: Subscription, days: int) -> None:
    end = member.periods.get().ends_at
    with pytest.raises((IntegrityError, DatabaseError)), transaction.atomic():
        add_period(member, ends_at=end + days * DAY)


@pytest.mark.parametrize(("before", "after"), [("paid", "void"), ("paid", "open"), ("revoked", "paid")])
def test_a_period_moves_by_its_table(member: Subscription, before: str, after: str) -> None:
    if before == "revoked":
        Period.objects.update(status="revoked")
    with pytest.raises(DatabaseError, match=r"[Tt]ransition"), transaction.atomic():
        Period.objects.update(status=after)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"quantity": 0}, "subscription_bounded"),
        ({"quantity": 10_001}, "subscription_bounded"),
        ({"credit_minor": -1}, "subscription_bounded"),
        ({"due_at": None}, "subscription_live_is_looked_at"),
        ({"currency": ""}, "subscription_web_has_price"),
        ({"price": None}, "subscription_web_has_price"),
        ({"status": "ended"}, "subscription_ended_rests"),
    ],
)
def test_a_subscriptions_row_is_bounded(member: Subscription, change: dict[str, Any], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Subscription.objects.filter(id=member.id).update(**change)


def test_what_ended_stays_ended(member: Subscription) -> None:
    now = database_now()
    Subscription.objects.filter(id=member.id).update(status="ended", ended_at=now, due_at=None, notice_at=None)
    with pytest.raises(DatabaseError, match=r"[Tt]ransition"), transaction.atomic():
        Subscription.objects.filter(id=member.id).update(status="active", due_at=now)


def test_what_a_price_says_never_changes(price: Price) -> None:
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        Price.objects.filter(id=price.id).update(amount_minor=1)
    with pytest.raises(IntegrityError, match="price_one_active_per_interval"), transaction.atomic():
        Price.objects.create(plan=price.plan, currency="USD", amount_minor=2999)
    Price.objects.filter(id=price.id).update(is_active=False)
    Price.objects.create(plan=price.plan, currency="USD", amount_minor=2999)
