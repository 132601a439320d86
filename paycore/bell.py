"""The one place that talks to Celery: a bell that is rung after a commit and may be lost.

Rings between two passes of a worker collapse into one: the first sets a short-lived mark in Redis, the task takes the
mark away *before* it looks for work, so whatever commits after that rings again.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import redis
import structlog
from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from kombu.exceptions import OperationalError

MARK_SECONDS = 2
MERGE_SECONDS = 0.02
"""Rings of one process within this time are one."""
SILENT_AFTER_FAILURE_SECONDS = 1.0

log = structlog.get_logger(__name__)
_client: redis.Redis | None = None
_to_ring: set["Bell"] = set()
_somebody_rang = threading.Event()
_thread: threading.Thread | None = None
_silent_until = 0.0


@dataclass(frozen=True)
class Bell:
    """``task`` is the Celery name of the pass that looks for the work."""

    name: str
    task: str

    @property
    def mark(self) -> str:
        return f"paycore:bell:{self.name}"


OUTBOX = Bell("outbox", "paycore.tasks.drain_outbox")


def ring_on_commit(bell: Bell) -> None:
    """Ring once after the running transaction commits, however often it is asked for."""
    function = _ringer(bell)
    if not any(entry[1] is function for entry in connection.run_on_commit):
        transaction.on_commit(function, robust=True)


def ring(bell: Bell) -> None:
    """Ask for one run of the bell's task soon. Never raises, never waits: a thread of this process does the talking."""
    if not settings.PAYCORE_BELL_ENABLED:
        return
    global _thread
    _to_ring.add(bell)
    # A forked worker inherits the variable but not the thread; and a thread may have died of the unforeseen.
    if _thread is None or not _thread.is_alive():
        _thread = threading.Thread(target=_keep_ringing, name="paycore-bell", daemon=True)
        _thread.start()
    _somebody_rang.set()


def _keep_ringing() -> None:
    while True:
        _somebody_rang.wait()
        _somebody_rang.clear()
        while _to_ring:
            ring_now(_to_ring.pop())
        time.sleep(MERGE_SECONDS)


def ring_now(bell: Bell) -> None:
    """Ring in this thread. Never raises, waits a few hundred milliseconds at most."""
    global _silent_until
    if time.monotonic() < _silent_until:
        return
    try:
        if _redis().set(bell.mark, "1", nx=True, ex=MARK_SECONDS):
            current_app.send_task(bell.task, expires=30, retry=False, ignore_result=True)
    except (redis.RedisError, OperationalError, OSError) as error:
        _silent_until = time.monotonic() + SILENT_AFTER_FAILURE_SECONDS
        log.warning("bell_not_rung", bell=bell.name, error=type(error).__name__)


def heard(bell: Bell) -> None:
    """The worker is about to look: later commits must ring again."""
    try:
        _redis().delete(bell.mark)
    except (redis.RedisError, OSError) as error:
        log.warning("bell_mark_kept", bell=bell.name, error=type(error).__name__)


@cache
def _ringer(bell: Bell) -> Callable[[], None]:
    return partial(ring, bell)


def _redis() -> redis.Redis:
    global _client
    if _client is None:
        _client = redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=0.3, socket_connect_timeout=0.3, health_check_interval=30
        )
    return _client
