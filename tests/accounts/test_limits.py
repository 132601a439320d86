import uuid

import pytest
from django.conf import settings
from django.core.cache.backends.base import BaseCache

from accounts.limits import SharedOrLocalCache
from paycore.settings.accounts import CACHES


@pytest.fixture(autouse=True)
def _heard() -> None:
    SharedOrLocalCache._silent_until = 0.0


def cache(server: str) -> BaseCache:
    options = CACHES["default"]["OPTIONS"]
    return SharedOrLocalCache(server, {"OPTIONS": options, "KEY_PREFIX": uuid.uuid4().hex})


def test_processes_count_together() -> None:
    one, other = cache(settings.REDIS_URL), cache(settings.REDIS_URL)
    other.key_prefix = one.key_prefix
    one.set("attempts", [1.5, 2.5], 60)
    assert other.get("attempts") == [1.5, 2.5]
    assert not other.add("attempts", [], 60)


def test_without_redis_a_process_still_counts_for_itself() -> None:
    alone = cache("redis://127.0.0.1:1/0")
    alone.set("attempts", [1.5], 60)
    assert alone.get("attempts") == [1.5]
    assert not alone.add("attempts", [], 60)
    alone.delete("attempts")
    assert alone.get("attempts") is None
