"""Filling the velocity store from the journal, after Redis was lost or when rules ask for counters it has not."""

import secrets
from itertools import islice
from typing import Any

import redis
from django.conf import settings

from paycore.logs import get_logger
from paycore.quick_redis import RedisAway
from riskcontrol.counting import buckets_in_journal
from riskcontrol.rules import live_rules
from riskcontrol.velocity import READY, merge

log = get_logger(__name__)

LOCK = "paycore:risk:rebuilding"
SERVER = "paycore:risk:server"
LOCK_SECONDS = 60
CHUNK = 500

# Only whoever still holds the lock says "ready": a flush while filling takes the lock away as well.
_FINISH = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[1])
return 1
"""


def rebuild_velocity() -> int:
    """Fill what rules need and the store lacks; how many counters were written. Away: nothing, the next call tries."""
    try:
        return _rebuild(_client())
    except (redis.RedisError, RedisAway, OSError) as error:
        log.warning("velocity_not_rebuilt", error=type(error).__name__)
        return 0


def store_state() -> str:
    """``ok``, ``rebuilding`` (counts come from the journal meanwhile) or ``away``, for people."""
    try:
        return "ok" if _needed() <= _ready(_client()) else "rebuilding"
    except (redis.RedisError, OSError):
        return "away"


def _rebuild(client: "redis.Redis") -> int:
    _notice_restart(client)
    missing = _needed() - _ready(client)
    token = secrets.token_hex(8)
    if not missing or not client.set(LOCK, token, nx=True, ex=LOCK_SECONDS):
        return 0
    seconds, microseconds = client.time()
    at = seconds + microseconds / 1_000_000
    written = sum(_fill(kind, at=at) for kind in sorted(missing))
    kinds = ",".join(sorted(missing | _ready(client)))
    is_ready = client.eval(_FINISH, 2, LOCK, READY, token, kinds)
    log.info("velocity_rebuilt", counters=written, kinds=kinds, is_ready=bool(is_ready))
    return written


def _fill(kind: str, *, at: float) -> int:
    dimension, measure = kind.split(".")
    buckets = buckets_in_journal(dimension, measure, at=at)
    written = 0
    while chunk := list(islice(buckets, CHUNK)):
        merge(chunk, at=at)
        written += len(chunk)
    return written


def _notice_restart(client: "redis.Redis") -> None:
    """A server that came back may have come back with what it knew minutes ago."""
    info: Any = client.info("server")
    server = str(info["run_id"])
    known: Any = client.get(SERVER)
    if known is None or known.decode() != server:
        client.delete(READY)
        client.set(SERVER, server)


def _needed() -> frozenset[str]:
    return frozenset(f"{dimension}.{measure}" for dimension, measure in live_rules().counter_kinds)


def _ready(client: "redis.Redis") -> frozenset[str]:
    text: Any = client.get(READY)
    return frozenset(text.decode().split(",")) if text else frozenset()


def _client() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=1)
