"""The bell may be lost, never in the way: it rings after a commit, once, and is silent without Redis."""

from typing import Any

import pytest
import redis
from django.db import transaction

from paycore import bell
from paycore.bell import OUTBOX, Bell, heard, ring_now, ring_on_commit

OTHER = Bell("other", "payments.tasks.advance_refunds")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, redis_client: redis.Redis) -> list[str]:
    """The names of the tasks that Celery was asked for."""
    names: list[str] = []
    monkeypatch.setattr(
        bell, "current_app", type("App", (), {"send_task": lambda _, name, **more: names.append(name)})()
    )
    monkeypatch.setattr(bell, "_client", redis_client)
    monkeypatch.setattr(bell, "_silent_until", 0.0)
    redis_client.delete(OUTBOX.mark, OTHER.mark)
    return names


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(
        bell, "_ringer", lambda wanted: ringers.setdefault(wanted.name, lambda: names.append(wanted.name))
    )
    ringers: dict[str, Any] = {}
    return names


def test_rings_between_two_passes_are_one(sent: list[str]) -> None:
    for _ring in range(5):
        ring_now(OUTBOX)
    ring_now(OTHER)
    assert sent == [OUTBOX.task, OTHER.task]


def test_what_commits_after_a_pass_began_rings_again(sent: list[str]) -> None:
    ring_now(OUTBOX)
    heard(OUTBOX)
    ring_now(OUTBOX)
    assert sent == [OUTBOX.task] * 2


def test_a_mark_that_nobody_takes_away_does_not_silence_the_bell_for_long(
    sent: list[str], redis_client: redis.Redis
) -> None:
    ring_now(OUTBOX)
    assert 0 < redis_client.pttl(OUTBOX.mark) <= 2_000


def test_without_redis_nobody_is_held_up_and_nothing_is_raised(
    sent: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    class Gone:
        def set(self, *_args: Any, **_options: Any) -> Any:
            asked.append(1)
            raise redis.ConnectionError

        def delete(self, *_names: str) -> Any:
            raise redis.TimeoutError

    monkeypatch.setattr(bell, "_client", Gone())
    for _ring in range(20):
        ring_now(OUTBOX)
    heard(OUTBOX)

    assert sent == []
    assert len(asked) == 1, "after a failure the bell is silent for a second"
    assert "bell_not_rung" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_transaction_rings_once_when_it_commits(rung: list[str]) -> None:
    with transaction.atomic():
        for _change in range(3):
            ring_on_commit(OUTBOX)
        ring_on_commit(OTHER)
        assert rung == []
    assert rung == ["outbox", "other"]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_is_undone_does_not_ring(rung: list[str]) -> None:
    with transaction.atomic():
        ring_on_commit(OUTBOX)
        transaction.set_rollback(True)
    assert rung == []


def test_where_bells_are_switched_off_nobody_talks(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.PAYCORE_BELL_ENABLED = False
    waiting: set[Bell] = set()
    monkeypatch.setattr(bell, "_to_ring", waiting)
    bell.ring(OUTBOX)
    assert waiting == set()
