"""The App Store tells, apps hand in: what members have then. And what is refused, which changes nothing."""

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from django.db import connection

from memberships.models import (
    Grant,
    Period,
    Price,
    StoreAccount,
    StoreNotice,
    StoreProduct,
    StorePurchase,
    Subscription,
    SubscriptionChange,
)
from memberships.stores.apple import verifying
from memberships.stores.moments import from_milliseconds, from_rfc3339
from memberships.stores.owners import look_again
from memberships.subscriptions.recording import Why, save_change
from paycore.clock import database_now
from riskcontrol.models import Case
from tests.actors import AppUser
from tests.api.row_counts import no_row_changes
from tests.memberships.stores.apple import APP_ID, AppleChain, AppStore
from tests.memberships.stores.conftest import post_apple, work_off
from tests.memberships.stores.lives import days

pytestmark = pytest.mark.django_db


def now() -> datetime:
    return database_now().replace(microsecond=0)


def bought(store: AppStore, *, at: datetime | None = None, token: str | None = None, **more: Any) -> dict[str, Any]:
    moment = at or now() - timedelta(minutes=1)
    known = {"starts_at": moment, "ends_at": moment + days(30), "account_token": token} | more
    return store.transaction(at=moment, **known)


def subscribed(store: AppStore, *, token: str | None = None, **more: Any) -> dict[str, Any]:
    told = bought(store, token=token, **more)
    at = now() - timedelta(minutes=1)
    renewal = store.renewal(at=at, original=told["originalTransactionId"])
    return store.notice("SUBSCRIBED", at=at, subtype="INITIAL_BUY", transaction=told, renewal=renewal, status=1)


def hand_in(user: AppUser, signed: str, **more: Any) -> Any:
    return user.post("/stores/app-store/transactions", {"signed_transaction": signed}, **more)


def test_a_notice_with_an_account_token_makes_a_membership(
    app_store: AppStore, app_user: AppUser, account_token: str
) -> None:
    assert post_apple(app_store.body(subscribed(app_store, token=account_token))).status_code == 200
    assert not Subscription.objects.exists()  # stored and acknowledged first
    work_off()
    membership = Subscription.objects.get()
    assert (membership.user_id, membership.rail, membership.status) == (app_user.user.pk, "app_store", "active")
    assert membership.plan.code == "premium"
    assert membership.due_at is None
    assert membership.notice_at is None
    period = membership.periods.get()
    assert (period.kind, period.status, period.number) == ("store", "paid", membership.period_number)
    assert [change.kind for change in SubscriptionChange.objects.all()] == ["started"]


def test_the_account_token_is_always_the_same(app_user: AppUser) -> None:
    first, again = (app_user.get("/stores/account-token").json() for _ in range(2))
    assert first == again
    assert len(first["token"]) == 36


def test_an_app_hands_in_what_carries_no_token(app_store: AppStore, app_user: AppUser) -> None:
    """A notice alone is nobody's; the first claim makes it the user's."""
    bought_at = now() - timedelta(minutes=1)  # one transaction, whichever second each word of it is signed in
    assert post_apple(app_store.body(subscribed(app_store, at=bought_at))).status_code == 200
    work_off()
    assert StorePurchase.objects.get().state == "unclaimed"
    assert not Subscription.objects.exists()
    answer = hand_in(app_user, app_store.chain.sign(bought(app_store, at=bought_at)), key="k1")
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["status"], shown["standing"], shown["sold_by"]) == ("linked", "active", "app_store")
    assert shown["subscription"] == Subscription.objects.get().id
    assert shown["manage_url"] == "https://apps.apple.com/account/subscriptions"
    assert (
        hand_in(app_user, app_store.chain.sign(bought(app_store, at=bought_at)), key="k2").json()["id"] == shown["id"]
    )
    assert Period.objects.count() == 1
    assert app_user.get("/stores/purchases").json()["data"][0]["id"] == shown["id"]
    assert app_user.get(f"/stores/purchases/{shown['id']}").json()["id"] == shown["id"]


def test_anothers_purchase_is_refused(app_store: AppStore, app_user: AppUser, account_token: str) -> None:
    post_apple(app_store.body(subscribed(app_store, token=account_token)))
    work_off()
    eve = AppUser.signed_in("eve@example.com")
    for told in (bought(app_store), bought(app_store, token=account_token, at=now())):
        signed = app_store.chain.sign(told)
        with no_row_changes():
            answer = hand_in(eve, signed)
        assert answer.status_code == 409
        assert answer.json()["code"] == "store_purchase_belongs_to_another"
    assert eve.get("/stores/purchases").json()["data"] == []
    assert eve.get(f"/stores/purchases/{StorePurchase.objects.get().id}").status_code == 404


def test_a_token_of_another_is_not_overruled_by_being_first(
    app_store: AppStore, app_user: AppUser, account_token: str
) -> None:
    eve = AppUser.signed_in("eve@example.com")
    with no_row_changes():
        answer = hand_in(eve, app_store.chain.sign(bought(app_store, token=account_token)))
    assert answer.status_code == 409
    assert hand_in(app_user, app_store.chain.sign(bought(app_store, token=account_token))).status_code == 201


def test_unknown_kinds_and_tests_are_stored_and_ignored(app_store: AppStore, app_user: AppUser) -> None:
    for kind in ("TEST", "SOMETHING_NEW"):
        assert post_apple(app_store.body(app_store.notice(kind, at=now()))).status_code == 200
    consumable = bought(app_store, type="Consumable")
    notice = app_store.notice("ONE_TIME_CHARGE", at=now(), transaction=consumable)
    assert post_apple(app_store.body(notice)).status_code == 200
    work_off()
    assert StoreNotice.objects.count() == 3
    assert not StorePurchase.objects.exists()


def test_a_replayed_notice_is_acknowledged_and_changes_nothing(
    app_store: AppStore, app_user: AppUser, account_token: str
) -> None:
    body = app_store.body(subscribed(app_store, token=account_token))
    assert post_apple(body).status_code == 200
    work_off()
    with no_row_changes():
        assert post_apple(body).status_code == 200
        work_off()
    assert StoreNotice.objects.count() == 1


def test_a_refund_ends_access_at_once(app_store: AppStore, app_user: AppUser, account_token: str) -> None:
    start = now() - timedelta(minutes=1)
    post_apple(app_store.body(subscribed(app_store, token=account_token, at=start)))
    work_off()
    at = now()
    told = bought(app_store, token=account_token, at=start, signedDate=round(at.timestamp() * 1000))
    told["revocationDate"] = round(at.timestamp() * 1000)
    post_apple(app_store.body(app_store.notice("REFUND", at=at, transaction=told, status=5)))
    work_off()
    membership = Subscription.objects.get()
    assert (membership.status, membership.end_reason, membership.ended_at) == ("ended", "refunded", at)
    assert membership.periods.get().status == "revoked"


def test_a_refund_taken_back_gives_access_again(app_store: AppStore, app_user: AppUser, account_token: str) -> None:
    start = now() - timedelta(minutes=5)
    for minute, kind, status, revoked in ((0, "SUBSCRIBED", 1, 0), (1, "REFUND", 5, 1), (2, "REFUND_REVERSED", 1, 0)):
        at = start + timedelta(minutes=minute)
        told = bought(app_store, token=account_token, at=start, signedDate=round(at.timestamp() * 1000))
        if revoked:
            told["revocationDate"] = told["signedDate"]
        post_apple(app_store.body(app_store.notice(kind, at=at, transaction=told, status=status)))
        work_off()
    assert sorted(Subscription.objects.values_list("status", flat=True)) == ["active", "ended"]
    assert Subscription.objects.get(status="active").periods.get().status == "paid"
    with no_row_changes():
        work_off()


def test_grace_keeps_access_and_its_end_does_not(app_store: AppStore, app_user: AppUser, account_token: str) -> None:
    at = now() - timedelta(minutes=1)
    told = bought(app_store, at=at - days(30), token=account_token)
    told |= {"signedDate": round(at.timestamp() * 1000)}
    until = at + days(16)
    grace = app_store.renewal(
        at=at, original=told["originalTransactionId"], gracePeriodExpiresDate=round(until.timestamp() * 1000)
    )
    failed = app_store.notice(
        "DID_FAIL_TO_RENEW", at=at, subtype="GRACE_PERIOD", transaction=told, renewal=grace, status=4
    )
    post_apple(app_store.body(failed))
    work_off()
    membership = Subscription.objects.get()
    assert (membership.status, membership.grace_until, membership.has_access) == ("past_due", until, True)
    assert StorePurchase.objects.get().next_attempt_at == until
    later = at + timedelta(seconds=30)
    told |= {"signedDate": round(later.timestamp() * 1000)}
    over = app_store.notice("GRACE_PERIOD_EXPIRED", at=later, transaction=told, status=3)
    post_apple(app_store.body(over))
    work_off()
    membership.refresh_from_db()
    assert (membership.status, membership.has_access) == ("suspended", False)


def test_a_silent_store_is_waited_for_and_then_given_up(
    app_store: AppStore, app_user: AppUser, account_token: str
) -> None:
    told = bought(app_store, at=now() - days(30) - timedelta(hours=3), token=account_token)
    post_apple(app_store.body(app_store.notice("DID_RENEW", at=now() - days(30), transaction=told, status=1)))
    work_off()
    purchase, membership = StorePurchase.objects.get(), Subscription.objects.get()
    assert membership.status == "active"  # over for three hours: news may still come
    _age(purchase, days(6))
    look_again(purchase.id)
    membership.refresh_from_db()
    assert membership.status == "active"  # Apple's last repetition comes within seven days
    _age(purchase, days(2))
    look_again(purchase.id)
    membership.refresh_from_db()
    assert membership.status == "suspended"
    _age(purchase, days(70))
    look_again(purchase.id)
    membership.refresh_from_db()
    assert (membership.status, membership.end_reason) == ("ended", "expired")


def _age(purchase: StorePurchase, by: timedelta) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for column in ("starts_at", "ends_at", "signed_at"):
            cursor.execute(f"UPDATE memberships_storetransaction SET {column} = {column} - %s", [by])
        cursor.execute("UPDATE memberships_period SET starts_at = starts_at - %s, ends_at = ends_at - %s", [by, by])
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_a_product_without_a_plan_waits_for_a_person(
    app_store: AppStore, apple_account: StoreAccount, app_user: AppUser, account_token: str
) -> None:
    notice = subscribed(app_store, token=account_token, product="family_yearly")
    post_apple(app_store.body(notice))
    work_off()
    purchase = StorePurchase.objects.get()
    assert purchase.state == "unmapped"
    assert Case.objects.get().kind == "store_product"
    assert not Subscription.objects.exists()
    plan = StoreProduct.objects.get(product_id="premium_monthly").plan
    StoreProduct.objects.create(account=apple_account, product_id="family_yearly", plan=plan)
    look_again(purchase.id)
    assert Subscription.objects.get().status == "active"
    assert Case.objects.get().status == "resolved"


# Two at once: the store took the money, so what was paid for is given


def web_membership(user: AppUser) -> Subscription:
    price = Price.objects.select_related("plan").get(plan__code="premium")
    at = now() - days(1)
    return Subscription.objects.create(
        user=user.user,
        plan=price.plan,
        price=price,
        currency="USD",
        status="active",
        anchor_at=at,
        period_number=1,
        period_started_at=at,
        period_ends_at=at + days(30),
        due_at=at + days(30),
    )


def test_a_purchase_beside_a_web_membership_is_given_as_a_grant(
    app_store: AppStore, app_user: AppUser, account_token: str
) -> None:
    web = web_membership(app_user)
    told = bought(app_store, token=account_token, product="platinum_monthly")
    answer = hand_in(app_user, app_store.chain.sign(told))
    assert (answer.status_code, answer.json()["status"]) == (201, "conflict")
    assert Subscription.objects.get().id == web.id
    grant = Grant.objects.get()
    assert (grant.plan.code, grant.user_id, grant.granted_by) == ("platinum", app_user.user.pk, "app_store")
    case = Case.objects.get(kind="store_conflict")
    assert case.object_id == answer.json()["id"]
    assert case.facts["subscription"] == web.id
    # The web's ends: the store's takes its place, and nobody need look any more.
    web.status, web.ended_at, web.due_at = "ended", now(), None
    save_change(web, Why("ended", "system", now()), was="active", fields=["status", "ended_at", "due_at"])
    work_off()
    assert Subscription.objects.get(status="active").rail == "app_store"
    case.refresh_from_db()
    assert case.status == "resolved"


def test_a_refund_takes_the_grant_back(app_store: AppStore, app_user: AppUser, account_token: str) -> None:
    web_membership(app_user)
    told = bought(app_store, token=account_token)
    hand_in(app_user, app_store.chain.sign(told))
    assert Grant.objects.get().revoked_at is None
    at = now()
    taken = told | {"signedDate": round(at.timestamp() * 1000), "revocationDate": round(at.timestamp() * 1000)}
    post_apple(app_store.body(app_store.notice("REFUND", at=at, transaction=taken, status=5)))
    work_off()
    assert Grant.objects.get().revoked_at is not None


# What is refused changes nothing


@pytest.fixture
def refused(app_store: AppStore, app_user: AppUser) -> Callable[[Any], None]:
    def refuse(body: Any, *, status: int = 400) -> None:
        with no_row_changes():
            answer = post_apple(body)
        assert answer.status_code == status, answer.content
        assert answer["Content-Type"].startswith("application/problem+json")

    return refuse


def forged(**changed: Any) -> AppStore:
    return AppStore(AppleChain(name="Apple"), **changed)


def test_another_chain_is_refused(refused: Callable[..., None]) -> None:
    """It looks the same in every word; only the root is not Apple's."""
    refused(forged().body(subscribed(forged())))


def test_our_leaf_below_their_key_is_refused(refused: Callable[..., None], app_store: AppStore) -> None:
    eve = AppleChain()
    eve.x5c = app_store.chain.x5c
    refused(AppStore(eve).body(subscribed(app_store)))


def test_a_leaf_that_is_not_for_the_app_store_is_refused(
    refused: Callable[..., None], app_store: AppStore, settings: Any, tmp_path: Any
) -> None:
    """Below the very root, but a certificate for something else."""
    other = AppleChain(leaf_mark="1.2.840.113635.100.6.29")
    (tmp_path / "other.pem").write_bytes(other.root_pem)
    settings.PAYCORE_APPLE_ROOTS = str(tmp_path / "other.pem")
    refused(AppStore(other).body(subscribed(AppStore(other))))


@pytest.mark.parametrize("leaf_days", [(-800, -30), (1, 300)])
def test_a_leaf_that_is_not_good_on_that_day_is_refused(
    refused: Callable[..., None], app_store: AppStore, settings: Any, tmp_path: Any, leaf_days: tuple[int, int]
) -> None:
    other = AppleChain(leaf_days=leaf_days)
    (tmp_path / "other.pem").write_bytes(other.root_pem)
    settings.PAYCORE_APPLE_ROOTS = str(tmp_path / "other.pem")
    refused(AppStore(other).body(subscribed(AppStore(other))))


def test_a_message_without_a_date_is_refused(refused: Callable[..., None], app_store: AppStore) -> None:
    notice = subscribed(app_store)
    refused(app_store.body({name: value for name, value in notice.items() if name != "signedDate"}))
    refused(app_store.body(notice | {"signedDate": round((now() + days(400)).timestamp() * 1000)}))
    refused(app_store.body(notice | {"signedDate": "yesterday"}))


def test_another_app_is_refused(refused: Callable[..., None], chain: AppleChain, app_store: AppStore) -> None:
    other = AppStore(chain, bundle_id="com.example.other")
    refused(other.body(subscribed(other)))
    refused(app_store.body(app_store.notice("SUBSCRIBED", at=now(), transaction=bought(other), status=1)))


@pytest.mark.parametrize("environment", ["Production", "Xcode", "LocalTesting", "sandbox", ""])
def test_another_environment_is_refused(
    refused: Callable[..., None], chain: AppleChain, app_store: AppStore, environment: str
) -> None:
    other = AppStore(chain, environment=environment)
    refused(other.body(subscribed(other)))
    refused(app_store.body(app_store.notice("SUBSCRIBED", at=now(), transaction=bought(other), status=1)))


@pytest.mark.parametrize("environment", ["Xcode", "LocalTesting"])
@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_what_xcode_makes_is_refused_signed_or_not(
    refused: Callable[..., None], app_user: AppUser, app_store: AppStore, environment: str, algorithm: str
) -> None:
    """Apple's library would believe it unread in an environment that we never name."""
    local = AppStore(app_store.chain, environment=environment)
    key = "" if algorithm == "none" else "xcode"
    unsigned = jwt.encode(subscribed(local), key, algorithm=algorithm)
    refused({"signedPayload": unsigned})
    transaction = jwt.encode(bought(local), key, algorithm=algorithm)
    with no_row_changes():
        assert hand_in(app_user, transaction).status_code == 422
        assert hand_in(app_user, local.chain.sign(bought(local))).status_code == 422


def test_no_verifier_is_made_for_xcode() -> None:
    assert {one.value for one in verifying.ENVIRONMENTS.values()} == {"Production", "Sandbox"}
    assert set(StoreAccount.Environment.values) == {"production", "sandbox"}


def test_in_production_the_sandbox_is_refused(
    app_store: AppStore, app_user: AppUser, apple_production: StoreAccount, chain: AppleChain, settings: Any
) -> None:
    settings.PAYCORE_SANDBOX_MODE = False
    with no_row_changes():
        assert post_apple(app_store.body(subscribed(app_store))).status_code == 400
        assert hand_in(app_user, chain.sign(bought(app_store))).status_code == 422
    real = AppStore(chain, environment="Production")
    assert post_apple(real.body(subscribed(real))).status_code == 200
    with no_row_changes():
        notice = subscribed(real)
        notice["data"]["appAppleId"] = APP_ID + 1
        assert post_apple(real.body(notice)).status_code == 400


def test_a_disabled_account_believes_nothing(
    refused: Callable[..., None], app_store: AppStore, apple_account: StoreAccount
) -> None:
    StoreAccount.objects.filter(id=apple_account.id).update(is_enabled=False)
    refused(app_store.body(subscribed(app_store)))


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_changed_byte_is_refused(refused: Callable[..., None], app_store: AppStore, position: int) -> None:
    parts = app_store.body(subscribed(app_store))["signedPayload"].split(".")
    if position == 1:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
        payload["notificationUUID"] = "11111111-1111-4111-8111-111111111111"
        parts[1] = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")
    else:
        middle = len(parts[position]) // 2
        letter = "A" if parts[position][middle] != "A" else "B"
        parts[position] = parts[position][:middle] + letter + parts[position][middle + 1 :]
    refused({"signedPayload": ".".join(parts)})


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"signedPayload": 7}', b'{"signedPayload": ""}', b"{}",
     b'{"signedPayload": "a.b.c"}', b'{"signedPayload": "a.b"}', b'{"signedPayload": null}',
     b'{"signedPayload": "a", "signedPayload": "b"}', b"[" * 5000],
)  # fmt: skip
def test_what_is_no_notice_is_refused(refused: Callable[..., None], body: bytes) -> None:
    refused(body)


def test_a_megabyte_is_refused(refused: Callable[..., None]) -> None:
    refused(b'{"signedPayload": "' + b"a" * 1_000_000 + b'"}', status=413)


@pytest.mark.parametrize(
    "changed",
    [{"data": None}, {"data": []}, {"data": {"bundleId": 7}}, {"data": {"bundleId": {}}}, {"notificationUUID": None},
     {"notificationUUID": "x" * 200}, {"notificationUUID": ""}],
)  # fmt: skip
def test_a_signed_oddity_is_refused(refused: Callable[..., None], app_store: AppStore, changed: dict[str, Any]) -> None:
    refused(app_store.body(subscribed(app_store) | changed))


@pytest.mark.parametrize(
    "changed",
    [{"expiresDate": None}, {"expiresDate": 0}, {"expiresDate": 10**18}, {"purchaseDate": -5}, {"transactionId": None},
     {"originalTransactionId": None}, {"productId": None}, {"type": "Non-Consumable"}, {"expiresDate": 1}],
)  # fmt: skip
def test_an_odd_transaction_is_not_taken(app_store: AppStore, app_user: AppUser, changed: dict[str, Any]) -> None:
    with no_row_changes():
        answer = hand_in(app_user, app_store.chain.sign(bought(app_store) | changed))
    assert (answer.status_code, answer.json()["code"]) == (422, "store_purchase_not_genuine")


@pytest.mark.parametrize("body", [{}, {"signed_transaction": 5}, {"signed_transaction": "x", "more": 1}])
def test_a_body_that_is_none_is_refused(app_store: AppStore, app_user: AppUser, body: Any) -> None:
    with no_row_changes():
        assert app_user.post("/stores/app-store/transactions", body).status_code == 400


def test_only_post_is_taken(client: Any, app_store: AppStore) -> None:
    assert client.get("/webhooks/app-store/").status_code == 405
    assert client.get("/webhooks/google-play/").status_code == 405


def test_the_enclosed_root_is_apples() -> None:
    (der,) = verifying.roots("")
    assert hashlib.sha256(der).hexdigest() == "63343abfb89a6a03ebb57e9b3f5fa7be7c4f5c756f3017b3a8c488c3653e9179"


def test_times_are_whole() -> None:
    assert from_milliseconds(1_700_000_000_123) == datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)
    assert from_milliseconds("1700000000123") == from_milliseconds(1_700_000_000_123)
    odd: list[Any] = [0, -1, True, 1.5, "", "x", "٣", 10**20, None, [], {}]
    assert {from_milliseconds(one) for one in odd} == {None}
    assert from_rfc3339("2026-11-22T09:30:00.5Z") == datetime(2026, 11, 22, 9, 30, 0, 500_000, UTC)
    assert {from_rfc3339(one) for one in ["", "2026-11-22T09:30:00", "x" * 99, None, 5]} == {None}
