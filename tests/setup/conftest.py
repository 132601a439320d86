"""Processes of a supervisor under test are told from others by their working directory."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from paycore.embedded.state import running_environment

PROJECT = Path(__file__).resolve().parents[2]
needs_proc = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc to see other processes")


def clean_environment(**extra: str) -> dict[str, str]:
    """Return an environment without the addresses of the servers this very suite runs on."""
    ours = ("PAYCORE_", "DATABASE_URL", "REDIS_URL", "PORT")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(PROJECT), **extra}


def wait_until(condition: Callable[[], bool], *, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def processes_in(folder: Path) -> dict[int, str]:
    """Return the live processes that work in the folder, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").resolve(strict=True).is_relative_to(folder):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Run:
    """A supervisor with stand-in programs, started in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        self.output = folder / "output.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        script = Path(__file__).with_name("placeholder_run.py")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(script), str(self.state), str(free_port())],
                cwd=self.folder,
                env=clean_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert wait_until(lambda: "paycore is ready." in self.text(), seconds=40), self.text()
        return self.process

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def pid_of(self, words: str) -> int:
        """Return the oldest process whose command line has the words, or 0."""
        return min((pid for pid, command in processes_in(self.folder).items() if words in command), default=0)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        connection = psycopg2.connect(running_environment(self.state)["DATABASE_URL"])
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def can_query(self) -> bool:
        try:
            return self.query("SELECT 1") == [(1,)]
        except psycopg2.OperationalError:
            return False

    def is_gone(self) -> bool:
        return wait_until(lambda: not processes_in(self.folder))

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=40)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started = Run(tmp_path)
    yield started
    started.end()
