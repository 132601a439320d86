"""Pausing with time that somebody gave: it stays time, is never turned into money, and is never billed."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from memberships.actions.services import Wish, preview
from memberships.checks import run_all_checks
from memberships.gifts.redeeming import redeem
from memberships.gifts.taking_back import take_back_gift
from memberships.models import Pause, Period, Price, Subscription
from memberships.subscriptions.bonus import append_bonus
from memberships.subscriptions.recording import Why, lock_subscription
from merchants.models import Merchant
from paycore.clock import database_now
from payments.orders.models import Refund
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole, run_background
from tests.memberships.factories import make_catalogue, make_price
from tests.memberships.joining import assert_tiled, do, join, pay, spans, subscribe, travel
from tests.memberships.test_gifts import paid_gift

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sandbox(settings: Any) -> None:
    settings.PAYCORE_SANDBOX_MODE = True


@pytest.fixture
def premium(platform: Merchant) -> Price:
    return make_catalogue()


def give_a_year(member: Subscription) -> Period:
    with transaction.atomic():
        row = lock_subscription(member.id)
        now = database_now(subject=member.user_id)
        return append_bonus(row, Why("bonus", "system", now), interval="year", interval_count=1)


def end_of(member: Subscription) -> datetime:
    member.refresh_from_db()
    assert member.period_ends_at is not None
    return member.period_ends_at


def pause_for_a_while(user: AppUser, member: Subscription, **by: float) -> None:
    do(user, member, "pause")
    assert not [finding for finding in run_all_checks() if finding.code == "J10"]
    if by:
        travel(user, **by)
    do(user, member, "unpause")


def test_given_time_comes_behind_what_was_bought(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    member = join(app_user, premium)
    year = give_a_year(member)
    before = end_of(member)
    pause_for_a_while(app_user, member, days=40)

    behind = Period.objects.get(subscription=member, number=member.period_number + 2)
    assert spans(member)[1:] == [(2, "bonus", "revoked"), (3, "bonus", "paid"), (4, "bonus", "paid")]
    assert behind.ends_at - behind.starts_at == year.ends_at - year.starts_at
    assert before + timedelta(days=40) <= end_of(member) < before + timedelta(days=40, minutes=5)
    assert (member.status, member.due_at, member.anchor_at) == ("active", behind.ends_at, behind.ends_at)
    assert_tiled(member)
    assert run_all_checks() == []


def test_a_change_after_a_pause_bills_only_what_was_bought(
    app_user: AppUser, account: GatewayAccount, premium: Price
) -> None:
    platinum = Price.objects.get(plan__code="platinum")
    member = join(app_user, premium)
    year = give_a_year(member)
    pause_for_a_while(app_user, member)
    changed = do(app_user, member, "change", price=platinum.id)
    assert changed["order"]["amount_minor"] <= 4999 - 1999 + 1
    pay(app_user, changed["order"])
    last = Period.objects.filter(subscription=member, status="paid").latest("starts_at")
    assert (last.kind, last.ends_at - last.starts_at) == ("bonus", year.ends_at - year.starts_at)
    assert end_of(member) == last.ends_at
    assert_tiled(member)
    assert_books_are_whole()


def test_a_pause_does_not_stretch_the_bought_time_that_a_cancel_gives_back(
    app_user: AppUser, account: GatewayAccount, premium: Price, settings: Any
) -> None:
    settings.PAYCORE_MEMBERSHIP_REFUND = "prorated"
    member = join(app_user, premium)
    give_a_year(member)
    pause_for_a_while(app_user, member)
    travel(app_user, days=27)
    do(app_user, member, "cancel", when="now")
    run_background()
    assert 0 < sum(Refund.objects.values_list("amount_minor", flat=True)) <= 1999 * 4 // 28
    assert_books_are_whole()


def test_given_time_that_runs_is_paused_as_given(app_user: AppUser, account: GatewayAccount, premium: Price) -> None:
    yearly = make_price(premium.plan, 19_900, interval="year")
    member = join(app_user, premium)
    year = give_a_year(member)
    travel(app_user, days=(year.starts_at - database_now()).days + 11)
    left = year.ends_at - database_now(subject=member.user_id)
    pause_for_a_while(app_user, member)
    changed = do(app_user, member, "change", price=yearly.id)
    assert {line["kind"] for line in changed["invoice"]["lines"]} == {"plan"}, "nothing was paid for it"
    pay(app_user, changed["order"])
    last = Period.objects.filter(subscription=member, status="paid").latest("number")
    assert abs((last.ends_at - last.starts_at) - left) < timedelta(minutes=5)
    assert_tiled(member)


def test_a_trial_with_given_time_behind_goes_on_as_both(app_user: AppUser, premium: Price) -> None:
    yearly = make_price(premium.plan, 19_900, interval="year", trial_days=14)
    trial = Subscription.objects.get(id=subscribe(app_user, yearly)["id"])
    give_a_year(trial)
    pause_for_a_while(app_user, trial, days=3)
    assert spans(trial)[2:] == [(3, "trial", "paid"), (4, "bonus", "paid")]
    assert trial.trial_ends_at != end_of(trial) == trial.trial_ends_at
    assert trial.status == "trialing"


@pytest.mark.parametrize("days", [1, 600])
def test_a_gift_whose_money_went_back_during_a_pause_gives_nothing_after_it(
    app_user: AppUser, account: GatewayAccount, premium: Price, days: int, settings: Any
) -> None:
    settings.PAYCORE_PAUSE_MOST_DAYS = 900
    member = join(app_user, premium)
    gift, code = paid_gift(User.objects.create_user(email="bea@example.com", name="Bea"), premium)
    redeem(code, user=app_user.user, now=database_now(subject=member.user_id))
    do(app_user, member, "pause")
    travel(app_user, days=days)
    take_back_gift(gift.invoice, now=database_now(subject=member.user_id))
    do(app_user, member, "unpause")
    given_as = Pause.objects.get().given_as
    assert given_as is not None
    assert end_of(member) == given_as.ends_at, "only what was bought is left"
    assert run_all_checks() == []


def test_a_paused_membership_is_weighed_with_what_it_put_aside(
    app_user: AppUser, account: GatewayAccount, premium: Price, settings: Any
) -> None:
    settings.PAYCORE_MEMBERSHIP_SECOND_PERSON_ABOVE_MINOR = 100
    member = join(app_user, premium)
    do(app_user, member, "pause")
    looked = preview(Wish("cancel_now", "x", [member.id], {"policy": "prorated"}))
    assert looked.amounts["USD"] == Pause.objects.get().unused_minor > 1900
    assert looked.needs_second_person
    nothing = preview(Wish("cancel_now", "x", [member.id], {"policy": "none"}))
    assert not nothing.amounts.get("USD")
