"""What a user may do, as a snapshot: one right a feature, the best of all that gives it. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Right:
    """``limit`` None is without limit. ``subject``, ``starts_at`` and ``ends_at`` are the source's own period; the free
    tier has none. ``until`` None: nothing that is known of will end it."""

    feature: str
    kind: str
    reset: str
    limit: int | None
    source: str
    source_id: str
    reason: str
    plan: str
    subject: str
    zone: str
    until: datetime | None
    starts_at: datetime | None
    ends_at: datetime | None


_NAMES = tuple(field.name for field in fields(Right))
_OF_SOURCE = ("source", "source_id", "reason", "plan", "subject", "zone")
_MOMENTS = ("until", "starts_at", "ends_at")


@dataclass(frozen=True, slots=True)
class Rights:
    """True from ``at`` until ``changes_at`` (None: for good) by the user's clock, unless somebody changes something."""

    at: datetime
    changes_at: datetime | None
    by_feature: Mapping[str, Right]


def best_rights(found: Mapping[str, Any]) -> Rights:
    """Of what ``memberships_rights`` (rights.sql) found."""
    features: Mapping[str, Any] = found["features"]
    best: dict[str, Right] = {}
    for source in found["sources"]:
        for code, limit in _better_of_versions(source["features"]).items():
            if code not in features or limit == 0:
                continue
            right = _right(code, features[code], limit=limit, source=source)
            if code not in best or _worth(right) > _worth(best[code]):
                best[code] = right
    changes = [moment for source in found["sources"] if (moment := _moment(source["changes_at"]))]
    return Rights(datetime.fromisoformat(found["at"]), min(changes, default=None), dict(sorted(best.items())))


def as_text(rights: Rights) -> str:
    rows = {code: [getattr(right, name) for name in _NAMES] for code, right in rights.by_feature.items()}
    document = {"at": rights.at, "changes_at": rights.changes_at, "rights": rows}
    return json.dumps(document, default=datetime.isoformat, separators=(",", ":"))


def from_text(text: bytes, *, feature: str = "") -> Rights:
    """What :func:`as_text` wrote; of a named ``feature`` alone, for that is what is asked most."""
    document = json.loads(text)
    rows = document["rights"]
    if feature:
        rows = {feature: rows[feature]} if feature in rows else {}
    by_feature = {code: _from_row(row) for code, row in rows.items()}
    return Rights(datetime.fromisoformat(document["at"]), _moment(document["changes_at"]), by_feature)


def _from_row(row: list[Any]) -> Right:
    facts: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    return Right(**(facts | {name: _moment(facts[name]) for name in _MOMENTS}))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _better_of_versions(versions: Iterable[Mapping[str, Any]]) -> dict[str, int | None]:
    best: dict[str, int | None] = {}
    for version in versions:
        for code, limit in version.items():
            if code not in best or limit is None or (best[code] is not None and limit > best[code]):
                best[code] = limit
    return best


def _right(code: str, feature: list[str], *, limit: int | None, source: Mapping[str, Any]) -> Right:
    facts: dict[str, Any] = {name: source[name] for name in _OF_SOURCE}
    facts |= {name: _moment(source[name]) for name in _MOMENTS}
    return Right(feature=code, kind=feature[0], reset=feature[1], limit=limit, **facts)


def _worth(right: Right) -> tuple[bool, int, bool, datetime]:
    """Without limit beats any limit; of two equal ones what lasts longer."""
    return right.limit is None, right.limit or 0, right.until is None, right.until or _LONG_AGO
