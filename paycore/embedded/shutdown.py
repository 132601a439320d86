"""Knows whether somebody asked us to stop, and sleeps in a way that such a wish, or a child's death, interrupts."""

import os
import select
import signal
import time
from types import FrameType

from paycore.embedded.errors import StopRequested

_SAME_WISH_SECONDS = 1.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Shutdown:
    """Keeps the requests to stop; a second one, a moment after the first, means "at once".

    One wish often arrives twice (from the terminal and from make, or from a service manager to the whole group).
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self._first_at: float | None = None
        self._is_urgent = False
        self._parent: int | None = None
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)

    def install(self) -> None:
        """Take over the stop signals, except those our starter ignores on purpose (nohup, background jobs)."""
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._note)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)

    def follow_parent(self) -> None:
        """Take the end of the process that started us (make, for one) as a request to stop."""
        self._parent = os.getppid()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received.append(number)
        if self._first_at is None:
            self._first_at = time.monotonic()
        self._is_urgent = time.monotonic() - self._first_at > _SAME_WISH_SECONDS

    @property
    def is_requested(self) -> bool:
        return bool(self.received)

    @property
    def is_urgent(self) -> bool:
        return self._is_urgent

    def wait(self, seconds: float) -> None:
        """Sleep until the time is over or any signal arrives."""
        select.select([self._read_end], [], [], seconds)
        if self._parent is not None and os.getppid() != self._parent:
            self._parent = None
            if not self.is_requested:
                self._note(signal.SIGTERM, None)
        try:
            os.read(self._read_end, 4096)
        except BlockingIOError:
            return

    def check(self) -> None:
        """Raise StopRequested when a stop was asked for."""
        if self.is_requested:
            raise StopRequested
