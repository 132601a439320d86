"""Public ids: a prefix that tells the kind and 26 characters that sort by time.

ULID layout in lower-case Crockford base32: 48 bits of milliseconds since 1970 (UTC) and 80 random bits. Unguessable
enough for a hosted page's address, and new rows land at the right edge of their index.
"""

import hashlib
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import models

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def earliest_id(prefix: str, moment: datetime) -> str:
    """No id that ``new_id(prefix)`` made at ``moment`` (aware) or later sorts before this one: a span of time is a
    span of the primary key's index."""
    number = max(0, int((moment - _EPOCH).total_seconds() * 1000)) << 80
    return f"{prefix}_{_as_text(number)}"


def _as_text(number: int) -> str:
    return "".join(_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10))


if TYPE_CHECKING:
    _TextField = models.CharField[str, str]
else:
    _TextField = models.CharField  # Django's fields take no type arguments when they run


def new_id(prefix: str) -> str:
    """``new_id("pay")`` → ``"pay_01jd3…"``; 26 characters after the underscore."""
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    return f"{prefix}_{_as_text(number)}"


def derived_id(prefix: str, moment: datetime, *names: str | int) -> str:
    """The id of ``names`` at ``moment`` (aware): the same ones give the same id, today, twice, or after a backup was
    restored. For intents that must not exist twice anywhere, at a provider for one."""
    digest = hashlib.sha256("\n".join([prefix, *map(str, names)]).encode()).digest()
    number = (max(0, int((moment - _EPOCH).total_seconds() * 1000)) << 80) | int.from_bytes(digest[:10])
    return f"{prefix}_{_as_text(number)}"


class PrefixedIdField(_TextField):
    """A text primary key that fills itself with ``new_id(prefix)``."""

    def __init__(self, *, prefix: str, **options: Any) -> None:
        self.prefix = prefix
        options.setdefault("primary_key", True)
        options.setdefault("editable", False)
        options["max_length"] = 40
        options["db_collation"] = "C"
        super().__init__(**options)

    def db_type(self, connection: Any) -> str:
        """Spelled out, so that Django adds no second index for LIKE: the "C" collation needs none."""
        return "character varying(40)"

    def get_default(self) -> str:
        return new_id(self.prefix)

    def has_default(self) -> bool:
        return True

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        del options["max_length"]
        options.pop("db_collation", None)
        # A history table has the column as well, but not as its key.
        options |= {"prefix": self.prefix, "primary_key": self.primary_key}
        return name, path, args, options
