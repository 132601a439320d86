"""A small process that outlives a supervisor killed by -9, just long enough to stop what it left behind.

PDEATHSIG reaches only direct children, and only on Linux; web and task servers have workers of their own, and those
outlive their master and keep its port. The watchdog knows every child's process group and ends all of it.
"""

import os
import signal
import time

from paycore.embedded.liveness import is_process_alive, kill_group

_GRACE_SECONDS = 12.0


class Watchdog:
    """Tell it what started and what ended; it acts when our end of the pipe closes without a farewell."""

    def __init__(self) -> None:
        read_end, self._write_end = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._write_end)
            try:
                _watch(read_end)
            finally:
                os._exit(0)
        os.close(read_end)

    def add(self, *, group: int, stop_signal: int) -> None:
        self._tell(f"+{group} {stop_signal}\n")

    def remove(self, *, group: int) -> None:
        self._tell(f"-{group} 0\n")

    def close(self) -> None:
        """Say that everything ended in order, and wait for the watchdog to leave."""
        os.close(self._write_end)
        try:
            os.waitpid(self._pid, 0)
        except ChildProcessError:
            return

    def _tell(self, line: str) -> None:
        try:
            os.write(self._write_end, line.encode())
        except BrokenPipeError:  # the watchdog itself was killed; PDEATHSIG remains
            return


def _watch(read_end: int) -> None:
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    groups: dict[int, int] = {}
    with os.fdopen(read_end, "r") as lines:
        for line in lines:
            group, stop_signal = (int(part) for part in line[1:].split())
            if line[0] == "+":
                groups[group] = stop_signal
            else:
                groups.pop(group, None)
    _end(groups)


def _end(groups: dict[int, int]) -> None:
    """Ask each leader to stop, and end what is left of its group as soon as it has."""
    for group, stop_signal in groups.items():
        _signal_leader(group, stop_signal)
    left = set(groups)
    deadline = time.monotonic() + _GRACE_SECONDS
    while left and time.monotonic() < deadline:
        for group in [one for one in left if not is_process_alive(one)]:
            kill_group(group)
            left.remove(group)
        time.sleep(0.05)
    for group in left:
        kill_group(group)


def _signal_leader(group: int, number: int) -> None:
    try:
        os.kill(group, number)
    except (ProcessLookupError, PermissionError):
        return
