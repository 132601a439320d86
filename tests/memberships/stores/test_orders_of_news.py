"""Any copies in any order end in the same state: a whole life in each of its 720 orders, at both stores."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import permutations
from math import factorial
from random import Random
from typing import Any

import pytest
from django.db import transaction

from memberships.models import StoreAccount, Subscription
from memberships.stores.door import record_store_state
from memberships.stores.facts import StoreState
from memberships.stores.google.simulator import SimulatedPurchase
from paycore.clock import database_now
from paycore.models import EventRecord
from tests.actors import AppUser
from tests.memberships.stores.apple import AppStore
from tests.memberships.stores.lives import (
    apple_life,
    apple_notice,
    apple_state,
    days,
    ends_of_every_order,
    left_behind,
    play_states,
)

pytestmark = pytest.mark.django_db


def one_state(account: StoreAccount, states: Sequence[StoreState]) -> dict[str, Any]:
    """The only one that all orders leave behind. Some are walked alone, without the shortcut of the walk of all."""
    ends = ends_of_every_order(account, states)
    examples = [end.example for end in ends]
    assert [end.left for end in ends] == [ends[0].left], f"the order of the news made a difference: {examples}"
    assert ends[0].orders == factorial(len(states))
    orders = list(permutations(states))
    for order in Random(5).sample(orders, k=min(4, len(orders))):
        assert left_by(account, order) == ends[0].left
    return ends[0].left


def left_by(account: StoreAccount, order: Sequence[StoreState]) -> dict[str, Any]:
    mark = transaction.savepoint()
    for state in order:
        record_store_state(account, state)
    left = left_behind(account)
    transaction.savepoint_rollback(mark)
    return left


@pytest.fixture
def born_at() -> datetime:
    return (database_now() - days(100)).replace(microsecond=0)


def play_life(born_at: datetime, account_token: str) -> list[StoreState]:
    """Purchased, renewed, grace, recovered, taken back, expired: as Google answers at each of these moments."""
    first = SimulatedPurchase("premium_monthly", born_at, born_at + days(30), "GPA.1", account_token=account_token)
    second = replace(first, order="GPA.1..0", ends_at=born_at + days(60))
    grace = replace(second, state="IN_GRACE_PERIOD", ends_at=born_at + days(76))
    third = replace(first, order="GPA.1..1", ends_at=born_at + days(90))
    voided = {"GPA.1..1": (born_at + days(70)).isoformat()}
    over = replace(third, state="EXPIRED", auto_renews=False)
    told = [
        (first, 0.1, {}),
        (second, 30, {}),
        (grace, 60, {}),
        (third, 65, {}),
        (third, 70, voided),
        (over, 90, voided),
    ]
    return play_states([(sold, born_at + days(day), taken) for sold, day, taken in told], token="token-1")


@pytest.mark.slow
def test_an_apple_life_in_every_order(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str, born_at: datetime
) -> None:
    life = apple_life(app_store, born_at=born_at, account_token=account_token)
    left = one_state(apple_account, [apple_state(app_store, apple_account, notice) for notice in life])
    (membership,) = left["memberships"]
    assert (membership["status"], membership["end_reason"]) == ("ended", "refunded")
    assert membership["ended_at"] == born_at + days(70)
    assert [period[2:5] for period in membership["periods"]] == [
        ("paid", born_at, born_at + days(30)),
        ("paid", born_at + days(30), born_at + days(60)),
        ("revoked", born_at + days(60), born_at + days(90)),
    ]


@pytest.mark.slow
def test_a_play_life_in_every_order(
    play_account: StoreAccount, app_user: AppUser, account_token: str, born_at: datetime
) -> None:
    left = one_state(play_account, play_life(born_at, account_token))
    (membership,) = left["memberships"]
    assert (membership["status"], membership["end_reason"]) == ("ended", "refunded")
    assert membership["ended_at"] == born_at + days(70)
    assert [period[2:5] for period in membership["periods"]] == [
        ("paid", born_at, born_at + days(30)),
        ("paid", born_at + days(30), born_at + days(60)),
        ("paid", born_at + days(60), born_at + days(70)),  # cut: Google does not say where a renewal began
    ]


def test_a_life_that_goes_on_in_every_order(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str
) -> None:
    """Trial, upgrade in mid-period, off, on again: live in the end, whichever came first."""
    born_at = (database_now() - days(40)).replace(microsecond=0)

    def say(kind: str, day: float, **more: Any) -> StoreState:
        notice = apple_notice(app_store, kind, day, born_at=born_at, account_token=account_token, **more)
        return apple_state(app_store, apple_account, notice)

    life = [
        say("SUBSCRIBED", 0, span=0, status=1, offerDiscountType="FREE_TRIAL"),
        say("DID_RENEW", 30, span=1, status=1),
        say("DID_CHANGE_RENEWAL_STATUS", 32, span=1, status=1, renews=False),
        say("DID_CHANGE_RENEWAL_STATUS", 33, span=1, status=1),
        say(
            "DID_CHANGE_RENEWAL_PREF", 35, span=2, starts_on=35, status=1, subtype="UPGRADE",
            reason="PURCHASE", productId="platinum_monthly",
        ),
    ]  # fmt: skip
    left = one_state(apple_account, life)
    (membership,) = left["memberships"]
    assert (membership["status"], membership["plan"], membership["cancels"]) == ("active", "platinum", False)
    assert membership["period_ends_at"] == born_at + days(65)
    assert [period[3:] for period in membership["periods"]] == [
        (born_at, born_at + days(30), "premium"),
        (born_at + days(30), born_at + days(35), "premium"),
        (born_at + days(35), born_at + days(65), "platinum"),
    ]


def test_lapse_and_return_are_two_memberships_in_every_order(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str, born_at: datetime
) -> None:
    def say(kind: str, day: float, **more: Any) -> StoreState:
        notice = apple_notice(app_store, kind, day, born_at=born_at, account_token=account_token, **more)
        return apple_state(app_store, apple_account, notice)

    life = [
        say("SUBSCRIBED", 0, span=0, status=1),
        say("EXPIRED", 30, span=0, status=2, renews=False),
        say("SUBSCRIBED", 80, span=3, starts_on=80, status=1, reason="PURCHASE"),
    ]
    left = one_state(apple_account, life)
    assert [(one["status"], one["end_reason"]) for one in left["memberships"]] == [("ended", "expired"), ("active", "")]
    assert [one["period_started_at"] for one in left["memberships"]] == [born_at, born_at + days(80)]


def test_a_hold_without_grace_and_its_end_in_every_order(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str
) -> None:
    born_at = (database_now() - days(50)).replace(microsecond=0)

    def say(kind: str, day: float, **more: Any) -> StoreState:
        notice = apple_notice(app_store, kind, day, born_at=born_at, account_token=account_token, **more)
        return apple_state(app_store, apple_account, notice)

    life = [
        say("SUBSCRIBED", 0, span=0, status=1),
        say("DID_FAIL_TO_RENEW", 30, span=0, status=3),
        say("DID_RENEW", 40, span=1, starts_on=40, status=1),
    ]
    left = one_state(apple_account, life)
    (membership,) = left["memberships"]
    assert membership["status"] == "active"
    assert [period[3:5] for period in membership["periods"]] == [
        (born_at, born_at + days(30)),
        (born_at + days(40), born_at + days(70)),
    ]


def test_grace_told_before_the_spans_around_it(
    play_account: StoreAccount, app_user: AppUser, account_token: str, born_at: datetime
) -> None:
    """The estimate of its end gives way to the renewal, which goes on with the membership that it made, and is not
    in conflict with it."""
    _first, _second, grace, third, *_over = play_life(born_at, account_token)
    left = one_state(play_account, [grace, third])
    (membership,) = left["memberships"]
    assert (left["purchases"][0][0], left["cases"], left["grants"]) == ("linked", [], [])
    assert [period[2:5] for period in membership["periods"]] == [("paid", born_at, born_at + days(90))]


def test_two_orders_that_end_together_are_one_membership(
    play_account: StoreAccount, app_user: AppUser, account_token: str, born_at: datetime
) -> None:
    first = SimulatedPurchase("premium_monthly", born_at, born_at + days(120), "GPA.1", account_token=account_token)
    second = replace(first, order="GPA.1..0")
    sold = [(first, born_at + days(1), {}), (second, born_at + days(2), {})]
    left = one_state(play_account, play_states(sold, token="token-1"))
    (membership,) = left["memberships"]
    assert (left["purchases"][0][0], membership["status"]) == ("linked", "active")
    assert [period[3:5] for period in membership["periods"]] == [(born_at, born_at + days(120))]


def test_a_longer_end_told_after_the_renewal(
    play_account: StoreAccount, app_user: AppUser, account_token: str, born_at: datetime
) -> None:
    """The renewal then begins later: no two periods overlap on the way, and what counts is the same in every order."""
    first = SimulatedPurchase("premium_monthly", born_at, born_at + days(60), "GPA.1", account_token=account_token)
    longer = replace(first, ends_at=born_at + days(65))
    renewed = replace(first, order="GPA.1..0", ends_at=born_at + days(120))
    sold = [(first, born_at, {}), (longer, born_at + days(40), {}), (renewed, born_at + days(65), {})]
    for order in permutations(play_states(sold, token="token-1")):
        (membership,) = left_by(play_account, order)["memberships"]
        assert [period[3:5] for period in membership["periods"] if period[2] == "paid"] == [
            (born_at, born_at + days(65)),
            (born_at + days(65), born_at + days(120)),
        ]


def test_a_refunded_span_is_cut_by_an_upgrade_told_later(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str
) -> None:
    """What was given back gives nothing in either order. A membership that a refund ended stays ended, so then the
    upgrade is one of its own."""
    born_at = (database_now() - days(20)).replace(microsecond=0)

    def say(kind: str, day: float, **more: Any) -> StoreState:
        notice = apple_notice(app_store, kind, day, born_at=born_at, account_token=account_token, **more)
        return apple_state(app_store, apple_account, notice)

    upgraded = {"status": 1, "subtype": "UPGRADE", "reason": "PURCHASE", "productId": "platinum_monthly"}
    life = [
        say("SUBSCRIBED", 0, span=0, status=1),
        say("DID_CHANGE_RENEWAL_PREF", 10, span=1, starts_on=10, **upgraded),
        say("REFUND", 12, span=0, status=1, revoked_on=12),
    ]
    for order in permutations(life):
        memberships = left_by(apple_account, order)["memberships"]
        assert [(one["status"], one["plan"]) for one in memberships if one["status"] != "ended"] == [
            ("active", "platinum")
        ]
        assert [period[3:5] for one in memberships for period in one["periods"] if period[2] == "paid"] == [
            (born_at + days(10), born_at + days(40))
        ]


def test_copies_change_nothing(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str, born_at: datetime
) -> None:
    life = apple_life(app_store, born_at=born_at, account_token=account_token)
    states = [apple_state(app_store, apple_account, notice) for notice in life]
    for state in states:
        record_store_state(apple_account, state)
    before, events = left_behind(apple_account), EventRecord.objects.count()
    version = Subscription.objects.get().version
    for state in [*reversed(states), *states]:
        record_store_state(apple_account, state)
    assert left_behind(apple_account) == before
    assert EventRecord.objects.count() == events
    assert Subscription.objects.get().version == version


def test_the_detector_sees_an_order_that_matters(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str, born_at: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Without the comparison of dates, the last word would win."""
    monkeypatch.setattr("memberships.stores.door._is_newer", lambda purchase, state: True)
    life = apple_life(app_store, born_at=born_at, account_token=account_token)[:3]
    states = [apple_state(app_store, apple_account, notice) for notice in life]
    with pytest.raises(AssertionError, match="made a difference"):
        one_state(apple_account, states)
