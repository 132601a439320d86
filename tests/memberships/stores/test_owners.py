"""Whose a purchase is: handed over only when both sides want it."""

from datetime import timedelta
from typing import Any

import pytest

from memberships.models import Period, Price, StoreAccount, StoreCustomer, StorePurchase, StoreTransfer, Subscription
from memberships.stores.door import record_store_state
from paycore.clock import database_now
from tests.actors import AppUser
from tests.api.row_counts import no_row_changes
from tests.memberships.stores.apple import AppStore
from tests.memberships.stores.lives import apple_notice, apple_state, days

pytestmark = pytest.mark.django_db


@pytest.fixture
def ben(db: None) -> AppUser:
    return AppUser.signed_in("ben@example.com")


@pytest.fixture
def purchase(app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str) -> StorePurchase:
    """Ada's, ten days old."""
    return tell(app_store, apple_account, account_token)


def tell(store: AppStore, account: StoreAccount, token: str, **more: Any) -> StorePurchase:
    born_at = (database_now() - days(10)).replace(microsecond=0)
    told: dict[str, Any] = {"kind": "SUBSCRIBED", "day": 0, "span": 0, "status": 1} | more
    notice = apple_notice(store, told.pop("kind"), told.pop("day"), born_at=born_at, account_token=token, **told)
    return record_store_state(account, apple_state(store, account, notice))


def offer(user: AppUser, purchase: StorePurchase) -> Any:
    return user.post("/stores/transfers", {"purchase": purchase.id})


def take(user: AppUser, code: str, **more: Any) -> Any:
    return user.post("/stores/transfers/take", {"code": code}, **more)


def test_both_agree_and_the_rest_of_the_period_goes_over(
    app_user: AppUser, ben: AppUser, purchase: StorePurchase, app_store: AppStore, apple_account: StoreAccount,
    account_token: str,
) -> None:  # fmt: skip
    offered = offer(app_user, purchase)
    assert offered.status_code == 201, offered.content
    code = offered.json()["code"]
    assert code.encode() not in bytes(StoreTransfer.objects.get().code_hash)
    taken = take(ben, f" {code[:8].lower()}-{code[8:]}", key="k")
    assert (taken.status_code, taken.json()["status"]) == (201, "linked")
    assert take(ben, f" {code[:8].lower()}-{code[8:]}", key="k").content == taken.content
    old = Subscription.objects.get(user=app_user.user)
    new = Subscription.objects.get(user=ben.user)
    assert (old.status, old.end_reason, new.status) == ("ended", "transferred", "active")
    before, after = Period.objects.get(subscription=old), Period.objects.get(subscription=new)
    assert before.ends_at == after.starts_at == old.ended_at
    assert after.ends_at == new.period_ends_at
    # The store goes on to name Ada's account; the purchase is Ben's.
    tell(app_store, apple_account, account_token, kind="DID_RENEW", day=9, span=1)
    assert Subscription.objects.get(user=ben.user).periods.count() == 2
    assert Subscription.objects.filter(user=app_user.user).count() == 1
    assert app_user.get("/stores/purchases").json()["data"] == []


def test_a_code_is_good_once_for_minutes_and_not_for_its_giver(
    app_user: AppUser, ben: AppUser, purchase: StorePurchase
) -> None:
    first = offer(app_user, purchase).json()["code"]
    second = offer(app_user, purchase).json()["code"]
    eve = AppUser.signed_in("eve@example.com")
    with no_row_changes():
        for user, code in ((ben, first), (ben, "WRONG"), (app_user, second), (ben, "")):
            assert take(user, code).status_code in (400, 409)
    StoreTransfer.objects.filter(used_at=None).update(expires_at=database_now() - timedelta(seconds=1))
    with no_row_changes():
        assert take(ben, second).json()["code"] == "store_transfer_refused"
    third = offer(app_user, purchase).json()["code"]
    assert take(ben, third).status_code == 201
    with no_row_changes():
        assert take(eve, third).status_code == 409


def test_only_the_owner_may_offer(ben: AppUser, purchase: StorePurchase) -> None:
    with no_row_changes():
        assert offer(ben, purchase).status_code == 404
        assert ben.post("/stores/transfers", {"purchase": "spu_nothing"}).status_code == 404


def test_who_has_a_membership_cannot_take_another(
    app_user: AppUser, ben: AppUser, purchase: StorePurchase, app_store: AppStore, chain: Any
) -> None:
    own = app_store.transaction(
        at=database_now(),
        starts_at=database_now() - days(1),
        ends_at=database_now() + days(29),
        original="2000000000000077",
        transaction="2000000000000077",
    )
    assert ben.post("/stores/app-store/transactions", {"signed_transaction": chain.sign(own)}).status_code == 201
    code = offer(app_user, purchase).json()["code"]
    with no_row_changes():
        answer = take(ben, code)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_subscribed")
    assert answer.json()["sold_by"] == "app_store"
    assert answer.json()["manage_url"].startswith("https://apps.apple.com/")


def test_subscribing_on_the_web_beside_a_store_says_where_to_manage_it(
    app_user: AppUser, purchase: StorePurchase
) -> None:
    price = Price.objects.get(plan__code="platinum")
    with no_row_changes():
        answer = app_user.post("/subscriptions", {"price": price.id})
    assert answer.status_code == 409, answer.content
    told = answer.json()
    assert (told["code"], told["sold_by"]) == ("already_subscribed", "app_store")
    assert told["manage_url"] == "https://apps.apple.com/account/subscriptions"


def test_account_tokens_are_one_a_user(app_user: AppUser, ben: AppUser) -> None:
    tokens = {user.get("/stores/account-token").json()["token"] for user in (app_user, ben, app_user)}
    assert len(tokens) == StoreCustomer.objects.count() == 2


def test_the_list_is_ones_own_and_filtered(app_user: AppUser, purchase: StorePurchase) -> None:
    def ids(**filters: str) -> list[str]:
        return [one["id"] for one in app_user.get("/stores/purchases", **filters).json()["data"]]

    assert ids() == ids(status="linked") == ids(sold_by="app_store") == [purchase.id]
    assert ids(status="conflict") == ids(sold_by="google_play") == []
