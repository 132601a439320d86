"""What a user may do, how much of it, until when and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from memberships.entitlements.counters import used_in
from memberships.entitlements.remembered import rights_at, rights_now
from memberships.entitlements.rights import Right
from memberships.entitlements.windows import FIRST, Window, follows_calendar, window_of
from memberships.models import Feature
from paycore.clock import database_now


@dataclass(frozen=True, slots=True)
class Entitlement:
    """``limit`` None is without limit, ``until`` None without a known end. ``source`` is ``subscription``, ``seat``,
    ``grant`` or ``free`` and ``source_id`` which one; ``reason`` says why it gives now: ``paid``, ``trial``, ``grace``,
    ``canceled`` (until the end of what was paid), ``purchase``, ``gift``, ``code``, ``staff``, ``free``."""

    feature: str
    limit: int | None
    used: int
    until: datetime | None
    source: str
    reason: str
    resets_at: datetime | None
    source_id: str
    plan: str
    kind: str

    @property
    def remaining(self) -> int | None:
        return None if self.limit is None else max(0, self.limit - self.used)


def entitlements_of(user_id: str, *, now: datetime | None = None) -> list[Entitlement]:
    """All of them, by feature. ``now`` is any moment that is asked about; without it, the user's own present, which is
    remembered."""
    rights = rights_now(user_id) if now is None else rights_at(user_id, now)
    return _with_use(user_id, [*rights.by_feature.values()], now=now)


def check(user_id: str, feature: str, *, now: datetime | None = None) -> Entitlement | None:
    """None: the user does not have it. Without ``now``: no query for a feature that is not counted; the counter's
    row for one that is, and the clock when its windows are the calendar's."""
    rights = rights_now(user_id, feature=feature) if now is None else rights_at(user_id, now)
    right = rights.by_feature.get(feature)
    return _with_use(user_id, [right], now=now)[0] if right else None


def entitlement(right: Right, *, window: Window | None, used: int) -> Entitlement:
    return Entitlement(
        feature=right.feature,
        limit=right.limit,
        used=used,
        until=right.until,
        source=right.source,
        reason=right.reason,
        resets_at=window.ends_at if window else None,
        source_id=right.source_id,
        plan=right.plan,
        kind=right.kind,
    )


def _with_use(user_id: str, rights: Sequence[Right], *, now: datetime | None) -> list[Entitlement]:
    counted = [right for right in rights if right.kind != Feature.Kind.SWITCH]
    moment = now or now_for(counted, user_id=user_id)
    windows = {right.feature: window_of(right, now=moment) for right in counted}
    used = dict(zip(windows, used_in(user_id, [*windows.items()]), strict=True))
    return [entitlement(right, window=windows.get(right.feature), used=used.get(right.feature, 0)) for right in rights]


def now_for(counted: Sequence[Right], *, user_id: str) -> datetime:
    return database_now(subject=user_id) if any(map(follows_calendar, counted)) else FIRST
