import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from paycore import throttling
from paycore.identifiers import new_id
from paycore.middleware import ResponseHeadersMiddleware
from paycore.throttling import (
    AddressThrottle,
    CallerThrottle,
    LocalLimiter,
    Rate,
    ScopedThrottle,
    client_address,
    parse_rate,
    take,
)

RATES = {"caller": "5/minute", "address": "3/minute", "quick": "10/second", "exports": "1/hour"}


@pytest.fixture(autouse=True)
def _rates() -> Iterator[None]:
    with override_settings(PAYCORE_THROTTLE_RATES=RATES, PAYCORE_TRUSTED_PROXIES=0):
        yield


@pytest.fixture
def identity() -> str:
    return new_id("test")


@pytest.fixture
def dead_redis() -> Iterator[None]:
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        yield
    throttling._limiter_of.cache_clear()


def test_exactly_the_allowance_passes(identity: str) -> None:
    allowances = [take(scope="caller", identity=identity) for _ in range(8)]
    assert [one.is_allowed for one in allowances] == [True] * 5 + [False] * 3
    assert [one.remaining for one in allowances] == [4, 3, 2, 1, 0, 0, 0, 0]
    assert 10 < allowances[-1].retry_after_seconds <= 12
    assert 59 < allowances[-1].full_again_seconds <= 60


def test_a_refused_request_costs_nothing(identity: str) -> None:
    for _ in range(5):
        take(scope="caller", identity=identity)
    waits = [take(scope="caller", identity=identity).retry_after_seconds for _ in range(20)]
    assert max(waits) <= 12


def test_the_allowance_comes_back_evenly(identity: str) -> None:
    passed = [take(scope="quick", identity=identity).is_allowed for _ in range(15)]
    assert 10 <= sum(passed) <= 12
    time.sleep(0.25)
    assert take(scope="quick", identity=identity).is_allowed


def test_callers_and_scopes_do_not_touch_each_other(identity: str) -> None:
    for _ in range(6):
        take(scope="caller", identity=identity)
    assert take(scope="address", identity=identity).is_allowed
    assert take(scope="caller", identity=identity + "x").is_allowed


def test_threads_together_get_exactly_the_allowance() -> None:
    for _trial in range(20):
        identity = new_id("test")
        barrier, passed = threading.Barrier(16), []

        def ask(identity: str = identity, barrier: threading.Barrier = barrier, passed: list[bool] = passed) -> None:
            barrier.wait()
            passed.append(take(scope="caller", identity=identity).is_allowed)

        threads = [threading.Thread(target=ask) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(passed) == 5


def test_keys_expire_by_themselves(identity: str) -> None:
    take(scope="caller", identity=identity)
    left = redis.Redis.from_url(settings.REDIS_URL).pttl(f"paycore:throttle:caller:{identity}")
    assert 0 < left <= 12_000


@pytest.mark.usefixtures("dead_redis")
def test_without_redis_the_limit_holds_in_this_process_and_nobody_waits(identity: str) -> None:
    started = time.monotonic()
    passed = [take(scope="caller", identity=identity).is_allowed for _ in range(50)]
    assert sum(passed) == 5
    assert time.monotonic() - started < 0.5


@given(st.integers(1, 50), st.integers(1, 3600), st.integers(0, 100))
def test_the_local_limiter_lets_exactly_the_allowance_pass(requests: int, seconds: int, extra: int) -> None:
    limiter, rate = LocalLimiter(), Rate(requests, seconds * 100)
    passed = [limiter.take("k", rate)[0] for _ in range(requests + extra)]
    assert sum(passed) == requests


def test_the_local_limiter_forgets_the_oldest_rather_than_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "_MOST_LOCAL_KEYS", 10)
    limiter = LocalLimiter()
    for number in range(100):
        limiter.take(str(number), Rate(1, 60))
    assert len(limiter._arrivals) == 10
    assert not limiter.take("99", Rate(1, 60))[0]


@pytest.mark.parametrize("text", ["", "5", "0/minute", "5/fortnight", "-1/minute", "5 / minute"])
def test_a_rate_that_makes_no_sense_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        parse_rate(text)


def test_an_unnamed_scope_is_a_configuration_error(identity: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        take(scope="nowhere", identity=identity)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "1.1.1.1", "10.0.0.9"),
        (1, None, "10.0.0.9"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 10.0.0.1", "1.1.1.1"),
        (3, "1.1.1.1", "1.1.1.1"),
        (1, "made up", "10.0.0.9"),
        (1, ", ,", "10.0.0.9"),
    ],
)
def test_only_trusted_proxies_are_believed(proxies: int, forwarded: str | None, expected: str) -> None:
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    with override_settings(PAYCORE_TRUSTED_PROXIES=proxies):
        assert client_address(RequestFactory().get("/", REMOTE_ADDR="10.0.0.9", **headers)) == expected


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_customer_is_one_caller_and_all_of_ipv4_is_not(address: str, block: str) -> None:
    assert throttling.address_block(address) == block


class LimitedView(APIView):
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (AddressThrottle,)
    throttle_scope = "exports"

    def get(self, request: Request) -> Response:
        return Response({"ok": True})


def ask(address: str, view: Any = LimitedView, **headers: str) -> Any:
    middleware = ResponseHeadersMiddleware(view.as_view())
    return middleware(RequestFactory().get("/api/v1/x", REMOTE_ADDR=address, **headers))


def test_answers_say_where_the_caller_stands() -> None:
    address = f"10.{time.time_ns() % 200}.{time.time_ns() // 1000 % 250}.7"
    redis.Redis.from_url(settings.REDIS_URL).delete(f"paycore:throttle:address:address:{address}")
    first = ask(address, HTTP_X_FORWARDED_FOR="1.2.3.4")
    assert first["RateLimit-Policy"] == '"address";q=3;w=60'
    assert first["RateLimit"] == '"address";r=2;t=20'
    statuses = [ask(address, HTTP_X_FORWARDED_FOR=f"1.2.3.{n}").status_code for n in range(4)]
    assert statuses == [200, 200, 429, 429]
    last = ask(address)
    assert 15 <= int(last["Retry-After"]) <= 20
    assert last.data["code"] == "throttled"
    assert last["RateLimit"].startswith('"address";r=0;')


def key_of(throttle: CallerThrottle, **attributes: Any) -> str:
    request = Request(RequestFactory().get("/", REMOTE_ADDR=attributes.pop("address", "10.0.0.9")))
    request.user = SimpleNamespace(**attributes)  # type: ignore[assignment]  # any principal counts
    return throttle.identity(request)


def test_callers_are_counted_by_who_they_are() -> None:
    assert key_of(CallerThrottle(), is_authenticated=True, pk="usr_1") == "caller:usr_1"
    known = key_of(CallerThrottle(), is_authenticated=True, pk="usr_1", throttle_identity="key_9")
    assert known == "caller:key_9"
    assert key_of(CallerThrottle(), is_authenticated=False) == "address:10.0.0.9"
    assert key_of(AddressThrottle(), is_authenticated=True, pk="usr_1") == "address:10.0.0.9"


def test_an_ipv6_network_is_one_address() -> None:
    keys = {key_of(AddressThrottle(), is_authenticated=False, address=f"2001:db8:1:2::{n}") for n in range(1, 5)}
    assert keys == {"address:2001:db8:1:2::/64"}


def test_a_view_may_name_its_own_rate() -> None:
    class Export(LimitedView):
        throttle_classes = (ScopedThrottle,)

    redis.Redis.from_url(settings.REDIS_URL).delete("paycore:throttle:exports:address:10.9.9.9")
    assert [ask("10.9.9.9", Export).status_code for _ in range(2)] == [200, 429]
