"""Rights change and are checked while Redis is flushed, dies and comes back: no check sees what was before a change."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from memberships.entitlements.queries import check
from paycore.quick_redis import quick_redis
from tests.accounts.factories import UserFactory
from tests.faults.test_redis_gone import OwnRedis, own_redis
from tests.memberships.factories import make_feature, make_plan
from tests.races.crew import crew_of
from tests.races.test_usage import ChangingRights

__all__ = ["own_redis"]  # the fixture

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def changing(own_redis: OwnRedis, settings: Settings) -> ChangingRights:
    settings.PAYCORE_SANDBOX_MODE = False
    make_feature("support", kind="switch")
    return ChangingRights(UserFactory(), make_plan("platinum", features={"support": None}))


def test_flushing_at_any_moment_shows_nothing_old(own_redis: OwnRedis, changing: ChangingRights) -> None:
    with _meanwhile(own_redis.client.flushall, every=0.003):
        _change_and_check(changing)


def test_a_flood_of_restarted_connections_shows_nothing_old(own_redis: OwnRedis, changing: ChangingRights) -> None:
    def close_all() -> None:
        own_redis.client.client_kill_filter(_type="normal", skipme=True)

    with _meanwhile(close_all, every=0.02):
        _change_and_check(changing)


def test_a_redis_that_dies_and_comes_back_empty_shows_nothing_old(
    own_redis: OwnRedis, changing: ChangingRights, tmp_path: Path
) -> None:
    def die_and_come_back() -> None:
        own_redis.kill()
        time.sleep(0.1)
        own_redis.start_again()

    with _meanwhile(die_and_come_back, every=0.5):
        _change_and_check(changing)
    quick_redis(own_redis.url)._down_until = 0.0
    check(changing.user.id, "support")
    assert own_redis.client.exists(f"paycore:rights:{changing.user.id}")


def _change_and_check(changing: ChangingRights) -> None:
    with crew_of(8) as crew:
        assert changing.go(crew, seconds=4) == []
    assert changing.returned > 20
    assert changing.checks > 100
    assert changing.stale == 0


class _meanwhile:
    def __init__(self, act: Callable[[], object], *, every: float) -> None:
        self._act, self._every, self._over = act, every, threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join(10)

    def _go_on(self) -> None:
        while not self._over.wait(self._every):
            self._act()
