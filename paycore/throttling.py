"""Rate limits that are exact over all processes: one Lua call in Redis (GCRA), by user, API key or address.

When Redis is gone each process keeps the same limit in its own memory: looser by the number of processes, never
unlimited, and a request waits for a dead Redis at most once a second.

The answer says where the caller stands: ``RateLimit`` and ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers)
on every answer, ``Retry-After`` with a 429.
"""

import ipaddress
import math
import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from paycore import metrics
from paycore.quick_redis import RedisAway, Script, quick_redis

DEFAULT_RATES = {
    "caller": "300/minute",
    "address": "600/minute",
    "sign_in": "20/minute",
    "promotion_check": "20/minute",  # promotion codes looked up by one person
    "code_guess": "10/hour",  # codes tried in one session
    "redeem": "20/hour",  # codes and invitations that one person tries
    "second_factor": "30/day",  # codes tried for one person, by whoever knows the password
}
_PERIOD_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_RATE = re.compile(r"(\d{1,7})/(second|minute|hour|day)\Z")
_MOST_LOCAL_KEYS = 20_000

# GCRA: the key holds the theoretical arrival time (microseconds of Redis's own clock) of the next request that
# would find the allowance whole again. KEYS[1]; ARGV: interval and period in microseconds.
_GCRA = Script("""
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local next_tat = tat + interval
local wait = next_tat - period - now
if wait > 0 then return {0, 0, math.ceil(wait / 1000), math.ceil((tat - now) / 1000)} end
redis.call('SET', KEYS[1], string.format('%.0f', next_tat), 'PX', math.ceil((next_tat - now) / 1000))
return {1, math.floor((period - (next_tat - now)) / interval), 0, math.ceil((next_tat - now) / 1000)}
""")


@dataclass(frozen=True, slots=True)
class Rate:
    """``requests`` in ``seconds``; they may come at once."""

    requests: int
    seconds: int

    @property
    def interval_seconds(self) -> float:
        return self.seconds / self.requests


@dataclass(frozen=True, slots=True)
class Allowance:
    """Where a caller stands after a request."""

    scope: str
    rate: Rate
    is_allowed: bool
    remaining: int
    retry_after_seconds: float
    full_again_seconds: float

    @property
    def header(self) -> str:
        return f'"{self.scope}";r={self.remaining};t={math.ceil(self.full_again_seconds)}'

    @property
    def policy_header(self) -> str:
        return f'"{self.scope}";q={self.rate.requests};w={self.rate.seconds}'


@cache
def parse_rate(text: str) -> Rate:
    """Reads ``"100/minute"`` (second, minute, hour, day)."""
    match = _RATE.match(text)
    if match is None or int(match[1]) < 1:
        raise ImproperlyConfigured(f"A rate reads like 100/minute, not {text!r}.")
    return Rate(int(match[1]), _PERIOD_SECONDS[match[2]])


def rate_of(scope: str) -> Rate:
    rates = {**DEFAULT_RATES, **getattr(settings, "PAYCORE_THROTTLE_RATES", {})}
    if scope not in rates:
        raise ImproperlyConfigured(f"PAYCORE_THROTTLE_RATES names no rate for {scope!r}.")
    return parse_rate(rates[scope])


def take(*, scope: str, identity: str) -> Allowance:
    """Counts one request of ``identity`` against ``scope``. Never raises for want of Redis."""
    rate = rate_of(scope)
    key = f"paycore:throttle:{scope}:{identity}"
    is_allowed, remaining, retry_after, full_again = _limiter().take(key, rate)
    if not is_allowed:
        metrics.THROTTLED.labels(scope=scope).inc()
    return Allowance(scope, rate, is_allowed, remaining, retry_after, full_again)


_Taken = tuple[bool, int, float, float]


class _Limiter:
    """Redis while it answers, this process's memory while it does not."""

    def __init__(self, url: str) -> None:
        self._redis = quick_redis(url)
        self._local = LocalLimiter()

    def take(self, key: str, rate: Rate) -> _Taken:
        interval = max(1, round(rate.interval_seconds * 1_000_000))
        try:
            answer = self._redis.run(_GCRA, keys=[key], arguments=[interval, rate.seconds * 1_000_000])
        except RedisAway:
            return self._local.take(key, rate)
        allowed, remaining, retry_after_ms, full_again_ms = map(int, answer)
        return bool(allowed), remaining, retry_after_ms / 1000, full_again_ms / 1000


class LocalLimiter:
    """The same rule in this process's memory."""

    def __init__(self) -> None:
        self._arrivals: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, rate: Rate) -> _Taken:
        with self._lock:
            now = time.monotonic()
            arrival = max(self._arrivals.get(key, now), now)
            following = arrival + rate.interval_seconds
            wait = following - rate.seconds - now
            if wait > 1e-9:
                return False, 0, wait, arrival - now
            self._arrivals[key] = following
            self._arrivals.move_to_end(key)
            if len(self._arrivals) > _MOST_LOCAL_KEYS:
                self._arrivals.popitem(last=False)
        remaining = int((rate.seconds - (following - now)) / rate.interval_seconds + 1e-9)
        return True, remaining, 0.0, following - now


@cache
def _limiter_of(url: str) -> _Limiter:
    return _Limiter(url)


def _limiter() -> _Limiter:
    return _limiter_of(settings.REDIS_URL)


def client_address(request: HttpRequest | Request) -> str:
    """The caller's IP address: what the outermost *trusted* proxy saw, so a made-up X-Forwarded-For counts nothing."""
    proxies = settings.PAYCORE_TRUSTED_PROXIES
    direct = str(request.META.get("REMOTE_ADDR", ""))
    if not proxies:
        return direct
    forwarded = [part.strip() for part in str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(",") if part.strip()]
    candidate = forwarded[-min(proxies, len(forwarded))] if forwarded else direct
    try:
        return str(ipaddress.ip_address(candidate))
    except ValueError:
        return direct


def address_block(address: str) -> str:
    """What is counted as one caller: one IPv6 customer owns a /64 at least, single addresses would be 2**64 callers."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    # An IPv4 caller on a socket for both: the /64 around it would be all of IPv4.
    return str(ip.ipv4_mapped or ipaddress.ip_network((int(ip), 64), strict=False))


def _address_key(request: Request) -> str:
    return address_block(client_address(request))


def _caller_key(request: Request) -> str:
    user = request.user
    if user is not None and getattr(user, "is_authenticated", False):
        return f"caller:{getattr(user, 'throttle_identity', None) or user.pk}"
    return f"address:{_address_key(request)}"


class CallerThrottle(BaseThrottle):
    """By user or API key (``request.user.throttle_identity`` or ``.pk``); by address for those who are neither."""

    scope = "caller"

    def __init__(self) -> None:
        self._allowance: Allowance | None = None

    def identity(self, request: Request) -> str:
        return _caller_key(request)

    def allow_request(self, request: Request, view: Any) -> bool:
        self._allowance = take(scope=self.scope_of(view), identity=self.identity(request))
        remember(request._request, self._allowance)
        return self._allowance.is_allowed

    def scope_of(self, view: Any) -> str:
        return self.scope

    def wait(self) -> float | None:
        return self._allowance.retry_after_seconds if self._allowance else None


class AddressThrottle(CallerThrottle):
    """By address alone, for routes where nobody is known yet."""

    scope = "address"

    def identity(self, request: Request) -> str:
        return f"address:{_address_key(request)}"


class ScopedThrottle(CallerThrottle):
    """By caller, at the rate that the view's ``throttle_scope`` names."""

    def scope_of(self, view: Any) -> str:
        return str(view.throttle_scope)


def remember(request: HttpRequest, allowance: Allowance) -> None:
    """Keeps ``allowance`` for the answer's headers (ResponseHeadersMiddleware)."""
    request.META.setdefault("paycore.allowances", []).append(allowance)


def headers_of(request: HttpRequest) -> dict[str, str]:
    allowances: list[Allowance] = request.META.get("paycore.allowances", [])
    if not allowances:
        return {}
    return {
        "RateLimit": ", ".join(allowance.header for allowance in allowances),
        "RateLimit-Policy": ", ".join(allowance.policy_header for allowance in allowances),
    }
