"""The velocity store: sliding counts, the journal while it is being filled, and life without Redis."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from django.conf import settings

from merchants.models import Merchant
from paycore.quick_redis import quick_redis
from riskcontrol import rebuilding, velocity
from riskcontrol.decisions import assess
from riskcontrol.facts import WINDOWS
from riskcontrol.models import Hit
from riskcontrol.velocity import Counter, VelocityNotReady
from tests.merchants.factories import make_merchant, make_user
from tests.riskcontrol.scenes import attempt, journal, journal_row, pay, rule

pytestmark = pytest.mark.django_db
DEVICE = Counter("device", "count", "dev-1")
SPENT = Counter("device", "sum", "dev-1", "USD")


@pytest.fixture(autouse=True)
def _empty_store(redis_client: redis.Redis) -> Iterator[None]:
    redis_client.flushdb()
    yield
    redis_client.flushdb()


@pytest.fixture
def ready(redis_client: redis.Redis) -> None:
    kinds = [f"{dimension}.{measure}" for dimension in ("user", "ip", "device", "payment_method", "merchant")
             for measure in ("count", "sum")]  # fmt: skip
    redis_client.set(velocity.READY, ",".join(kinds))


def facts_of(merchant: Merchant, minor: int = 1_000, **known: object) -> dict[str, int]:
    decision = assess(attempt(merchant, minor, **known))
    journal(decision)
    facts: dict[str, int] = decision.journal["facts"]
    return facts


def fill() -> int:
    return rebuilding.rebuild_velocity()


@pytest.mark.usefixtures("ready")
def test_counts_and_sums_grow_with_each_attempt_in_every_window() -> None:
    for number in range(1, 4):
        facts = velocity.count((DEVICE, SPENT), amount_minor=250)
        for window in WINDOWS:
            # The minute (or hour) may turn in between: then a part of the one before is left.
            assert number - 1 <= facts[f"device_count_{window}"] <= number
            assert (number - 1) * 250 <= facts[f"device_sum_{window}"] <= number * 250
    assert facts["device_count_7d"] == 3
    assert facts["device_sum_7d"] == 750


@pytest.mark.usefixtures("ready")
def test_amounts_add_up_per_currency_and_far_above_what_a_float_shows() -> None:
    huge = 10**14
    velocity.count((SPENT,), amount_minor=huge)
    euros = Counter("device", "sum", "dev-1", "EUR")
    assert velocity.count((euros,), amount_minor=7)["device_sum_7d"] == 7
    assert velocity.count((SPENT,), amount_minor=1)["device_sum_7d"] == huge + 1


@pytest.mark.usefixtures("ready")
def test_a_window_slides_within_one_bucket_of_the_truth(redis_client: redis.Redis) -> None:
    """The bucket before counts by what the window still covers of it."""
    now = time.time()
    seconds = 3_600
    fraction = now / seconds - now // seconds
    velocity.merge([(DEVICE, [0, 0, 0, 1_000, 0, 0, 0, 0])], at=now)

    expected = 1_000 * (1 - fraction)
    assert velocity.count((DEVICE,), amount_minor=1)["device_count_1h"] == pytest.approx(expected + 1, abs=3)


@pytest.mark.usefixtures("ready")
def test_what_is_two_buckets_old_is_forgotten() -> None:
    long_ago = time.time() - 2 * 604_800 - 1
    velocity.merge([(DEVICE, [9] * 8)], at=long_ago)
    assert set(velocity.count((DEVICE,), amount_minor=1).values()) == {1}


def test_keys_live_no_longer_than_they_are_needed(redis_client: redis.Redis, ready: None) -> None:
    velocity.count((DEVICE,), amount_minor=1)
    assert 1_209_000 < redis_client.ttl(DEVICE.key) <= 1_209_600


def test_a_store_that_was_never_filled_says_so_and_counts_all_the_same(redis_client: redis.Redis) -> None:
    for _time in range(2):
        with pytest.raises(VelocityNotReady):
            velocity.count((DEVICE,), amount_minor=1)
    redis_client.set(velocity.READY, "device.count")
    assert velocity.count((DEVICE,), amount_minor=1)["device_count_7d"] == 3
    with pytest.raises(VelocityNotReady):
        velocity.count((DEVICE, SPENT), amount_minor=1)


def test_only_what_rules_ask_for_is_counted(merchant: Merchant, redis_client: redis.Redis, ready: None) -> None:
    rule("ip_count_1h > 3 and user_sum_24h > 5", "review", mode="shadow")
    facts = facts_of(merchant, ip="203.0.113.7", device_id="dev-1", user_id=make_user().id)

    counted = {key.decode().split(":")[2:4][1] for key in redis_client.keys("paycore:risk:[cs]:*")}
    assert counted == {"ip", "user"}
    assert facts["ip_count_1h"] == 1
    assert "device_count_1h" not in facts


def test_without_rules_that_count_redis_is_not_asked(merchant: Merchant, redis_client: redis.Redis) -> None:
    rule("amount_minor > 5", "challenge")
    facts_of(merchant, device_id="dev-1")
    assert not redis_client.keys("paycore:risk:*")


def test_while_the_store_is_empty_the_journal_tells_and_after_filling_both_agree(
    merchant: Merchant, redis_client: redis.Redis
) -> None:
    rule("device_count_1m > 99 or device_sum_1h > 999999 or merchant_count_7d > 99 or user_count_24h > 99", "review")
    user = make_user()
    known = {"user_id": user.id, "device_id": "dev-1"}
    for ago in (timedelta(seconds=1), timedelta(minutes=20), timedelta(hours=5), timedelta(days=3)):
        journal_row(merchant, ago=ago, **known)
    journal_row(merchant, ago=timedelta(seconds=5), device_id="dev-1", currency="EUR")
    journal_row(make_merchant(), ago=timedelta(seconds=5), device_id="dev-2")

    facts = facts_of(merchant, 1_000, **known)
    assert (facts["device_count_1m"], facts["device_count_1h"]) == (3, 4)
    assert (facts["device_count_24h"], facts["device_count_7d"]) == (5, 6)
    assert (facts["device_sum_1m"], facts["device_sum_7d"]) == (2_000, 5_000)
    assert (facts["merchant_count_7d"], facts["user_count_24h"], facts["user_count_7d"]) == (6, 4, 5)

    assert rebuilding.store_state() == "rebuilding"
    assert fill() > 0
    assert rebuilding.store_state() == "ok"
    assert fill() == 0

    after = facts_of(merchant, 1_000, **known)
    # A bucket may have begun between: what was counted before then weighs less, never more.
    assert facts["device_count_7d"] - 1 <= after["device_count_7d"] <= facts["device_count_7d"] + 1
    assert after["device_count_24h"] <= facts["device_count_24h"] + 1
    assert after["user_count_7d"] <= facts["user_count_7d"] + 1


def test_filling_twice_or_while_attempts_come_never_counts_one_twice(
    merchant: Merchant, redis_client: redis.Redis
) -> None:
    rule("device_count_24h > 99", "review")
    for _number in range(5):
        pay(attempt(merchant, device_id="dev-1"))

    fill()
    redis_client.delete(velocity.READY)
    fill()

    assert facts_of(merchant, device_id="dev-1")["device_count_24h"] in (5, 6)


def test_a_new_rule_that_counts_something_else_asks_for_a_filling(merchant: Merchant) -> None:
    rule("device_count_1h > 99", "review")
    for _number in range(3):
        pay(attempt(merchant, device_id="dev-1", ip="203.0.113.7"))
    fill()
    rule("ip_count_24h > 3", "challenge")

    assert rebuilding.store_state() == "rebuilding"
    assert assess(attempt(merchant, ip="203.0.113.7")).action == "challenge"
    fill()
    assert rebuilding.store_state() == "ok"


def test_a_flush_while_filling_leaves_it_unready(
    merchant: Merchant, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule("device_count_1h > 99", "review")
    pay(attempt(merchant, device_id="dev-1"))
    merge = rebuilding.merge

    def merge_then_flush(*arguments, **options) -> None:  # type: ignore[no-untyped-def]
        merge(*arguments, **options)
        redis_client.flushdb()

    monkeypatch.setattr(rebuilding, "merge", merge_then_flush)
    fill()
    assert rebuilding.store_state() == "rebuilding"

    monkeypatch.setattr(rebuilding, "merge", merge)
    fill()
    assert rebuilding.store_state() == "ok"


def test_two_fillings_at_once_are_one(merchant: Merchant, redis_client: redis.Redis) -> None:
    rule("device_count_1h > 99", "review")
    redis_client.set(rebuilding.LOCK, "somebody", ex=60)
    assert fill() == 0
    assert rebuilding.store_state() == "rebuilding"


def test_another_redis_than_the_one_that_was_filled_is_filled_again(
    merchant: Merchant, redis_client: redis.Redis
) -> None:
    rule("device_count_1h > 99", "review")
    fill()
    redis_client.set(rebuilding.SERVER, "the server of yesterday")
    pay(attempt(merchant, device_id="dev-1"))
    assert fill() == 1


@pytest.mark.parametrize(("fallback", "action"), [("fail_open", "allow"), ("fail_closed", "review")])
def test_with_redis_stopped_each_rule_does_what_it_says_and_quickly(
    merchant: Merchant, settings, fallback: str, action: str
) -> None:  # type: ignore[no-untyped-def]
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    made = rule("device_count_1h > 3", "review", on_unavailable=fallback)
    rule("amount_minor > 5000", "challenge")

    started = time.perf_counter()
    decisions = [assess(attempt(merchant, device_id="dev-1")) for _time in range(20)]
    assert time.perf_counter() - started < 1.0

    assert {decision.action for decision in decisions} == {action}
    assert f"not_evaluated:rule:{made.id}@1" in decisions[0].reasons
    assert "device_count_1h" not in decisions[0].journal["facts"]
    assert rebuilding.store_state() == "away"
    assert fill() == 0
    journal(decisions[0])
    assert Hit.objects.filter(is_fallback=True).count() == (action == "review")
    # Rules that count nothing are as before.
    assert assess(attempt(merchant, 5_001)).action in ("challenge", "review")


def test_redis_that_comes_back_empty_is_read_from_the_journal_at_once(
    merchant: Merchant, redis_client: redis.Redis
) -> None:
    rule("device_count_24h >= 4", "review")
    fill()
    for _number in range(3):
        pay(attempt(merchant, device_id="dev-1"))
    redis_client.flushdb()

    assert assess(attempt(merchant, device_id="dev-1")).action == "review"


def test_an_unknown_device_counts_nothing(merchant: Merchant, ready: None, redis_client: redis.Redis) -> None:
    rule("device_count_1h > 3", "review", on_unavailable="fail_closed")
    for _number in range(6):
        decision = assess(attempt(merchant))
    assert (decision.action, decision.journal["facts"]["device_count_1h"]) == ("allow", 0)
    assert not redis_client.keys("paycore:risk:c:device:*")


def test_ipv6_is_counted_by_the_network_that_one_customer_owns(merchant: Merchant, ready: None) -> None:
    rule("ip_count_1h > 99", "review")
    for number in range(3):
        facts = facts_of(merchant, ip=f"2001:db8:1:2::{number}")
    assert facts["ip_count_1h"] == 3
    assert facts_of(merchant, ip="2001:db8:1:3::1")["ip_count_1h"] == 1


def test_one_assessment_is_one_round_trip_to_redis(
    merchant: Merchant, ready: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule("user_count_1m + ip_sum_1h + device_count_24h + payment_method_sum_7d + merchant_count_1h > 999999", "review")
    calls = []
    store = quick_redis(settings.REDIS_URL)
    run = store.run
    monkeypatch.setattr(store, "run", lambda *given, **named: calls.append(named["keys"]) or run(*given, **named))

    decision = assess(
        attempt(merchant, user_id=make_user().id, ip="203.0.113.7", device_id="d", payment_method_key="p")
    )

    assert (len(calls), len(calls[0])) == (1, 6)
    assert json.loads(json.dumps(decision.journal["facts"]))["merchant_count_7d"] == 1
