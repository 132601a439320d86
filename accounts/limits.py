"""Where allauth counts sign-in attempts: Redis, shared by all processes; the process's own memory while Redis is gone.

Never unlimited, and never a sign-in refused because a cache is down.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

SILENT_AFTER_FAILURE_SECONDS = 1.0

log = structlog.get_logger(__name__)


class JSONSerializer:
    """Not pickle: whoever can write to Redis must not be able to run code here."""

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        return json.loads(data)


class SharedOrLocalCache(RedisCache):
    """Django's Redis cache, for the operations rate limits need, that never raises when Redis does not answer."""

    _silent_until = 0.0  # after a failure nobody waits for Redis again for a moment

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._local = LocMemCache("sign-in-limits", {})

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._ask(super().add, self._local.add, key, value, timeout, version))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._ask(super().get, self._local.get, key, default, version)

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._ask(super().set, self._local.set, key, value, timeout, version)

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(self._ask(super().delete, self._local.delete, key, version))

    def _ask(self, shared: Callable[..., Any], local: Callable[..., Any], *arguments: Any) -> Any:
        if time.monotonic() >= SharedOrLocalCache._silent_until:
            try:
                return shared(*arguments)
            except (redis.RedisError, OSError) as error:
                SharedOrLocalCache._silent_until = time.monotonic() + SILENT_AFTER_FAILURE_SECONDS
                log.warning("shared_cache_unavailable", error=type(error).__name__)
        return local(*arguments)
