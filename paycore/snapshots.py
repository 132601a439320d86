"""What the database says of something, kept in Redis so that asking costs no query, and never older than the last
change.

Whoever changes something calls :meth:`Snapshots.touch` in the same transaction. That lays a tombstone over the key at
once, which readers neither look through nor fill over, and takes it away after the commit. A reader that finds nothing
leaves a lease *before* it asks the database and fills only over its own lease: what a commit overtook is thrown away.

- Redis is empty, flushed or away: the database is asked. Flushed between tombstone and commit: what is filled meanwhile
  goes when the tombstone would have gone.
- The process dies, before its commit or after, or the transaction is rolled back: the database is asked until the
  tombstone expires.
- Redis restarts from a file that lacks its last second: it forgot its scripts as well, and whoever finds that out
  begins a new generation first; a snapshot counts only in the generation that it was read in.
- A snapshot lives from before the database was asked, and no longer than what it says stays true by itself.

One hole is left open, for to close it a change would have to wait for Redis: while the *changing* process alone cannot
reach Redis, neither before nor after its commit, an old snapshot may live on, ``seconds`` at most. Whoever is told so
(False) leaves word in the same transaction, and another process touches again.

Nothing is taken or kept inside a transaction: what it sees may never be true for others.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.db import connection, transaction

from paycore.logs import get_logger
from paycore.quick_redis import QuickRedis, RedisAway, Script, quick_redis

TOMBSTONE_SECONDS = 30
LEASE_SECONDS = 5
_MOST_KEYS = 1000

log = get_logger(__name__)

# Values: "t" and a token: tombstone. "l", the generation and a token: lease. "s", the generation and text: snapshot.
# The generation, "g" and a token, is in KEYS[2], or a tombstone while what all snapshots rest on is being changed.
_READ = Script(
    """
local shared = redis.call('GET', KEYS[2])
if not shared then
    shared = 'g' .. ARGV[1]
    redis.call('SET', KEYS[2], shared)
end
local value = redis.call('GET', KEYS[1])
local kind = value and string.sub(value, 1, 1)
if kind == 's' and string.sub(value, 2, 18) == shared then return string.sub(value, 19) end
if kind == 't' or kind == 'l' or string.sub(shared, 1, 1) == 't' then return false end
local lease = 'l' .. shared .. ARGV[1]
redis.call('SET', KEYS[1], lease, 'PX', ARGV[2])
local clock = redis.call('TIME')
return {lease, clock[1], clock[2]}
""",
    when_forgotten="""
local shared = redis.call('GET', KEYS[2])
if shared and string.sub(shared, 1, 1) == 'g' then redis.call('DEL', KEYS[2]) end
return 1
""",
)
_FILL = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local generation = string.sub(ARGV[1], 2, 18)
if redis.call('GET', KEYS[2]) ~= generation then return 0 end
redis.call('SET', KEYS[1], 's' .. generation .. ARGV[2], 'PXAT', ARGV[3])
return 1
""")
_LAY = Script("""
for _, key in ipairs(KEYS) do redis.call('SET', key, 't' .. ARGV[1], 'PX', ARGV[2]) end
return 1
""")
# Another change's tombstone stays: that one takes it away itself.
_LIFT = Script("""
for _, key in ipairs(KEYS) do
    local value = redis.call('GET', key)
    if value and (string.sub(value, 1, 1) ~= 't' or value == 't' .. ARGV[1]) then redis.call('DEL', key) end
end
return 1
""")


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to fill a key, as long as nothing changes; ``given_at`` by Redis' clock, in milliseconds."""

    key: str
    value: bytes
    given_at: int


class Snapshots:
    """``name`` is this kind's own; a snapshot lives ``seconds`` at most."""

    def __init__(self, name: str, *, seconds: int) -> None:
        self.seconds = seconds
        self._prefix = f"paycore:{name}:"
        self._shared = f"paycore:{name}"
        self._milliseconds = seconds * 1000

    def read(self, key: str) -> bytes | Lease | None:
        """The snapshot; or a lease for :meth:`fill` after asking the database; or None: ask it, keep nothing."""
        if connection.in_atomic_block:
            return None
        try:
            found = _redis().run(
                _READ,
                keys=[self._prefix + key, self._shared],
                arguments=[_token(), LEASE_SECONDS * 1000],
            )
        except RedisAway:
            return None
        if isinstance(found, list):
            return Lease(key, found[0], int(found[1]) * 1000 + int(found[2]) // 1000)
        return found if isinstance(found, bytes) else None

    def fill(self, lease: Lease, text: str, *, valid_seconds: float | None) -> None:
        """Keep what the database said after the lease was given; it stays true for ``valid_seconds`` by itself, None
        for as long as nobody changes anything."""
        live = self._milliseconds if valid_seconds is None else min(self._milliseconds, int(valid_seconds * 1000))
        if live <= 0 or connection.in_atomic_block:
            return
        try:
            _redis().run(
                _FILL,
                keys=[self._prefix + lease.key, self._shared],
                arguments=[lease.value, text, lease.given_at + live],
            )
        except RedisAway:
            return

    def touch(self, keys: Iterable[str]) -> bool:
        """The running transaction changes what ``keys`` tell of. False: Redis could not be told, and others who can
        reach it may see what was before for ``seconds``."""
        names = [self._prefix + key for key in keys]
        parts = [names[start : start + _MOST_KEYS] for start in range(0, len(names), _MOST_KEYS)]
        return all([_change(part) for part in parts])

    def touch_all(self) -> bool:
        """The running transaction changes what every snapshot rests on."""
        return _change([self._shared])


def _change(names: Sequence[str]) -> bool:
    token = _token()
    is_told = _insist(_LAY, names, [token, TOMBSTONE_SECONDS * 1000])
    transaction.on_commit(partial(_insist, _LIFT, names, [token]), robust=True)
    return is_told


def _insist(script: Script, names: Sequence[str], arguments: Sequence[str | int]) -> bool:
    try:
        _redis().insist(script, keys=names, arguments=arguments)
    except RedisAway:
        log.warning("snapshots_not_told", count=len(names))
        return False
    return True


def _token() -> str:
    return os.urandom(8).hex()


def _redis() -> QuickRedis:
    return quick_redis(settings.REDIS_URL)
