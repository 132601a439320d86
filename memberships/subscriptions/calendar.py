"""When periods end: whole intervals after an anchor, in the member's own calendar. Pure.

The anchor's day and hour come back: 31 January, 28 February, 31 March; nine in the morning stays nine in the morning
when clocks change. Months are counted from the anchor, never from the last, shortened, one.
"""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}
_SHORTEST_MONTH = 28


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """:class:`ValueError` when there is no such IANA zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"no such time zone: {name[:64]}") from error


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Of IANA: ``localtime`` is whatever this machine is set to."""
    return frozenset(available_timezones() - {"localtime"})


def boundary(anchor_at: datetime, *, zone: str, interval: str, interval_count: int, steps: int) -> datetime:
    """``steps`` times ``interval_count`` intervals after the anchor (aware), as aware UTC.

    A local time that does not exist is as much later as the clocks were put forward; of one that comes twice it is the
    anchor's own half.
    """
    if steps == 0:
        return anchor_at.astimezone(UTC)
    local = anchor_at.astimezone(zone_of(zone))
    naive = local.replace(tzinfo=None)
    if interval in _MONTHS:
        moved = _months_after(naive, _MONTHS[interval] * interval_count * steps)
    else:
        moved = naive + timedelta(days=_DAYS[interval] * interval_count * steps)
    return moved.replace(tzinfo=local.tzinfo, fold=local.fold).astimezone(UTC)


def _months_after(naive: datetime, count: int) -> datetime:
    """On the same day of the month, or its last one."""
    year, month = divmod(naive.year * 12 + naive.month - 1 + count, 12)
    return naive.replace(year=year, month=month + 1, day=min(naive.day, monthrange(year, month + 1)[1]))


def period_end(starts_at: datetime, *, anchor_at: datetime, zone: str, interval: str, interval_count: int) -> datetime:
    """Where the period that starts at ``starts_at`` ends: the first boundary at least half an interval later.

    Periods tile by construction, for each starts where the last one ended; that a calendar was changed meanwhile (zones
    are put forward by decree, days are skipped at the date line) never makes a period of an hour at the full price.
    """
    nominal = _nominal_days(interval) * interval_count
    earliest = starts_at + timedelta(days=nominal) / 2
    steps = max(1, int((starts_at - anchor_at) / timedelta(days=_most_days(interval) * interval_count)))
    for step in count(steps):
        end = boundary(anchor_at, zone=zone, interval=interval, interval_count=interval_count, steps=step)
        if end >= earliest:
            return end
    raise AssertionError("unreachable: boundaries grow")


def step_of(moment: datetime, *, anchor_at: datetime, zone: str, interval: str, interval_count: int) -> int:
    """The first step whose boundary is at ``moment`` or later; negative before the anchor."""
    step = int((moment - anchor_at) / timedelta(days=_most_days(interval) * interval_count))
    if moment < anchor_at:
        step = int((moment - anchor_at) / timedelta(days=_nominal_days(interval) * interval_count)) - 2
    for candidate in count(step):
        at = boundary(anchor_at, zone=zone, interval=interval, interval_count=interval_count, steps=candidate)
        if at >= moment:
            return candidate
    raise AssertionError("unreachable: boundaries grow")


def day_of_notice(moment: datetime, *, zone: str, days_before: int, hour: int = 10) -> datetime:
    """``hour`` o'clock of the member's day ``days_before`` days before ``moment``: nobody is woken at night."""
    local = (moment - timedelta(days=days_before)).astimezone(zone_of(zone))
    return local.replace(hour=hour, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def _nominal_days(interval: str) -> int:
    return _DAYS[interval] if interval in _DAYS else _SHORTEST_MONTH * _MONTHS[interval]


def _most_days(interval: str) -> int:
    return _DAYS[interval] + 1 if interval in _DAYS else 31 * _MONTHS[interval] + 1
