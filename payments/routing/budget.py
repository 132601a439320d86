"""How many second attempts a process may make: a provider that is down must not be met with three times the load."""

import threading
import time
from collections.abc import Callable


class RetryBudget:
    """A bucket of retries. Thread-safe. It fills with time and with every first attempt, and is full at first."""

    def __init__(
        self,
        *,
        capacity: float = 100.0,
        per_second: float = 10.0,
        per_attempt: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._capacity = capacity
        self._per_second = per_second
        self._per_attempt = per_attempt
        self._clock = clock
        self._lock = threading.Lock()
        self._left = capacity
        self._filled_at = clock()

    def note_attempt(self) -> None:
        """A first attempt was made."""
        with self._lock:
            self._left = min(self._capacity, self._left + self._per_attempt)

    def may_retry(self) -> bool:
        """Whether one more attempt elsewhere is allowed; it is then taken from the bucket."""
        with self._lock:
            now = self._clock()
            self._left = min(self._capacity, self._left + (now - self._filled_at) * self._per_second)
            self._filled_at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


_budget = RetryBudget()


def may_retry() -> bool:
    """Of this process."""
    return _budget.may_retry()


def note_attempt() -> None:
    """Of this process: a payment's first attempt."""
    _budget.note_attempt()
