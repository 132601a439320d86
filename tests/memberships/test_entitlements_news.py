"""What the platform's server hears of its members, and what happens when Redis could not be told of a change."""

from datetime import timedelta

import pytest
from django.db import transaction
from pytest_django import Settings

from memberships.catalogue.freshness import RIGHTS, RightsStillNotTold, tell_again, touch_everybody
from memberships.entitlements.freshness import touch
from memberships.models import Price, Subscription
from memberships.subscriptions.recording import Why, lock_subscription, save_change
from merchants.models import Merchant
from merchants.webhooks.models import WebhookEvent
from paycore import snapshots
from paycore.clock import database_now
from paycore.models import OutboxMessage
from tests.accounts.factories import UserFactory
from tests.actors import run_background
from tests.memberships.factories import make_catalogue
from tests.memberships.rights_scenes import NOW, seated, subscribed
from tests.merchants.hooks import listen

pytestmark = pytest.mark.django_db


@pytest.fixture
def price() -> Price:
    return make_catalogue()


def suspend(subscription: Subscription) -> None:
    with transaction.atomic():
        row = lock_subscription(subscription.id)
        row.status = "suspended"
        save_change(row, Why("suspended", "system", database_now()), was="active", fields=["status"])


def test_the_platforms_server_hears_the_whole_state_and_what_the_member_may_do(
    price: Price, platform: Merchant
) -> None:
    listen(platform)
    subscription = subscribed(UserFactory(), price, now=database_now())

    suspend(subscription)
    run_background()

    told = WebhookEvent.objects.get(type="membership.changed")
    assert (told.merchant_id, told.object_id) == (platform.id, subscription.id)
    assert '"why":"suspended"' in told.body
    assert '"status":"suspended"' in told.body
    assert '"entitlements":[{"feature":"exports"' in told.body
    assert '"source":"free"' in told.body


def test_who_sits_in_a_membership_is_told_of_with_its_owner(price: Price, platform: Merchant) -> None:
    listen(platform)
    subscription = subscribed(UserFactory(), price, now=database_now())
    seat = seated(UserFactory(email="ben@example.com"), subscription)
    seated(UserFactory(email="gone@example.com"), subscription, status="removed", removed_at=NOW, token_hash=b"g")

    suspend(subscription)
    run_background()

    told = WebhookEvent.objects.filter(type="membership.changed").order_by("position")
    assert [event.object_id for event in told] == [subscription.id, seat.id]
    assert f'"user":"{seat.user_id}","why":"owner_changed"' in told[1].body
    assert '"source":"free"' in told[1].body
    assert '"source":"seat"' not in told[1].body


def test_nobody_else_hears_of_it(price: Price, platform: Merchant, merchant: Merchant) -> None:
    listen(merchant)
    suspend(subscribed(UserFactory(), price, now=database_now()))
    run_background()

    assert not WebhookEvent.objects.filter(type="membership.changed").exists()


def test_what_redis_could_not_be_told_is_told_by_a_worker(
    price: Price, platform: Merchant, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription = subscribed(UserFactory(), price, now=database_now())
    here = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    suspend(subscription)
    waiting = OutboxMessage.objects.filter(status="pending", event__name="rights.not_told")
    assert waiting.count() == 1
    settings.REDIS_URL = here
    told: list[list[str]] = []
    touch_now = RIGHTS.touch

    def note(users: list[str]) -> bool:
        told.append(list(users))
        return touch_now(users)

    monkeypatch.setattr(RIGHTS, "touch", note)
    run_background()

    assert told == [[subscription.user_id]]
    assert not waiting.exists()


def test_a_worker_tries_until_there_can_be_nothing_old(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    now = database_now()

    with pytest.raises(RightsStillNotTold):
        tell_again(["usr_1"], since=now - timedelta(seconds=RIGHTS.seconds - 1), now=now)
    with pytest.raises(RightsStillNotTold):
        tell_again(["*"], since=now, now=now)
    tell_again(["usr_1"], since=now - timedelta(seconds=RIGHTS.seconds), now=now)


def test_while_redis_answers_no_word_is_left(price: Price, platform: Merchant) -> None:
    touch([UserFactory().id])
    touch([])
    touch_everybody()
    suspend(subscribed(UserFactory(), price, now=database_now()))

    assert not OutboxMessage.objects.filter(event__name="rights.not_told").exists()


def test_a_thousand_users_at_once_are_told_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    insist = snapshots._insist

    def note(script: object, names: list[str], arguments: object) -> bool:
        sizes.append(len(names))
        return insist(script, names, arguments)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(snapshots, "_insist", note)

    assert RIGHTS.touch(f"usr_{number}" for number in range(2_500))
    assert sizes == [1000, 1000, 500]
