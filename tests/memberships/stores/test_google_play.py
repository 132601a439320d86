"""Google Play pushes a hint, Google is asked, the answer is the truth. And who may push at all."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from google.auth.exceptions import TransportError

from memberships.models import StoreAccount, StoreNotice, StorePurchase, StoreToken, Subscription
from memberships.stores.google import http_request
from memberships.stores.google.asking import _accept, advance_token, due_tokens
from memberships.stores.google.simulator import PlaySimulator
from memberships.subscriptions.rails import manage_url_of
from paycore import fresh
from paycore.clock import database_now
from riskcontrol.models import Case
from tests.actors import AppUser
from tests.api.row_counts import no_row_changes
from tests.memberships.stores.conftest import post_to, work_off
from tests.memberships.stores.google import GoogleKeys, Rtdn
from tests.memberships.stores.lives import days

pytestmark = pytest.mark.django_db

Post = Callable[..., Any]


def now() -> datetime:
    return database_now().replace(microsecond=0)


def ask_all() -> int:
    """What the worker would do now."""
    token_ids = due_tokens(limit=50)
    for token_id in token_ids:
        advance_token(token_id)
    work_off()
    return len(token_ids)


def sell(play: PlaySimulator, token: str = "tok-1", *, at: datetime | None = None, **more: Any) -> None:
    starts_at = at or now() - timedelta(minutes=1)
    known = {"product": "premium_monthly", "starts_at": starts_at, "ends_at": starts_at + days(30)} | more
    play.sell(token, **known)


def test_a_push_makes_a_membership_and_the_purchase_is_acknowledged(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str
) -> None:
    sell(play, account_token=account_token)
    assert post_play(Rtdn.subscription("tok-1")).status_code == 200
    assert (play.asked, Subscription.objects.count()) == (0, 0)  # a hint is not believed
    assert ask_all() == 1
    membership = Subscription.objects.get()
    assert (membership.user_id, membership.rail, membership.status) == (app_user.user.pk, "google_play", "active")
    assert play.acknowledged == ["tok-1"]
    token = StoreToken.objects.get()
    assert token.acknowledged_at is not None
    assert token.next_attempt_at is not None
    assert token.next_attempt_at > now() + days(29)  # asked again without a push, after the end
    assert manage_url_of(membership).endswith("?sku=premium_monthly&package=com.example.app")


def test_renewal_grace_hold_and_recovery(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str
) -> None:
    start = now() - days(29)
    sell(play, at=start, account_token=account_token)
    post_play(Rtdn.subscription("tok-1"))
    ask_all()
    sold = play.purchases["tok-1"]

    def told(**changed: Any) -> Subscription:
        for name, value in changed.items():
            setattr(sold, name, value)
        post_play(Rtdn.subscription("tok-1", kind=2))
        ask_all()
        return Subscription.objects.get()

    sold.renew(until=start + days(60))
    assert told().periods.count() == 2
    in_grace = told(state="IN_GRACE_PERIOD", ends_at=start + days(67))
    assert (in_grace.status, in_grace.grace_until) == ("past_due", start + days(67))
    assert in_grace.period_ends_at == start + days(60)
    assert told(state="ON_HOLD").status == "suspended"
    sold.renew(until=start + days(97))
    recovered = told()
    assert (recovered.status, recovered.period_ends_at) == ("active", start + days(97))
    assert told(state="PAUSED").status == "paused"
    canceled = told(state="CANCELED", auto_renews=False)
    assert (canceled.status, canceled.cancel_at_period_end) == ("active", True)
    over = told(state="EXPIRED", ends_at=now() - timedelta(minutes=1))
    assert (over.status, over.end_reason) == ("ended", "expired")
    assert [change.kind for change in over.changes.order_by("id")] == [
        "started", "renewed", "past_due", "suspended", "recovered", "paused", "unpaused", "ended",
    ]  # fmt: skip


def test_an_upgrade_goes_on_with_a_new_token(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str
) -> None:
    start = now() - days(10)
    sell(play, at=start, account_token=account_token)
    post_play(Rtdn.subscription("tok-1"))
    ask_all()
    upgraded_at = now() - timedelta(minutes=1)
    sell(play, "tok-2", at=upgraded_at, product="platinum_monthly", linked_token="tok-1", account_token=account_token)
    play.purchases["tok-1"].state, play.purchases["tok-1"].ends_at = "EXPIRED", upgraded_at
    for token in ("tok-2", "tok-1"):
        post_play(Rtdn.subscription(token))
        ask_all()
    membership = Subscription.objects.get()
    assert (membership.status, membership.plan.code) == ("active", "platinum")
    assert list(membership.periods.order_by("starts_at").values_list("starts_at", "ends_at")) == [
        (start, upgraded_at),
        (upgraded_at, upgraded_at + days(30)),
    ]
    assert StorePurchase.objects.count() == 1
    assert sorted(play.acknowledged) == ["tok-1", "tok-2"]


def test_an_upgrade_told_before_what_it_replaced(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str
) -> None:
    start, upgraded_at = now() - days(10), now() - timedelta(minutes=1)
    sell(play, at=start, state="EXPIRED", account_token=account_token, ends_at=upgraded_at)
    sell(play, "tok-2", at=upgraded_at, product="platinum_monthly", linked_token="tok-1", account_token=account_token)
    post_play(Rtdn.subscription("tok-2"))
    assert ask_all() == 1
    assert ask_all() == 1  # the older one became due with it
    membership = Subscription.objects.get()
    assert (membership.status, membership.plan.code, membership.periods.count()) == ("active", "platinum", 2)


def test_a_voided_order_ends_access(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str
) -> None:
    sell(play, account_token=account_token)
    post_play(Rtdn.subscription("tok-1"))
    ask_all()
    order = play.purchases["tok-1"].order
    assert post_play(Rtdn.voided("tok-1", order, refund=2)).status_code == 200  # a part of it
    assert ask_all() == 0
    assert Subscription.objects.get().status == "active"
    assert post_play(Rtdn.voided("tok-1", order)).status_code == 200
    ask_all()
    membership = Subscription.objects.get()
    assert (membership.status, membership.end_reason) == ("ended", "refunded")
    assert membership.periods.get().status == "revoked"


def test_an_older_order_taken_back_ends_nothing(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str
) -> None:
    start = now() - days(31)
    sell(play, at=start, account_token=account_token)
    post_play(Rtdn.subscription("tok-1"))
    ask_all()
    first = play.purchases["tok-1"].order
    play.purchases["tok-1"].renew(until=start + days(60))
    post_play(Rtdn.subscription("tok-1"))
    ask_all()
    post_play(Rtdn.voided("tok-1", first))
    ask_all()
    membership = Subscription.objects.get()
    assert membership.status == "active"
    assert list(membership.periods.order_by("starts_at").values_list("status", flat=True)) == ["revoked", "paid"]


def test_nobodys_purchase_is_not_acknowledged_until_it_is_claimed(
    play: PlaySimulator, post_play: Post, app_user: AppUser
) -> None:
    sell(play)
    post_play(Rtdn.subscription("tok-1"))
    ask_all()
    assert (StorePurchase.objects.get().state, play.acknowledged) == ("unclaimed", [])
    answer = hand_in(app_user)
    assert (answer.status_code, answer.json()["status"]) == (201, "linked")
    ask_all()
    assert play.acknowledged == ["tok-1"]


def hand_in(user: AppUser, token: str = "tok-1", *, package: str = "com.example.app", **more: Any) -> Any:
    return user.post("/stores/google-play/purchases", {"package": package, "purchase_token": token}, **more)


def test_handing_in_asks_google(play: PlaySimulator, app_user: AppUser, account_token: str) -> None:
    sell(play, account_token=account_token)
    first = hand_in(app_user, key="k")
    again = hand_in(app_user, key="k")
    assert first.status_code == 201, first.content
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
    assert Subscription.objects.get().status == "active"
    eve = AppUser.signed_in("eve@example.com")
    with no_row_changes():
        refused = hand_in(eve)
    assert (refused.status_code, refused.json()["code"]) == (409, "store_purchase_belongs_to_another")


def test_what_google_does_not_know_is_refused(play: PlaySimulator, app_user: AppUser) -> None:
    with no_row_changes():
        assert hand_in(app_user, "made-up").status_code == 422
        assert hand_in(app_user, package="com.example.other").status_code == 422
        assert hand_in(app_user, "a" * 5000).status_code == 400
        play.is_down = True
        answer = hand_in(app_user, "tok-1")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unreachable")


def test_google_down_is_asked_again_until_it_answers(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str
) -> None:
    sell(play, account_token=account_token)
    play.is_down = True
    post_play(Rtdn.subscription("tok-1"))
    for attempt in range(12):
        assert ask_all() == 1
        token = StoreToken.objects.get()
        assert token.attempts == attempt + 1
        assert token.next_attempt_at is not None
        assert token.next_attempt_at > now()
        StoreToken.objects.update(next_attempt_at=now())
    assert Case.objects.get().kind == "stuck"
    assert not Subscription.objects.exists()
    play.is_down = False
    ask_all()
    assert Subscription.objects.get().status == "active"
    assert Case.objects.get().status == "resolved"


def test_a_worker_that_died_is_taken_over(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the record and the acknowledgement: the row is due again after its lease."""
    sell(play, account_token=account_token)
    post_play(Rtdn.subscription("tok-1"))

    def die(*_arguments: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(play, "acknowledge", die)
        with pytest.raises(SystemExit):
            ask_all()
    assert play.acknowledged == []
    token = StoreToken.objects.get()
    assert token.next_attempt_at is not None
    assert token.acknowledged_at is None
    StoreToken.objects.update(next_attempt_at=now())
    ask_all()
    assert play.acknowledged == ["tok-1"]
    assert Subscription.objects.get().periods.count() == 1


def test_a_test_purchase_gives_nothing_in_production(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str, settings: Any
) -> None:
    settings.PAYCORE_SANDBOX_MODE = False
    sell(play, account_token=account_token, is_test=True)
    post_play(Rtdn.subscription("tok-1"))
    ask_all()
    assert not StorePurchase.objects.exists()
    assert hand_in(app_user).status_code == 422
    settings.PAYCORE_SANDBOX_MODE = True
    assert hand_in(app_user).status_code == 201


def test_a_payment_that_is_pending_gives_nothing_yet(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str
) -> None:
    sell(play, account_token=account_token, state="PENDING")
    post_play(Rtdn.subscription("tok-1"))
    ask_all()
    assert (StorePurchase.objects.get().standing, Subscription.objects.count()) == ("pending", 0)
    assert play.acknowledged == []
    play.purchases["tok-1"].state = "ACTIVE"
    post_play(Rtdn.subscription("tok-1"))
    ask_all()
    assert Subscription.objects.get().status == "active"


def test_an_answer_that_was_late_overwrites_nothing(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str
) -> None:
    sell(play, account_token=account_token)
    post_play(Rtdn.subscription("tok-1"))
    asked_early = play.purchases["tok-1"].as_answer()
    at = database_now() - timedelta(seconds=30)
    play.purchases["tok-1"].state = "ON_HOLD"
    ask_all()
    assert Subscription.objects.get().status == "suspended"
    _accept(StoreToken.objects.select_related("account").get(), asked_early, asked_at=at)
    assert Subscription.objects.get().status == "suspended"


# Who may push


@pytest.fixture
def refused(play: PlaySimulator, post_play: Post) -> Callable[..., None]:
    def refuse(body: Any = None, *, status: int = 400, bearer: str | None = None) -> None:
        with no_row_changes():
            answer = post_play(body if body is not None else Rtdn.subscription("tok-1"), bearer=bearer)
        assert answer.status_code == status, answer.content
        assert answer["Content-Type"].startswith("application/problem+json")

    return refuse


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://pay.example/webhooks/other/"},
        {"aud": None},
        {"iss": "https://accounts.example.com"},
        {"iss": None},
        {"email": "eve@example.iam.gserviceaccount.com"},
        {"email": None},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
        {"exp": 1_600_000_000},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": 4_000_000_000, "exp": 4_000_003_600},
        {"iat": None},
    ],
    ids=str,
)
def test_a_token_for_somebody_else_is_refused(
    refused: Callable[..., None], google_keys: GoogleKeys, changed: dict[str, Any]
) -> None:
    refused(bearer=google_keys.token(**changed))


def test_a_token_that_google_did_not_sign_is_refused(refused: Callable[..., None], google_keys: GoogleKeys) -> None:
    refused(bearer=GoogleKeys().token())  # same key id, other key
    refused(bearer=GoogleKeys(kid="key-9").token())
    claims = google_keys.claims()
    refused(bearer=jwt.encode(claims, "", algorithm="none", headers={"kid": google_keys.kid}))
    refused(bearer=jwt.encode(claims, "k" * 32, algorithm="HS256", headers={"kid": google_keys.kid}))
    # The public certificate as an HMAC secret: the classic confusion of algorithms.
    head = _part({"alg": "HS256", "typ": "JWT", "kid": google_keys.kid})
    signed = f"{head}.{_part(claims)}"
    mac = hmac.digest(google_keys.certificate.encode(), signed.encode(), hashlib.sha256)
    refused(bearer=f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")
    whole = google_keys.token()
    refused(bearer=whole[:-4] + ("AAAA" if whole[-4:] != "AAAA" else "BBBB"))
    for odd in ("x", "a.b.c", "..", "a" * 10_000, "\u00e9"):
        refused(bearer=odd)


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_no_token_is_refused(play: PlaySimulator) -> None:
    with no_row_changes():
        assert post_to("/webhooks/google-play/", Rtdn.subscription("tok-1")).status_code == 400


def test_a_push_for_another_app_is_refused(refused: Callable[..., None], play_account: StoreAccount) -> None:
    refused(Rtdn.subscription("tok-1", package="com.example.other"))
    StoreAccount.objects.filter(id=play_account.id).update(is_enabled=False)
    refused(Rtdn.subscription("tok-1"))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"{}", b'{"message": {}}', b'{"message": {"data": "%%%", "messageId": "1"}}',
     b'{"message": {"data": "e30=", "messageId": "1"}}', b'{"message": {"data": "W10=", "messageId": "1"}}',
     b'{"message": {"data": 5, "messageId": "1"}}', b'{"message": "x"}', b"\xff"],
)  # fmt: skip
def test_what_is_no_push_is_refused(refused: Callable[..., None], body: bytes) -> None:
    refused(body)


@pytest.mark.parametrize(
    "told",
    [
        {"subscriptionNotification": {"purchaseToken": ""}},
        {"subscriptionNotification": {"purchaseToken": "a" * 2000}},
        {"subscriptionNotification": {"purchaseToken": 5}},
        {"subscriptionNotification": []},
        {"subscriptionNotification": {}},
        {"eventTimeMillis": "x"},
        {"packageName": None},
    ],
)
def test_an_odd_push_is_refused(refused: Callable[..., None], told: dict[str, Any]) -> None:
    whole = {"packageName": "com.example.app", "eventTimeMillis": "1700000000000"}
    refused(Rtdn.envelope(whole | told))


def test_a_megabyte_is_refused(refused: Callable[..., None]) -> None:
    refused(b'{"message": "' + b"a" * 1_000_000 + b'"}', status=413)


def test_a_replayed_push_is_acknowledged_and_changes_nothing(
    play: PlaySimulator, post_play: Post, app_user: AppUser, account_token: str
) -> None:
    sell(play, account_token=account_token)
    push = Rtdn.subscription("tok-1", message_id="m-same")
    assert post_play(push).status_code == 200
    ask_all()
    with no_row_changes():
        assert post_play(push).status_code == 200
    assert ask_all() == 0


def test_tests_and_one_time_products_are_stored_and_ignored(play: PlaySimulator, post_play: Post) -> None:
    base = {"version": "1.0", "packageName": "com.example.app", "eventTimeMillis": "1700000000000"}
    assert post_play(Rtdn.envelope(base | {"testNotification": {"version": "1.0"}})).status_code == 200
    one_time = {"oneTimeProductNotification": {"purchaseToken": "t", "sku": "coins", "notificationType": 1}}
    assert post_play(Rtdn.envelope(base | one_time)).status_code == 200
    assert post_play(Rtdn.envelope(base | {"somethingNew": {}})).status_code == 200
    assert StoreNotice.objects.count() == 3
    assert not StoreToken.objects.exists()


def test_googles_certificates_are_fetched_once_an_hour(
    play: PlaySimulator, post_play: Post, google_keys: GoogleKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return google_keys.certificates()

    fresh.forget_everything()
    monkeypatch.setattr(http_request._certificates, "_read", fetch)
    for _ in range(3):
        assert post_play(Rtdn.subscription("tok-1")).status_code == 200
    assert fetched == [http_request.CERTIFICATES_URL]


def test_without_googles_certificates_the_push_comes_again(
    refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(url: str) -> bytes:
        raise TransportError("down")

    fresh.forget_everything()
    monkeypatch.setattr(http_request._certificates, "_read", fail)
    refused(status=503)
