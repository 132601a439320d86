"""Time ranges as ranges of ids: ids sort by time, so a span of time is a span of the primary key's index."""

from datetime import UTC, datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def earliest_id(prefix: str, moment: datetime) -> str:
    """No id that ``new_id(prefix)`` made at ``moment`` (aware) or later sorts before this one."""
    number = max(0, int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)) << 80
    text = "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))
    return f"{prefix}_{text}"
