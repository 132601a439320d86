"""The folder that holds everything a run leaves behind: data, logs, ports and secrets, under one lock."""

import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from paycore.embedded.errors import EmbeddedError
from paycore.embedded.liveness import is_process_alive
from paycore.embedded.shutdown import Shutdown

_TAKE_OVER_SECONDS = 20.0
_MOST_FOLDERS = 32


class StateInUse(EmbeddedError):
    """Another supervisor that is alive works in this folder."""

    def __init__(self, *, folder: Path, pid: int) -> None:
        super().__init__(
            f"paycore already runs on {folder} (process {pid}).\n"
            f"Stop it first (Ctrl-C in its terminal, or kill {pid}), or use another folder: PAYCORE_STATE_DIR=…"
        )


class State:
    """An existing, locked folder. The lock falls when this process and its watchdog are gone."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def read(self, name: str) -> dict[str, Any]:
        return read_facts(self.folder / f"{name}.json")

    def write(self, name: str, facts: dict[str, Any]) -> None:
        """Write a small file that only its owner may read, whole or not at all."""
        write_private(self.folder / f"{name}.json", json.dumps(facts, indent=1) + "\n")

    def stable_port(self, name: str) -> int:
        """Return the loopback port used last time if it is still free, else a new one, and remember it."""
        ports = self.read("ports")
        port = ports.get(name)
        if not isinstance(port, int) or not is_port_free(port):
            port = _free_port()
            self.write("ports", {**ports, name: port})
        return port

    def close(self) -> None:
        (self.folder / "environment.json").unlink(missing_ok=True)
        os.close(self._lock)


def open_state(folder: Path, *, shutdown: Shutdown) -> State:
    """Create and lock the folder; wait for a dead supervisor's watchdog, refuse beside a living one."""
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _TAKE_OVER_SECONDS
    while not _try_lock(lock):
        holder = _holder(lock)
        if is_process_alive(holder) or time.monotonic() > deadline:
            os.close(lock)
            raise StateInUse(folder=folder, pid=holder)
        shutdown.check()
        shutdown.wait(0.1)
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return State(folder, lock)


def open_free_state(folder: Path, *, shutdown: Shutdown) -> State:
    """Lock the folder, or the first free one of folder.2, folder.3, …: parallel commands never share servers."""
    for number in range(1, _MOST_FOLDERS + 1):
        candidate = folder if number == 1 else folder.with_name(f"{folder.name}.{number}")
        try:
            return open_state(candidate, shutdown=shutdown)
        except StateInUse:
            continue
    raise EmbeddedError(f"{_MOST_FOLDERS} commands already run beside {folder}; that is as many as are allowed.")


def running_environment(folder: Path) -> dict[str, str]:
    """Return what a supervisor that runs on the folder gives its programs (addresses and secrets)."""
    facts = read_facts(folder / "environment.json")
    if not facts or not is_process_alive(int(facts.pop("pid", 0))):
        raise EmbeddedError(f"Nothing runs on {folder}. Start it with: make run")
    return {name: str(value) for name, value in facts.items()}


def read_facts(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, or an empty one when there is no such (whole) file."""
    try:
        facts = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def write_private(path: Path, text: str) -> None:
    """Replace a file with mode 0600."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def is_port_free(port: int) -> bool:
    """Whether 127.0.0.1:port can be listened on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
        return True


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(lock: int) -> int:
    try:
        return int(os.pread(lock, 32, 0).decode().strip() or 0)
    except ValueError:
        return 0
