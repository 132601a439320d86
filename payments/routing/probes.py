"""One payment at a time finds out whether a half-open account works again, over all processes."""

import threading
import time

from django.conf import settings

from paycore.quick_redis import RedisAway, Script, quick_redis

LASTS_SECONDS = 15
"""Longer than a call's deadline: the next one waits for what came of it."""

_TAKE = Script("return redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) and 1 or 0")
_lock = threading.Lock()
_local: dict[str, float] = {}


def may_probe(account_id: str, method: str) -> bool:
    """Whether this payment is the one. Without Redis, one per process."""
    key = f"paycore:routing:probe:{account_id}:{method}"
    try:
        return bool(quick_redis(settings.REDIS_URL).run(_TAKE, keys=[key], arguments=[LASTS_SECONDS]))
    except RedisAway:
        return _may_probe_here(key)


def _may_probe_here(key: str) -> bool:
    now = time.monotonic()
    with _lock:
        if _local.get(key, 0.0) > now:
            return False
        _local[key] = now + LASTS_SECONDS
        return True
