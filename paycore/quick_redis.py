"""Lua scripts that requests run on their way: no command objects, no repeats, no waiting for the dead.

A script through redis-py's client costs more than its round trip; this way it costs less than a PING. Only for what
may be lost or counted elsewhere while Redis is away: the caller says what then holds.
"""

import hashlib
import os
import time
from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ResponseError
from redis.retry import Retry

from paycore.logs import get_logger

TIMEOUT_SECONDS = 0.1
DOWN_FOR_SECONDS = 1.0
INSISTS = 3
_MOST_IDLE = 32

log = get_logger(__name__)


class RedisAway(Exception):
    """Redis did not answer; nobody asks again for a second."""


class Script:
    """Lua text, known to Redis by its SHA-1 after the first run.

    A server forgets its scripts when it restarts, and may have forgotten its last second of writes with them.
    ``when_forgotten`` is run before the text whenever the server turns out not to know it, with the same keys and
    arguments; nobody gets an answer of the text in between.
    """

    def __init__(self, text: str, *, when_forgotten: str = "") -> None:
        self.text = text
        self.when_forgotten = when_forgotten
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class QuickRedis:
    """Safe to share between threads and to inherit over a fork."""

    def __init__(self, url: str) -> None:
        # redis-py repeats with growing pauses unless told not to; a request must not wait for that.
        self._pool = redis.ConnectionPool.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._idle: deque[Any] = deque(maxlen=_MOST_IDLE)
        self._process = os.getpid()
        self._down_until = 0.0

    def run(self, script: Script, *, keys: Sequence[str], arguments: Sequence[str | int | float | bytes]) -> Any:
        """The script's answer. Raises :class:`RedisAway`, also when Redis refuses (read-only, out of memory)."""
        if time.monotonic() < self._down_until:
            raise RedisAway
        try:
            return self._run(script, keys, arguments)
        except (redis.RedisError, OSError) as error:
            self._down_until = time.monotonic() + DOWN_FOR_SECONDS
            log.warning("redis_away", error=type(error).__name__)
            raise RedisAway from error

    def insist(self, script: Script, *, keys: Sequence[str], arguments: Sequence[str | int | float | bytes]) -> Any:
        """As :meth:`run`, whatever happened a moment ago, and more than once: for what others, who may reach Redis,
        must not miss."""
        for attempt in range(INSISTS, 0, -1):
            try:
                answer = self._run(script, keys, arguments)
            except (redis.RedisError, OSError) as error:
                if attempt == 1:
                    raise RedisAway from error
            else:
                self._down_until = 0.0
                return answer
        raise AssertionError("unreachable")

    def _run(self, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        connection = self._take()
        try:
            return self._evaluate(connection, script, keys, arguments)
        except (redis.ConnectionError, OSError):
            # One that was idle may have been closed by a restart; a fresh one tells whether Redis is really away.
            connection.connect()
            return self._evaluate(connection, script, keys, arguments)
        finally:
            self._idle.append(connection)

    def _evaluate(self, connection: Any, script: Script, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        try:
            return self._ask(connection, "EVALSHA", script.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            if script.when_forgotten:
                self._ask(connection, "EVAL", script.when_forgotten, len(keys), *keys, *arguments)
            return self._ask(connection, "EVAL", script.text, len(keys), *keys, *arguments)

    def _ask(self, connection: Any, *command: Any) -> Any:
        try:
            connection.send_packed_command([_packed(command)], check_health=False)
            return connection.read_response()
        except ResponseError:
            raise
        except BaseException:
            # An answer that is still on its way would be taken for the next one's.
            connection.disconnect()
            raise

    def _take(self) -> Any:
        if self._process != os.getpid():  # a fork's connections are its parent's
            self._idle, self._process = deque(maxlen=_MOST_IDLE), os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self._pool.connection_class(**self._pool.connection_kwargs)


def _packed(command: tuple[Any, ...]) -> bytes:
    """As RESP wants it. redis-py's way allows for more kinds of arguments and takes three times as long."""
    parts = [b"*%d\r\n" % len(command)]
    for argument in command:
        value = argument if isinstance(argument, bytes) else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(value), value))
    return b"".join(parts)


@cache
def quick_redis(url: str) -> QuickRedis:
    """One for all who ask the same server."""
    return QuickRedis(url)
