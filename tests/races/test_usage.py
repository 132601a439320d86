"""Many at once: uses at the edge of a limit, and checks while rights change."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.db import transaction
from pytest_django import Settings

from accounts.models import User
from memberships.entitlements import counters
from memberships.entitlements.freshness import touch
from memberships.entitlements.queries import check
from memberships.entitlements.usage import give_back, use
from memberships.models import Grant, Plan, Subscription, UsageCounter
from paycore import snapshots
from paycore.clock import database_now
from paycore.quick_redis import Script
from tests.accounts.factories import UserFactory
from tests.memberships.factories import make_feature, make_plan, make_price
from tests.memberships.rights_scenes import granted, next_period, subscribed
from tests.races.crew import Crew, Tally, crew_of

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 20
LIMIT = 10
USERS_OF_IT = 32


@pytest.fixture
def premium() -> Plan:
    make_plan("free", features={"exports": 1})
    return make_plan("premium", features={"exports": LIMIT})


@pytest.fixture
def member(premium: Plan) -> User:
    user = UserFactory()
    subscribed(user, make_price(premium), now=database_now())
    return user


def one_export(user: User) -> str:
    use(user.id, "exports", amount=1)
    return "counted"


def test_32_uses_at_the_edge_of_a_limit_take_exactly_what_it_allows(member: User, crew: Crew, tally: Tally) -> None:
    for _trial in range(TRIALS):
        words = tally.note(crew.at_once(*[lambda: one_export(member)] * USERS_OF_IT))
        assert words.count("counted") == LIMIT
        assert words.count("limit_reached") == USERS_OF_IT - LIMIT
        assert UsageCounter.objects.get().used == LIMIT
        UsageCounter.objects.all().delete()
    tally.assert_no_surprise()


def test_the_first_uses_of_a_period_cut_short_take_over_its_count_once(member: User, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        use(member.id, "exports", amount=4)
        next_period(Subscription.objects.get())
        words = tally.note(crew.at_once(*[lambda: one_export(member)] * USERS_OF_IT))
        assert words.count("counted") == LIMIT - 4, trial
        assert UsageCounter.objects.latest("starts_at").used == LIMIT
        UsageCounter.objects.all().delete()
    tally.assert_no_surprise()


def test_uses_and_returns_at_once_stay_between_nothing_and_the_limit(member: User, crew: Crew, tally: Tally) -> None:
    def one_back() -> str:
        give_back(member.id, "exports", amount=1)
        return "returned"

    counted = returned = 0
    for _trial in range(TRIALS):
        words = tally.note(crew.at_once(*[lambda: one_export(member), one_back] * (USERS_OF_IT // 2)))
        counted, returned = counted + words.count("counted"), returned + words.count("returned")
        assert UsageCounter.objects.get().used == counted - returned
        assert 0 <= counted - returned <= LIMIT
    tally.assert_no_surprise()


def test_without_the_condition_the_race_is_lost(
    member: User, crew: Crew, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the test above would see if the limit were only looked at before."""
    condition = "WHERE c.used + %(amount)s BETWEEN 0 AND coalesce(%(most)s, c.used + %(amount)s)"
    assert condition in counters._COUNT
    monkeypatch.setattr(counters, "_COUNT", counters._COUNT.replace(condition, ""))

    words = tally.note(crew.at_once(*[lambda: one_export(member)] * USERS_OF_IT))

    assert words.count("counted") > LIMIT


BASE = datetime(2030, 1, 1, tzinfo=UTC)


class ChangingRights:
    """Writers move the end of a grant on, one second a change; whoever checks after a change returned must see at
    least that end."""

    def __init__(self, user: User, plan: Plan) -> None:
        make_feature("support", kind="switch")
        self.user = user
        self.grant = granted(user, plan, now=database_now(), ends_at=BASE)
        self.returned = 0
        self.checks = self.stale = 0
        self._lock = threading.Lock()
        self._until = 0.0

    def go(self, crew: Crew, *, seconds: float, writers: int = 2, readers: int = 6) -> list[str]:
        self._until = time.monotonic() + seconds
        acts = [*[self._write] * writers, *[self._read] * readers]
        return [str(deed.error) for deed in crew.at_once(*acts) if deed.error is not None]

    def _write(self) -> None:
        while time.monotonic() < self._until:
            with transaction.atomic():
                row = Grant.objects.select_for_update().get(id=self.grant.id)
                row.ends_at += timedelta(seconds=1)
                touch([self.user.id])
                row.save(update_fields=["ends_at"])
            self._note(int((row.ends_at - BASE).total_seconds()))
            time.sleep(0.002)

    def _note(self, number: int) -> None:
        with self._lock:
            self.returned = max(self.returned, number)

    def _read(self) -> None:
        while time.monotonic() < self._until:
            at_least = self.returned
            found = check(self.user.id, "support")
            assert found is not None
            assert found.until is not None
            with self._lock:
                self.checks += 1
                self.stale += (found.until - BASE).total_seconds() < at_least


@pytest.fixture
def changing(premium: Plan, settings: Settings, redis_client: redis.Redis) -> ChangingRights:
    redis_client.delete("paycore:rights")  # a test that was rolled back may have left a tombstone
    settings.PAYCORE_SANDBOX_MODE = False  # a sandbox asks for the user's clock first
    make_feature("support", kind="switch")
    return ChangingRights(UserFactory(), make_plan("platinum", features={"support": None}))


def test_no_check_that_starts_after_a_change_sees_what_was_before(changing: ChangingRights) -> None:
    with crew_of(8) as crew:
        assert changing.go(crew, seconds=4) == []
    assert changing.returned > 20
    assert changing.checks > 200
    assert changing.stale == 0


def test_without_leases_such_checks_do_see_what_was_before(
    changing: ChangingRights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The detector's power: readers fill whatever happened since they asked the database."""
    keep_anything = """
        redis.call('SET', KEYS[1], 's' .. string.sub(ARGV[1], 2, 18) .. ARGV[2], 'PXAT', ARGV[3])
        return 1
    """
    monkeypatch.setattr(snapshots, "_FILL", Script(keep_anything))
    with crew_of(8) as crew:
        for _trial in range(10):
            changing.go(crew, seconds=1)
            if changing.stale:
                break
    assert changing.stale > 0
