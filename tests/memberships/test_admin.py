"""Plans, their prices, and what was bought, as staff see them."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from accounts.models import User
from memberships.models import Period, Plan, Price, Purchase
from memberships.services import buy_membership
from merchants.models import Merchant
from paycore.clock import now
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ops() -> Client:
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def plan(db: None) -> Plan:
    return Plan.objects.create(code="premium", name_en="Premium", name_zh="高级", rank=1, features={"export": 10})


@pytest.fixture
def price(plan: Plan) -> Price:
    return Price.objects.create(plan=plan, currency="USD", amount_minor=999)


@pytest.fixture
def period(platform: Merchant, price: Price) -> Period:
    user: User = make_user()
    order = buy_membership(user, price_id=price.id)
    starts_at = now()
    return Period.objects.create(
        user=user,
        plan=price.plan,
        purchase=Purchase.objects.get(order=order),
        starts_at=starts_at,
        ends_at=starts_at + timedelta(days=30),
    )


def page(row: Any, action: str = "change") -> str:
    return reverse(f"ops:memberships_{row._meta.model_name}_{action}", args=[quote(row.pk)])


def plan_form(plan: Plan, *rows: dict[str, str], **fields: str) -> dict[str, str]:
    form = {"name_en": plan.name_en, "name_zh": plan.name_zh, "rank": str(plan.rank), "is_active": "on"}
    form |= {"features": '{"export": 10}', **fields}
    existing = sum("id" in row for row in rows)
    form |= {"prices-TOTAL_FORMS": str(len(rows)), "prices-INITIAL_FORMS": str(existing)}
    for position, row in enumerate(rows):
        form |= {f"prices-{position}-{name}": value for name, value in row.items()}
        form[f"prices-{position}-plan"] = plan.id
    return form


def test_a_plan_is_changed_and_its_code_is_not(ops: Client, plan: Plan) -> None:
    assert ops.post(page(plan), plan_form(plan, name_en="Premium+", code="other")).status_code == 302

    plan.refresh_from_db()
    assert (plan.name_en, plan.code) == ("Premium+", "premium")


def test_a_new_price_takes_the_place_of_the_old_one(ops: Client, plan: Plan, price: Price) -> None:
    old = {"id": price.id, "is_active": "on"}
    new = {"currency": "USD", "major": "12.50", "is_active": "on"}

    assert ops.post(page(plan), plan_form(plan, old, new)).status_code == 302

    price.refresh_from_db()
    assert (price.amount_minor, price.is_active) == (999, False)
    assert Price.objects.get(is_active=True).amount_minor == 1250


def test_a_price_in_another_currency_leaves_the_others_on_sale(ops: Client, plan: Plan, price: Price) -> None:
    old = {"id": price.id, "is_active": "on"}

    ops.post(page(plan), plan_form(plan, old, {"currency": "JPY", "major": "1500", "is_active": "on"}))

    assert set(Price.objects.filter(is_active=True).values_list("currency", "amount_minor")) == {
        ("USD", 999),
        ("JPY", 1500),
    }


def test_the_amount_of_a_price_never_changes_but_its_sale_can_end(ops: Client, plan: Plan, price: Price) -> None:
    answer = ops.post(page(plan), plan_form(plan, {"id": price.id, "currency": "EUR", "major": "1.00"}))

    price.refresh_from_db()
    assert answer.status_code == 302
    assert (price.amount_minor, price.currency, price.is_active) == (999, "USD", False)


def test_a_sale_that_ended_is_not_begun_again(ops: Client, plan: Plan, price: Price) -> None:
    Price.objects.update(is_active=False)

    ops.post(page(plan), plan_form(plan, {"id": price.id, "is_active": "on"}))

    price.refresh_from_db()
    assert not price.is_active


@pytest.mark.parametrize("major", ["0", "-1", "1.005", "cheap"])
def test_an_impossible_price_changes_nothing(ops: Client, plan: Plan, price: Price, major: str) -> None:
    new = {"currency": "USD", "major": major, "is_active": "on"}

    answer = ops.post(page(plan), plan_form(plan, {"id": price.id, "is_active": "on"}, new, name_en="Changed"))

    plan.refresh_from_db()
    assert answer.status_code == 200
    assert plan.name_en == "Premium"
    assert Price.objects.get().is_active


def test_two_new_prices_in_one_currency_are_refused(ops: Client, plan: Plan) -> None:
    rows = [{"currency": "USD", "major": major, "is_active": "on"} for major in ("5", "6")]

    assert ops.post(page(plan), plan_form(plan, *rows)).status_code == 200
    assert not Price.objects.exists()


def test_plans_are_listed_with_what_they_cost(ops: Client, plan: Plan, price: Price) -> None:
    Price.objects.create(plan=plan, currency="CNY", amount_minor=100, is_active=False)

    text = ops.get(reverse("ops:memberships_plan_changelist")).content.decode()

    assert "$9.99" in text
    assert "CN¥" not in text


def test_what_was_bought_can_be_read_and_not_edited(ops: Client, period: Period) -> None:
    for row, fact in ((period, "Running"), (period.purchase, "$9.99")):
        listed = reverse(f"ops:memberships_{row._meta.model_name}_changelist")
        assert fact in ops.get(listed, {"q": period.user.email}).content.decode()
        assert fact in ops.get(page(row)).content.decode()
        assert ops.post(page(row), {"revoked_at": ""}).status_code == 403
        assert ops.post(page(row, "delete"), {"post": "yes"}).status_code == 403
    assert Period.objects.get().revoked_at is None


def test_no_plan_is_deleted(ops: Client, plan: Plan) -> None:
    assert ops.post(page(plan, "delete"), {"post": "yes"}).status_code == 403
    assert Plan.objects.filter(id=plan.id).exists()
