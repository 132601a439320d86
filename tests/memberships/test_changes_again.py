"""A second change before the first is paid, and a change on trial: credit and given time stay the member's."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from memberships.models import Invoice, Period, Price, Subscription
from memberships.subscriptions.bonus import append_bonus
from memberships.subscriptions.recording import Why, lock_subscription
from merchants.models import Merchant
from paycore.clock import database_now
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole
from tests.memberships.billing import broken_checks
from tests.memberships.factories import make_catalogue, make_plan, make_price
from tests.memberships.joining import assert_tiled, do, join, pay, spans, subscribe, travel
from tests.payments.promotions.factories import make_promotion

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sandbox(settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True


@pytest.fixture
def premium(platform: Merchant) -> Price:
    return make_catalogue()


def test_a_second_thought_uses_the_credit_that_the_first_one_held(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    platinum = Price.objects.get(plan__code="platinum")
    gold = make_price(make_plan("gold", tier="platinum"), 9_000)
    member = join(app_user, platinum)
    credit = do(app_user, member, "change", price=premium.id)["credit_minor"]

    first = do(app_user, member, "change", price=gold.id)
    looked = do(app_user, member, "preview", price=gold.id)
    second = do(app_user, member, "change", price=gold.id, quoted_at=looked["effective_at"])

    assert first["invoice"]["credit_minor"] == second["invoice"]["credit_minor"] == credit
    assert second["invoice"]["due_minor"] == looked["invoice"]["due_minor"]
    assert Invoice.objects.get(id=first["invoice"]["id"]).status == "void"
    member.refresh_from_db()
    assert member.credit_minor == 0
    pay(app_user, second["order"])
    assert not broken_checks()
    assert_books_are_whole()


def test_a_trial_that_becomes_another_plans_keeps_the_time_that_was_given(app_user: AppUser, premium: Price) -> None:
    yearly = make_price(premium.plan, 19_900, interval="year", trial_days=14)
    quarterly = make_price(premium.plan, 5_400, interval="quarter", trial_days=7)
    trial = Subscription.objects.get(id=subscribe(app_user, yearly)["id"])
    with transaction.atomic():
        row = lock_subscription(trial.id)
        append_bonus(row, Why("bonus", "system", database_now()), interval="month", interval_count=1)
    trial.refresh_from_db()
    before = trial.period_ends_at
    travel(app_user, days=2)

    looked = do(app_user, trial, "preview", price=quarterly.id)
    changed = do(app_user, trial, "change", price=quarterly.id)

    trial.refresh_from_db()
    assert trial.period_ends_at == trial.due_at == trial.trial_ends_at == before
    assert looked["period_ends_at"] == changed["period_ends_at"]
    assert sorted(spans(trial)) == [(1, "trial", "paid"), (2, "bonus", "paid"), (3, "trial", "paid")]
    assert_tiled(trial)


def test_a_change_while_given_time_runs_bills_one_interval_at_most(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    platinum = Price.objects.get(plan__code="platinum")
    member = join(app_user, premium)
    with transaction.atomic():
        row = lock_subscription(member.id)
        given = append_bonus(row, Why("bonus", "system", database_now()), interval="year", interval_count=1)
    travel(app_user, days=(given.starts_at - database_now()).days + 11)
    left = given.ends_at - database_now(subject=member.user_id)

    changed = do(app_user, member, "change", price=platinum.id)
    assert changed["order"]["amount_minor"] == 4_999
    pay(app_user, changed["order"])

    last = Period.objects.filter(subscription=member, status="paid").latest("starts_at")
    assert abs(last.ends_at - last.starts_at - left) < timedelta(minutes=5)
    assert_tiled(member)
    assert_books_are_whole()


def test_free_days_of_a_code_are_not_carried_to_a_plan_that_it_is_not_for(
    app_user: AppUser, account: GatewayAccount, premium: Price, platform: Merchant
) -> None:
    make_promotion(platform, "MONTH", kind="free_days", free_days=30, plans=["premium"])
    platinum = Price.objects.get(plan__code="platinum")
    yearly = make_price(premium.plan, 19_900, interval="year")
    starts_at = (database_now() + timedelta(days=10)).isoformat()
    made = subscribe(app_user, premium, starts_at=starts_at, promotion_code="MONTH")
    member = Subscription.objects.get(id=made["id"])
    do(app_user, member, "change", price=platinum.id)
    member.refresh_from_db()
    assert member.trial_ends_at is None
    do(app_user, member, "change", price=yearly.id)
    member.refresh_from_db()
    assert member.starts_at is not None
    assert member.trial_ends_at == member.starts_at + timedelta(days=30)


def test_a_trial_of_free_days_is_not_carried_to_a_plan_that_they_are_not_for(
    app_user: AppUser, account: GatewayAccount, premium: Price, platform: Merchant
) -> None:
    make_promotion(platform, "MONTH", kind="free_days", free_days=30, plans=["premium"])
    gold = make_price(make_plan("gold", tier="platinum"), 9_000, trial_days=3)
    trial = Subscription.objects.get(id=subscribe(app_user, premium, promotion_code="MONTH")["id"])
    assert trial.status == "trialing"
    looked = do(app_user, trial, "preview", price=gold.id)
    changed = do(app_user, trial, "change", price=gold.id)
    assert looked["invoice"]["due_minor"] == changed["order"]["amount_minor"] == 9_000
    assert spans(trial) == [(1, "trial", "paid")]
