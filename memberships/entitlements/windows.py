"""From when to when uses are counted together. Pure.

A window cut short (the plan was changed, the zone moved) does not end what was counted: the next one that starts before
its end takes the count over. So going to another plan and back gives no new counter, and a period that was lived to
its end always does.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from memberships.entitlements.rights import Right
from memberships.models import Feature

FIRST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """``ends_at`` is exclusive; None: the counter never starts anew."""

    subject: str
    starts_at: datetime
    ends_at: datetime | None


def follows_calendar(right: Right) -> bool:
    """Whether one must know what day it is."""
    if right.kind == Feature.Kind.LIMIT or right.reset == Feature.Reset.NEVER:
        return False
    return right.reset != Feature.Reset.PERIOD or right.starts_at is None


def window_of(right: Right, *, now: datetime) -> Window:
    """The one that ``now`` is in."""
    if right.kind == Feature.Kind.LIMIT or right.reset == Feature.Reset.NEVER:
        return Window("", FIRST, None)
    if right.reset == Feature.Reset.PERIOD and right.starts_at is not None:
        return Window(right.subject, right.starts_at, right.ends_at)
    subject = right.subject if right.reset == Feature.Reset.PERIOD else ""
    local = now.astimezone(ZoneInfo(right.zone)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if right.reset == Feature.Reset.DAY:
        return Window(subject, _utc(local), _utc(local + timedelta(days=1)))
    first = local.replace(day=1)
    return Window(subject, _utc(first), _utc((first + timedelta(days=32)).replace(day=1)))


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
