"""Keeping one sick host from taking the whole process: a bulkhead and a circuit breaker for each."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class CircuitIsOpen(Exception):
    """The host failed often just now; it is left alone for a while."""


class NoRoom(Exception):
    """As many calls to this host are under way as may be."""


class HostGuard:
    """One per host. Thread-safe. ``record(ok=…)`` after each call that says something about the host's health."""

    def __init__(
        self,
        *,
        max_in_flight: int,
        failures_to_open: int,
        cool_off_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots = threading.BoundedSemaphore(max_in_flight)
        self._lock = threading.Lock()
        self._failures_to_open = failures_to_open
        self._cool_off_seconds = cool_off_seconds
        self._clock = clock
        self._failures = 0
        self._opened_at = 0.0
        self._is_probing = False

    @property
    def is_open(self) -> bool:
        return self._failures >= self._failures_to_open

    @contextmanager
    def admitted(self, *, wait_seconds: float) -> Iterator[None]:
        """Holds a slot. Raises :class:`CircuitIsOpen` or :class:`NoRoom`."""
        if not self._slots.acquire(timeout=max(wait_seconds, 0)):
            raise NoRoom
        try:
            is_probe = self._pass()
            try:
                yield
            finally:
                if is_probe:
                    with self._lock:
                        self._is_probing = False
        finally:
            self._slots.release()

    def record(self, *, ok: bool) -> None:
        with self._lock:
            self._failures = 0 if ok else self._failures + 1
            if not ok and self.is_open:
                self._opened_at = self._clock()

    def _pass(self) -> bool:
        """Whether this call is the one probe of a half-open circuit."""
        with self._lock:
            if not self.is_open:
                return False
            if self._is_probing or self._clock() - self._opened_at < self._cool_off_seconds:
                raise CircuitIsOpen
            self._is_probing = True
            return True
