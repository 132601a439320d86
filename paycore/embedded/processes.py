"""Starting and ending the programs we supervise."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paycore.embedded.liveness import kill_group
from paycore.embedded.shutdown import Shutdown
from paycore.embedded.watchdog import Watchdog

_PR_SET_PDEATHSIG = 1
_LOG_LIMIT_BYTES = 20_000_000
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(*, parent: int, stop_signal: int) -> None:
    """Have the kernel send stop_signal to this process when its parent ends (Linux; elsewhere the watchdog does it)."""
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, stop_signal, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the request was in place
        os._exit(1)


@dataclass(frozen=True, kw_only=True)
class Program:
    """Something to start, where it writes, and how it likes to be stopped."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    directory: Path
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 10.0
    before_exec: Callable[[], None] | None = None


@dataclass(kw_only=True)
class Child:
    """One running program in a session of its own, so that its whole family can be ended."""

    program: Program
    watchdog: Watchdog
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)

    def start(self) -> None:
        program, parent = self.program, os.getpid()

        def prepare() -> None:
            if program.before_exec is not None:
                program.before_exec()
            die_with_parent(parent=parent, stop_signal=program.stop_signal)

        keep_log_small(program.log)
        with program.log.open("ab") as log:
            self.process = subprocess.Popen(
                program.command,
                cwd=program.directory,
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=prepare,
            )
        self.started_at = time.monotonic()
        self.watchdog.add(group=self.process.pid, stop_signal=program.stop_signal)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def exit_text(self) -> str:
        code = None if self.process is None else self.process.poll()
        if code is None:
            return "running"
        return f"signal {-code}" if code < 0 else f"code {code}"

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.program.stop_signal)

    def end_family(self) -> None:
        """Kill whatever is left of the program's group, and forget it."""
        if self.process is None:
            return
        kill_group(self.process.pid)
        self.process.wait()
        self.watchdog.remove(group=self.process.pid)
        self.process = None


def stop_all(children: Sequence[Child], *, shutdown: Shutdown) -> None:
    """Stop children together, each within its own grace; a second request to stop ends the patience."""
    began = time.monotonic()
    for child in children:
        child.ask_to_stop()
    for child in children:
        deadline = began + child.program.stop_seconds
        while child.is_running and time.monotonic() < deadline and not shutdown.is_urgent:
            shutdown.wait(0.05)
        child.end_family()


def keep_log_small(log: Path) -> None:
    """Put a log aside once it is large; one older copy is kept."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(log.suffix + ".1"))
