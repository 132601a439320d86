"""Everything at once: copies of one notice, two claimants, a store's purchase against a web membership."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from memberships.models import Grant, Period, Price, StoreAccount, StoreNotice, StorePurchase, Subscription
from memberships.stores.apple.receiving import store_apple_notice
from memberships.stores.door import record_store_state
from memberships.stores.google.simulator import PlaySimulator
from paycore.clock import database_now
from paycore.models import EventRecord
from tests.actors import AppUser
from tests.memberships.stores.apple import AppStore
from tests.memberships.stores.conftest import post_apple, work_off
from tests.memberships.stores.google import Rtdn
from tests.memberships.stores.lives import apple_life, apple_state, days, left_behind
from tests.memberships.stores.test_apple_notices import bought, subscribed
from tests.races.crew import Crew, crew_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.races]


@pytest.fixture
def crew() -> Iterator[Crew]:
    with crew_of(32) as threads:
        yield threads


def codes(deeds: list[Any]) -> Counter[int]:
    errors = [deed.error for deed in deeds if deed.error is not None]
    assert not errors, errors
    return Counter(deed.answer.status_code for deed in deeds)


def test_32_copies_of_one_notice_are_one(
    crew: Crew, app_store: AppStore, app_user: AppUser, account_token: str
) -> None:
    body = app_store.body(subscribed(app_store, token=account_token))
    assert codes(crew.at_once(*[lambda: post_apple(body)] * 32)) == {200: 32}
    assert StoreNotice.objects.count() == 1
    work_off()
    assert (Subscription.objects.count(), Period.objects.count()) == (1, 1)
    assert EventRecord.objects.filter(name="membership.changed").count() == 1


def test_32_copies_of_one_push_are_one(
    crew: Crew, play: PlaySimulator, post_play: Callable[..., Any], app_user: AppUser
) -> None:
    push = Rtdn.subscription("tok-1")
    assert codes(crew.at_once(*[lambda: post_play(push)] * 32)) == {200: 32}
    assert StoreNotice.objects.count() == 1


def test_32_states_at_once_leave_what_they_leave_in_order(
    crew: Crew, app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str
) -> None:
    born_at = (database_now() - days(100)).replace(microsecond=0)
    life = apple_life(app_store, born_at=born_at, account_token=account_token)
    states = [apple_state(app_store, apple_account, notice) for notice in life]
    acts = [lambda state=states[number % 6]: record_store_state(apple_account, state) for number in range(32)]
    deeds = crew.at_once(*acts)
    assert not [deed.error for deed in deeds if deed.error is not None]
    (membership,) = left_behind(apple_account)["memberships"]
    assert (membership["status"], membership["end_reason"]) == ("ended", "refunded")
    assert [period[2] for period in membership["periods"]] == ["paid", "paid", "revoked"]


def test_of_32_claimants_one_has_it(crew: Crew, app_store: AppStore) -> None:
    users = [AppUser.signed_in(f"user{number}@example.com") for number in range(8)]
    signed = app_store.chain.sign(bought(app_store))

    def claim(user: AppUser) -> Any:
        for _again in range(20):
            answer = AppUser(secret=user.secret).post("/stores/app-store/transactions", {"signed_transaction": signed})
            if answer.status_code != 503:  # busy: 32 wait for one row, and a lock is waited for two seconds at most
                break
        return answer

    deeds = crew.at_once(*[lambda user=users[number % 8]: claim(user) for number in range(32)])
    assert codes(deeds) == {201: 4, 409: 28}
    assert Subscription.objects.count() == StorePurchase.objects.count() == 1


def test_two_stores_at_once_leave_one_membership_and_one_grant(
    crew: Crew, app_store: AppStore, play: PlaySimulator, app_user: AppUser, account_token: str
) -> None:
    at = (database_now() - timedelta(minutes=1)).replace(microsecond=0)
    play.sell("tok-1", "platinum_monthly", starts_at=at, ends_at=at + days(30), account_token=account_token)
    signed = app_store.chain.sign(bought(app_store, token=account_token))

    def apple() -> Any:
        caller = AppUser(secret=app_user.secret)
        return caller.post("/stores/app-store/transactions", {"signed_transaction": signed})

    def google() -> Any:
        caller = AppUser(secret=app_user.secret)
        body = {"package": "com.example.app", "purchase_token": "tok-1"}
        return caller.post("/stores/google-play/purchases", body)

    deeds = crew.at_once(apple, google)
    assert codes(deeds) == {201: 2}
    assert sorted(StorePurchase.objects.values_list("state", flat=True)) == ["conflict", "linked"]
    assert (Subscription.objects.count(), Grant.objects.count()) == (1, 1)
    assert Grant.objects.get().plan_id != Subscription.objects.get().plan_id


def test_a_store_against_the_web(
    crew: Crew, app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str
) -> None:
    """One live membership a user, whoever was first."""
    price = Price.objects.get(plan__code="premium")
    at = database_now().replace(microsecond=0)

    def web() -> Any:
        return Subscription.objects.create(
            user=app_user.user, plan_id=price.plan_id, price=price, currency="USD", status="active", anchor_at=at,
            period_number=1, period_started_at=at, period_ends_at=at + days(30), due_at=at + days(30),
        )  # fmt: skip

    def store() -> Any:
        told = app_store.notice("SUBSCRIBED", at=at, transaction=bought(app_store, token=account_token), status=1)
        return record_store_state(apple_account, apple_state(app_store, apple_account, told))

    deeds = crew.at_once(web, store)
    assert deeds[1].error is None, deeds[1].error
    live = Subscription.objects.get()
    state = StorePurchase.objects.get().state
    assert (live.rail, state) in {("web", "conflict"), ("app_store", "linked")}


def test_a_stored_notice_is_one_however_often_it_is_stored(app_store: AppStore, app_user: AppUser) -> None:
    body = json.dumps(app_store.body(subscribed(app_store))).encode()
    stored = [store_apple_notice(body, now=database_now()) for _ in range(3)]
    assert stored == [True, False, False]
