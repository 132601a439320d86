"""How often and how much lately: counters in Redis, one Lua call for a whole assessment.

A counter covers four windows (:data:`riskcontrol.facts.WINDOWS`), each as two buckets aligned to the clock: this one
and the one before. The sliding value is this bucket plus the part of the one before that the window still covers:
exact while attempts come evenly, at most one bucket's worth off otherwise. All windows of a counter are one packed
string, so counting is one GET and one SET.

The journal in PostgreSQL is the truth. ``READY`` in Redis names the counters that were built from it; while it does
not name a needed one (Redis was flushed, or a new rule asks for more), the journal itself is read and a rebuild asked
for. While Redis does not answer, there are no counts: each rule says what it does then.
"""

import struct
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings

from paycore.bell import Bell
from paycore.quick_redis import QuickRedis, Script, quick_redis
from riskcontrol.facts import DIMENSIONS, MEASURES, WINDOWS, velocity_fact

READY = "paycore:risk:ready"
REBUILD_BELL = Bell("risk_velocity", "riskcontrol.tasks.rebuild_velocity")

# KEYS: READY, then one per counter. ARGV: what to add to each counter. Answers one string, cheap to read: four doubles
# a counter, then what READY says. A packed counter: per window the bucket's number, its value, the value before.
# Written out per window, with locals only: a loop over tables takes twice as long.
_COUNT = Script("""
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local floor, call, pack, read = math.floor, redis.call, struct.pack, struct.unpack
local b1, b2, b3, b4 = floor(now / 60), floor(now / 3600), floor(now / 86400), floor(now / 604800)
local l1, l2, l3, l4 = 1 - (now / 60 - b1), 1 - (now / 3600 - b2), 1 - (now / 86400 - b3), 1 - (now / 604800 - b4)
local got = call('MGET', unpack(KEYS))
local answer = {}
for i = 2, #KEYS do
    local add = tonumber(ARGV[i - 1])
    local n1, v1, p1, n2, v2, p2, n3, v3, p3, n4, v4, p4 = 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    if got[i] then n1, v1, p1, n2, v2, p2, n3, v3, p3, n4, v4, p4 = read('<dddddddddddd', got[i]) end
    if n1 ~= b1 then p1 = (n1 == b1 - 1) and v1 or 0; v1 = 0 end
    if n2 ~= b2 then p2 = (n2 == b2 - 1) and v2 or 0; v2 = 0 end
    if n3 ~= b3 then p3 = (n3 == b3 - 1) and v3 or 0; v3 = 0 end
    if n4 ~= b4 then p4 = (n4 == b4 - 1) and v4 or 0; v4 = 0 end
    v1, v2, v3, v4 = v1 + add, v2 + add, v3 + add, v4 + add
    call('SET', KEYS[i], pack('<dddddddddddd', b1, v1, p1, b2, v2, p2, b3, v3, p3, b4, v4, p4), 'EX', '1209600')
    answer[i - 1] = pack('<dddd', v1 + floor(p1 * l1), v2 + floor(p2 * l2), v3 + floor(p3 * l3), v4 + floor(p4 * l4))
end
answer[#KEYS] = got[1] or ''
return table.concat(answer)
""")

# Rebuilding: the larger of what is there (counted since) and what the journal says, so that it may run twice.
# KEYS: counters. ARGV: eight numbers for each (per window the bucket's value and the one before), then the numbers
# of the four buckets.
_MERGE = Script("""
local last = #ARGV - 4
for i = 1, #KEYS do
    local packed = redis.call('GET', KEYS[i])
    local s = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
    if packed then s = {struct.unpack('<dddddddddddd', packed)} end
    for w = 1, 4 do
        local at, bucket = w * 3 - 2, tonumber(ARGV[last + w])
        local value, before = tonumber(ARGV[(i - 1) * 8 + w * 2 - 1]), tonumber(ARGV[(i - 1) * 8 + w * 2])
        if s[at] == bucket then
            s[at + 1], s[at + 2] = math.max(s[at + 1], value), math.max(s[at + 2], before)
        elseif s[at] == bucket + 1 then
            s[at + 2] = math.max(s[at + 2], value)
        elseif s[at] < bucket then
            if s[at] == bucket - 1 then before = math.max(before, s[at + 1]) end
            s[at], s[at + 1], s[at + 2] = bucket, value, before
        end
    end
    redis.call('SET', KEYS[i], struct.pack('<dddddddddddd', unpack(s, 1, 12)), 'EX', '1209600')
end
return #KEYS
""")


_NAMES = {
    (dimension, measure): tuple(velocity_fact(dimension, measure, window) for window in WINDOWS)
    for dimension in DIMENSIONS
    for measure in MEASURES
}


class VelocityNotReady(Exception):
    """Redis answers but does not know all that happened before."""


@dataclass(frozen=True, slots=True)
class Counter:
    """One thing that is counted. Amounts are added up per currency."""

    dimension: str
    measure: str
    value: str
    currency: str = ""

    @property
    def kind(self) -> str:
        return f"{self.dimension}.{self.measure}"

    @property
    def key(self) -> str:
        if self.measure == "count":
            return f"paycore:risk:c:{self.dimension}:{self.value}"
        return f"paycore:risk:s:{self.dimension}:{self.currency}:{self.value}"


def counters_for(
    kinds: Collection[tuple[str, str]], *, values: Mapping[str, str], currency: str
) -> tuple[Counter, ...]:
    """The counters of ``kinds`` (dimension, measure) for an attempt; a dimension that is unknown ("") has none."""
    return tuple(
        Counter(dimension, measure, values[dimension], currency if measure == "sum" else "")
        for dimension, measure in kinds
        if values[dimension]
    )


def count(counters: tuple[Counter, ...], *, amount_minor: int) -> dict[str, int]:
    """Adds one attempt to every counter, in one round trip; the facts with it counted.

    Raises :class:`RedisAway` and :class:`VelocityNotReady` (it was counted all the same).
    """
    answer = _redis().run(
        _COUNT,
        keys=[READY, *(counter.key for counter in counters)],
        arguments=[1 if counter.measure == "count" else amount_minor for counter in counters],
    )
    size = 32 * len(counters)
    known = answer[size:].decode().split(",")
    if any(counter.kind not in known for counter in counters):
        raise VelocityNotReady
    return named(counters, [int(number) for number in struct.unpack(f"<{4 * len(counters)}d", answer[:size])])


def named(counters: Iterable[Counter], numbers: list[int]) -> dict[str, int]:
    """The facts of ``counters`` from four numbers each."""
    names = (name for counter in counters for name in _NAMES[counter.dimension, counter.measure])
    return dict(zip(names, numbers, strict=True))


def merge(buckets: Collection[tuple[Counter, list[int]]], *, at: float) -> None:
    """Rebuilding: make every counter at least what the journal says it was at ``at``. Raises :class:`RedisAway`."""
    numbers = [number for _counter, values in buckets for number in values]
    _redis().run(
        _MERGE,
        keys=[counter.key for counter, _values in buckets],
        arguments=[*numbers, *(int(at // seconds) for seconds in WINDOWS.values())],
    )


def _redis() -> QuickRedis:
    return quick_redis(settings.REDIS_URL)
