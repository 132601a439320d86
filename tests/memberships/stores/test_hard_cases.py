"""Store news in which somebody would pay for nothing, or have something for nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from memberships.entitlements.queries import Entitlement, check
from memberships.models import Grant, Plan, Seat, StoreAccount, StoreProduct, StorePurchase, StoreToken, Subscription
from memberships.stores.door import record_store_state
from memberships.stores.google.asking import _accept
from memberships.stores.google.simulator import PlaySimulator
from memberships.stores.owners import due_purchases, look_again, note_products_mapped
from memberships.subscriptions.cancelling import cancel_now
from memberships.subscriptions.recording import Why
from paycore.clock import database_now
from tests.actors import AppUser
from tests.memberships.factories import make_plan
from tests.memberships.rights_scenes import seated
from tests.memberships.stores.apple import AppStore
from tests.memberships.stores.conftest import work_off
from tests.memberships.stores.google import Rtdn
from tests.memberships.stores.lives import apple_notice, apple_state, days
from tests.memberships.stores.test_google_play import ask_all, now, sell
from tests.memberships.stores.test_owners import offer, take

pytestmark = pytest.mark.django_db
Post = Callable[..., Any]


def tell(
    store: AppStore, account: StoreAccount, kind: str, day: float, *, born_at: datetime, **said: Any
) -> StorePurchase:
    notice = apple_notice(store, kind, day, born_at=born_at, **said)
    return record_store_state(account, apple_state(store, account, notice))


def look_at_all() -> None:
    """What the worker would do now."""
    for purchase_id in due_purchases(limit=50):
        look_again(purchase_id)


# Google: what replaces a purchase may never be paid


def pending_upgrade(play: PlaySimulator, post_play: Post, token: str) -> Subscription:
    sell(play, at=now() - days(10), account_token=token)
    post_play(Rtdn.subscription("tok-1"))
    ask_all()
    sell(play, "tok-2", product="platinum_monthly", linked_token="tok-1", account_token=token, state="PENDING")
    post_play(Rtdn.subscription("tok-2"))
    ask_all()
    return Subscription.objects.get()


def test_an_upgrade_that_waits_for_its_payment_leaves_what_is_paid_for(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str
) -> None:
    membership = pending_upgrade(play, post_play, account_token)
    assert (membership.status, membership.plan.code) == ("active", "premium")
    play.purchases["tok-1"].renew(until=now() + days(50))
    post_play(Rtdn.subscription("tok-1", kind=2))
    ask_all()
    membership.refresh_from_db()
    assert (membership.status, membership.period_ends_at) == ("active", play.purchases["tok-1"].ends_at)
    assert StoreToken.objects.get(token="tok-1").next_attempt_at is not None


def test_an_upgrade_that_was_never_paid_ends_nothing(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str
) -> None:
    membership = pending_upgrade(play, post_play, account_token)
    play.purchases["tok-2"].state = "PENDING_PURCHASE_CANCELED"
    post_play(Rtdn.subscription("tok-2", kind=20))
    ask_all()
    membership.refresh_from_db()
    assert (membership.status, membership.plan.code) == ("active", "premium")
    play.purchases["tok-1"].state, play.purchases["tok-1"].ends_at = "EXPIRED", now()
    post_play(Rtdn.subscription("tok-1", kind=13))
    ask_all()
    membership.refresh_from_db()
    assert membership.status == "ended"


def test_an_upgrade_that_is_paid_after_a_while_takes_the_place(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str
) -> None:
    membership = pending_upgrade(play, post_play, account_token)
    play.purchases["tok-2"].state = "ACTIVE"
    play.purchases["tok-1"].state, play.purchases["tok-1"].ends_at = "EXPIRED", play.purchases["tok-2"].starts_at
    for token in ("tok-2", "tok-1"):
        post_play(Rtdn.subscription(token))
        ask_all()
    membership.refresh_from_db()
    assert (membership.status, membership.plan.code) == ("active", "platinum")
    assert StorePurchase.objects.count() == 1


# Google wants an acknowledgement within three days, whatever we did not know


def test_a_product_that_gets_its_plan_later_is_acknowledged_in_time(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str, play_account: StoreAccount,
    catalogue: dict[str, Plan],
) -> None:  # fmt: skip
    sell(play, account_token=account_token, product="premium_weekly")
    post_play(Rtdn.subscription("tok-1"))
    ask_all()
    assert (StorePurchase.objects.get().state, play.acknowledged) == ("unmapped", [])
    StoreProduct.objects.create(account=play_account, product_id="premium_weekly", plan=catalogue["premium"])
    note_products_mapped(play_account.id)
    look_at_all()
    assert Subscription.objects.get().status == "active"
    due = StoreToken.objects.get().next_attempt_at
    assert due is not None
    assert due < now() + days(1)
    StoreToken.objects.update(next_attempt_at=now())
    ask_all()
    assert play.acknowledged == ["tok-1"]


def test_google_says_once_that_it_does_not_know_what_it_pushed(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str
) -> None:
    post_play(Rtdn.subscription("tok-1"))
    ask_all()
    sell(play, account_token=account_token)
    due = StoreToken.objects.get().next_attempt_at
    assert due is not None
    StoreToken.objects.update(next_attempt_at=now())
    ask_all()
    assert play.acknowledged == ["tok-1"]


# Google cannot be asked


def test_a_member_keeps_access_while_google_cannot_be_asked(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str, play_account: StoreAccount
) -> None:
    start = now() - days(32)
    sell(play, at=start, account_token=account_token)
    asked_at = start + timedelta(minutes=1)
    post_play(Rtdn.subscription("tok-1"))
    token = StoreToken.objects.select_related("account").get()
    _accept(token, play.purchases["tok-1"].as_answer(), asked_at=asked_at)
    play.is_down = True
    ask_all()
    StorePurchase.objects.update(next_attempt_at=now())
    look_at_all()
    assert Subscription.objects.get().status == "active"
    play.is_down = False
    play.purchases["tok-1"].state = "EXPIRED"
    StoreToken.objects.update(next_attempt_at=now())
    ask_all()
    assert Subscription.objects.get().status == "ended"


# Apple renews up to a day before the paid time is over


def test_a_purchase_renewed_ahead_of_time_can_be_handed_over(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str
) -> None:
    ben, born_at = AppUser.signed_in("ben@example.com"), now() - days(29.5)
    purchase = tell(app_store, apple_account, "SUBSCRIBED", 0, born_at=born_at, span=0, status=1,
                    account_token=account_token)  # fmt: skip
    tell(app_store, apple_account, "DID_RENEW", 29.4, born_at=born_at, span=1, status=1, account_token=account_token)
    answer = take(ben, offer(app_user, purchase).json()["code"])
    assert answer.status_code == 201, answer.content
    old, new = Subscription.objects.get(user=app_user.user), Subscription.objects.get(user=ben.user)
    assert (old.status, old.end_reason, new.status) == ("ended", "transferred", "active")
    assert list(new.periods.order_by("starts_at").values_list("starts_at", "ends_at")) == [
        (old.ended_at, born_at + days(30)),
        (born_at + days(30), born_at + days(60)),
    ]
    assert not old.periods.filter(status="paid", ends_at__gt=old.ended_at).exists()


def test_a_downgrade_renewed_ahead_of_time_takes_nothing_of_what_is_paid_for(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str
) -> None:
    born_at = now() - days(29.5)
    tell(app_store, apple_account, "SUBSCRIBED", 0, born_at=born_at, span=0, status=1, account_token=account_token,
         product="platinum_monthly")  # fmt: skip
    before = check(app_user.user.pk, "exports")
    tell(app_store, apple_account, "DID_RENEW", 29.4, born_at=born_at, span=1, status=1, account_token=account_token,
         product="premium_monthly")  # fmt: skip
    after = check(app_user.user.pk, "exports")
    assert before is not None
    assert after is not None
    assert (after.plan, after.limit) == (before.plan, before.limit) == ("platinum", before.limit)
    assert StorePurchase.objects.get().next_attempt_at == born_at + days(30)


# Apple: one Apple account, two of our users


def test_who_buys_again_after_somebody_elses_lapse_has_what_they_paid_for(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str
) -> None:
    ben, born_at = AppUser.signed_in("ben@example.com"), now() - days(70)
    bens = ben.get("/stores/account-token").json()["token"]
    tell(app_store, apple_account, "SUBSCRIBED", 0, born_at=born_at, span=0, status=1, account_token=account_token)
    tell(app_store, apple_account, "EXPIRED", 30, born_at=born_at, span=0, status=2, account_token=account_token)
    tell(app_store, apple_account, "SUBSCRIBED", 60, born_at=born_at, span=2, status=1, account_token=bens,
         reason="PURCHASE", subtype="RESUBSCRIBE")  # fmt: skip
    assert [one.status for one in Subscription.objects.filter(user=app_user.user)] == ["ended"]
    assert [one.status for one in Subscription.objects.filter(user=ben.user)] == ["active"]
    # An old word again changes nothing.
    tell(app_store, apple_account, "SUBSCRIBED", 0, born_at=born_at, span=0, status=1, account_token=account_token)
    assert [one.status for one in Subscription.objects.filter(user=ben.user)] == ["active"]


# Beside another membership


def test_a_purchase_revoked_beside_another_membership_gives_nothing_any_more(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str, app_store: AppStore,
    apple_account: StoreAccount,
) -> None:  # fmt: skip
    tell(app_store, apple_account, "SUBSCRIBED", 0, born_at=now() - days(5), span=0, status=1,
         account_token=account_token)  # fmt: skip
    sell(play, account_token=account_token, product="platinum_monthly")
    post_play(Rtdn.subscription("tok-1"))
    ask_all()
    assert Grant.objects.get().plan.code == "platinum"
    play.purchases["tok-1"].state, play.purchases["tok-1"].ends_at = "EXPIRED", now()
    post_play(Rtdn.subscription("tok-1", kind=12))
    ask_all()
    right = check(app_user.user.pk, "exports")
    assert right is not None
    assert right.plan == "premium"


def test_a_purchase_beside_a_membership_that_never_began_takes_its_place(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str, catalogue: dict[str, Plan]
) -> None:
    price = catalogue["platinum"].prices.get()
    scheduled = Subscription.objects.create(
        user=app_user.user, plan=price.plan, price=price, currency="USD", status="scheduled",
        starts_at=now() + days(9), due_at=now() + days(9),
    )  # fmt: skip
    purchase = tell(app_store, apple_account, "SUBSCRIBED", 0, born_at=now() - days(5), span=0, status=1,
                    account_token=account_token)  # fmt: skip
    assert purchase.state == "conflict"
    cancel_now(scheduled.id, user_id=app_user.user.pk, why=Why("canceled", app_user.user.pk, database_now()))
    work_off()
    purchase.refresh_from_db()
    assert purchase.state == "linked"


def test_an_upgrade_by_an_offer_before_the_renewal_that_it_followed_is_one_membership(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str
) -> None:
    born_at = now() - days(50)
    tell(app_store, apple_account, "SUBSCRIBED", 0, born_at=born_at, span=0, status=1, account_token=account_token)
    tell(app_store, apple_account, "OFFER_REDEEMED", 45, born_at=born_at, span=2, starts_on=45, status=1,
         subtype="UPGRADE", reason="PURCHASE", account_token=account_token, product="platinum_monthly")  # fmt: skip
    membership = Subscription.objects.get()
    assert (membership.status, membership.plan.code) == ("active", "platinum")


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 2, 1), (0, 2, 3, 1)])
def test_a_refund_of_what_lapsed_takes_nothing_from_who_bought_again(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str, order: tuple[int, ...]
) -> None:
    ben, born_at = AppUser.signed_in("ben@example.com"), now() - days(20)
    bens = ben.get("/stores/account-token").json()["token"]
    ada: dict[str, Any] = {"born_at": born_at, "span": 0, "account_token": account_token}
    told: list[tuple[str, float, dict[str, Any]]] = [
        ("SUBSCRIBED", 0, ada | {"status": 1}),
        ("REFUND", 10, ada | {"status": 5, "revoked_on": 10}),
        ("SUBSCRIBED", 12, {"born_at": born_at, "span": 1, "starts_on": 12, "status": 1, "reason": "PURCHASE",
                            "account_token": bens, "subtype": "RESUBSCRIBE"}),
        ("REFUND", 15, ada | {"status": 1, "revoked_on": 10}),
    ]  # fmt: skip
    for number in order:
        kind, day, said = told[number]
        tell(app_store, apple_account, kind, day, **said)
    bought = [one.status for one in Subscription.objects.filter(user=ben.user)]
    given = [one.status for one in Subscription.objects.filter(user=app_user.user)]
    if order.index(2) > order.index(1) or order.index(2) > order.index(3):
        assert (given, bought) == (["ended"], ["active"])
    else:  # what was not known to be refunded was running still: that is a transfer, and wants consent
        assert bought == []


# Seats


def test_who_sits_beyond_the_seats_of_a_stores_smaller_plan_stands_up(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str
) -> None:
    family = make_plan("family", tier="premium", features={"exports": 500}, seats=(3, 3))
    StoreProduct.objects.create(account=apple_account, product_id="family_monthly", plan=family)
    born_at = now() - days(20)
    tell(app_store, apple_account, "SUBSCRIBED", 0, born_at=born_at, span=0, status=1, account_token=account_token,
         product="family_monthly")  # fmt: skip
    membership = Subscription.objects.get()
    others = [AppUser.signed_in(f"{name}@example.com").user for name in ("ben", "cem")]
    for number, other in enumerate(others):
        seated(other, membership, token_hash=bytes([number]), email_index=bytes([number]))
    assert [right.plan for right in map(right_of, others)] == ["family", "family"]
    tell(app_store, apple_account, "DID_CHANGE_RENEWAL_PREF", 10, born_at=born_at, span=1, starts_on=10, status=1,
         subtype="UPGRADE", account_token=account_token, product="premium_monthly")  # fmt: skip
    work_off()
    membership.refresh_from_db()
    assert (membership.status, membership.plan.code) == ("active", "premium")
    assert [right.plan for right in map(right_of, others)] == ["free", "free"]
    assert set(Seat.objects.values_list("status", "removed_by")) == {("removed", "app_store")}
    assert [change.kind for change in membership.changes.order_by("id")][-2:] == ["seat_removed", "seat_removed"]


def right_of(user: User) -> Entitlement:
    right = check(user.pk, "exports")
    assert right is not None
    return right
