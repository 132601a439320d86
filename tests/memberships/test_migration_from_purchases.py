"""Plans and months bought before there were tiers and subscriptions, after the migrations: nobody loses a day."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.quick_migrations import quick_migrations

BEFORE, AFTER = ("memberships", "0002_initial"), ("memberships", "0005_tier_required")
STARTS_AT, ENDS_AT = datetime(2026, 11, 1, 8, tzinfo=UTC), datetime(2026, 12, 1, 8, tzinfo=UTC)
EMPTY = "test_paycore_migrated"


@pytest.fixture
def empty_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database of its own: the tests' one is not taken back in time."""
    settings = connection.settings_dict
    own = settings["NAME"]
    with django_db_blocker.unblock():
        _execute(f"DROP DATABASE IF EXISTS {EMPTY}", f"CREATE DATABASE {EMPTY}")
        connection.close()
        settings["NAME"] = EMPTY
        try:
            yield
        finally:
            connection.close()
            settings["NAME"] = own
            _execute(f"DROP DATABASE {EMPTY}")
            connection.close()


def _execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def migrate(target: tuple[str, str]) -> Any:
    """The models as they were at ``target``."""
    executor = MigrationExecutor(connection)
    with quick_migrations():
        return executor.migrate([target]).apps


@pytest.mark.slow
def test_a_plan_and_a_month_that_was_bought_survive(empty_database: None) -> None:
    old = migrate(BEFORE)
    user = old.get_model("accounts", "User").objects.create(email="ada@example.com", password="x")
    merchant = old.get_model("merchants", "Merchant").objects.create(name="Paycore", country="US")
    plans, prices = old.get_model("memberships", "Plan").objects, old.get_model("memberships", "Price").objects
    free = plans.create(code="free", name_en="Free", name_zh="免费版", rank=0, features={"exports": 3})
    gold = plans.create(code="gold", name_en="Gold", name_zh="黄金版", rank=4, features={"exports": None, "seats": 2})
    price = prices.create(plan=gold, currency="USD", amount_minor=999)
    order = old.get_model("payments", "Order").objects.create(
        merchant=merchant,
        merchant_order_number="M-1",
        currency="USD",
        amount_minor=999,
        description="Gold, one month",
        status="paid",
        paid_at=STARTS_AT,
        expires_at=ENDS_AT,
        user=user,
    )
    purchase = old.get_model("memberships", "Purchase").objects.create(user=user, price=price, order=order)
    span = {"user": user, "plan": gold, "purchase": purchase, "starts_at": STARTS_AT, "ends_at": ENDS_AT}
    period = old.get_model("memberships", "Period").objects.create(**span)

    new = migrate(AFTER)

    plan = new.get_model("memberships", "Plan").objects.select_related("tier").get(id=gold.id)
    assert (plan.code, plan.name_zh, plan.is_active) == ("gold", "黄金版", True)
    assert (plan.tier.code, plan.tier.rank, plan.tier.name_en) == ("gold", 4, "Gold")
    versions = new.get_model("memberships", "PlanVersion").objects
    assert versions.get(plan=plan).features == {"exports": None, "seats": 2}
    assert versions.get(plan_id=free.id).features == {"exports": 3}
    features = new.get_model("memberships", "Feature").objects.order_by("code")
    assert list(features.values_list("code", "kind", "reset")) == [
        ("exports", "metered", "month"),
        ("seats", "metered", "month"),
    ]
    kept = new.get_model("memberships", "Price").objects.get(id=price.id)
    assert (kept.amount_minor, kept.currency, kept.interval, kept.interval_count) == (999, "USD", "month", 1)
    grant = new.get_model("memberships", "Grant").objects.get(id=period.id)
    assert (grant.user_id, grant.plan_id, grant.order_id, grant.source) == (user.id, gold.id, order.id, "purchase")
    assert (grant.starts_at, grant.ends_at, grant.revoked_at) == (STARTS_AT, ENDS_AT, None)
