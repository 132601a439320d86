"""Rows that are read on every payment and change once a month: remembered in the process for two seconds.

Only for configuration (accounts, fees, limits), never for money or states. Whoever changes such a row in this process
calls :meth:`Fresh.forget`; other processes see it within the two seconds.
"""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

SECONDS = 2.0
MOST_ENTRIES = 10_000

_all: list["Fresh[object, object]"] = []


class Fresh(Generic[K, V]):
    """``get(key)`` is ``read(key)``, at most two seconds old; older only where nothing depends on it."""

    def __init__(self, read: Callable[[K], V], *, seconds: float = SECONDS) -> None:
        self._read = read
        self._seconds = seconds
        self._known: dict[K, tuple[float, V]] = {}
        _all.append(self)  # type: ignore[arg-type]  # forgotten, whatever they hold

    def get(self, key: K) -> V:
        now = time.monotonic()
        entry = self._known.get(key)
        if entry is not None and now - entry[0] < self._seconds:
            return entry[1]
        if len(self._known) >= MOST_ENTRIES:
            self._known.clear()
        value = self._read(key)
        self._known[key] = (now, value)
        return value

    def forget(self) -> None:
        self._known.clear()


def forget_everything() -> None:
    """For tests: what a process remembers must not outlive the database it was read from."""
    for fresh in _all:
        fresh.forget()
