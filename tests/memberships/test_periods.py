"""What the database keeps true about plans, prices and periods."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta
from django.db import DatabaseError, IntegrityError, transaction

from memberships.models import Period, Plan, Price, Purchase
from memberships.queries import membership_of, paid_until
from memberships.services import activate_purchase, buy_membership, revoke_purchase
from payments.orders.models import Order
from tests.accounts.factories import UserFactory
from tests.flows.conftest import premium_price  # noqa: F401 a fixture

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def bought(user: Any, price: Price) -> Order:
    return buy_membership(user, price_id=price.id)


def test_periods_of_one_plan_cannot_overlap(premium_price: Price) -> None:  # noqa: F811
    user = UserFactory()
    first, second = bought(user, premium_price), bought(user, premium_price)
    period = activate_purchase(first.id)
    assert period is not None
    with pytest.raises(IntegrityError, match="period_no_overlap"), transaction.atomic():
        Period.objects.create(
            user=user, plan=premium_price.plan, purchase=Purchase.objects.get(order=second),
            starts_at=period.ends_at - DAY, ends_at=period.ends_at + DAY,
        )  # fmt: skip


def test_a_revoked_period_makes_room_again(premium_price: Price) -> None:  # noqa: F811
    user = UserFactory()
    first, second = bought(user, premium_price), bought(user, premium_price)
    activate_purchase(first.id)
    revoked = revoke_purchase(first.id)
    again = activate_purchase(second.id)
    assert revoked is not None
    assert again is not None
    assert again.starts_at < revoked.ends_at
    assert revoke_purchase(first.id) is None


def test_months_bought_ahead_follow_each_other(premium_price: Price) -> None:  # noqa: F811
    user = UserFactory()
    periods = [activate_purchase(bought(user, premium_price).id) for _month in range(3)]
    spans = [(period.starts_at, period.ends_at) for period in periods if period]
    assert [start for start, _end in spans[1:]] == [end for _start, end in spans[:-1]]
    assert all(end == start + relativedelta(months=1) for start, end in spans)
    assert paid_until(user, plan=premium_price.plan, now=spans[0][0]) == spans[-1][1]


def test_a_month_from_the_last_of_january_ends_in_february() -> None:
    assert datetime(2026, 1, 31, tzinfo=UTC) + relativedelta(months=1) == datetime(2026, 2, 28, tzinfo=UTC)


def test_a_period_ends_at_its_end(premium_price: Price) -> None:  # noqa: F811
    user = UserFactory()
    period = activate_purchase(bought(user, premium_price).id)
    assert period is not None
    assert membership_of(user, now=period.ends_at - timedelta(microseconds=1)).period == period
    ended = membership_of(user, now=period.ends_at)
    assert ended.period is None
    assert ended.plan is not None
    assert ended.plan.code == "free"


def test_an_order_that_bought_nothing_activates_nothing(premium_price: Price) -> None:  # noqa: F811
    assert activate_purchase("ord_of_a_merchant") is None
    assert revoke_purchase("ord_of_a_merchant") is None
    assert Period.objects.count() == 0


def test_what_a_price_says_never_changes(premium_price: Price) -> None:  # noqa: F811
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        Price.objects.filter(id=premium_price.id).update(amount_minor=1)
    with pytest.raises(IntegrityError, match="price_one_active_per_currency"), transaction.atomic():
        Price.objects.create(plan=premium_price.plan, currency="USD", amount_minor=2999)
    Price.objects.filter(id=premium_price.id).update(is_active=False)
    Price.objects.create(plan=premium_price.plan, currency="USD", amount_minor=2999)


def test_who_bought_keeps_the_price_that_was_bought(premium_price: Price) -> None:  # noqa: F811
    order = bought(UserFactory(), premium_price)
    Price.objects.filter(id=premium_price.id).update(is_active=False)
    assert Purchase.objects.get(order=order).price == premium_price
    assert activate_purchase(order.id) is not None


def test_there_is_one_plan_of_a_rank(premium_price: Price) -> None:  # noqa: F811
    with pytest.raises(IntegrityError), transaction.atomic():
        Plan.objects.create(code="other", name_en="x", name_zh="x", rank=0)
