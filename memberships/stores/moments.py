"""Moments as the stores write them."""

from datetime import UTC, datetime
from typing import Any

_LATEST_MILLISECONDS = 253_402_300_799_000  # the end of the year 9999


def from_milliseconds(value: Any) -> datetime | None:
    """Milliseconds since 1970, as a number or digits; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        value = int(value)
    if type(value) is not int or not 0 < value <= _LATEST_MILLISECONDS:
        return None
    return datetime.fromtimestamp(value // 1000, UTC).replace(microsecond=value % 1000 * 1000)


def from_rfc3339(value: Any) -> datetime | None:
    """``2026-11-22T09:30:00.123456789Z``; None for anything else."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else None
