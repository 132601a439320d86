"""Starts everything in order, keeps it running, says when it is ready, and stops it in the reverse order."""

import http.client
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paycore.embedded.announce import progress, say, tail, welcome
from paycore.embedded.errors import EmbeddedError
from paycore.embedded.processes import Child, Program, keep_log_small, stop_all
from paycore.embedded.servers import PROJECT, Servers, serving
from paycore.embedded.services import preparations, services
from paycore.embedded.shutdown import Shutdown
from paycore.embedded.state import is_port_free, open_state

_READY_SECONDS = 300.0
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 60.0
_MOST_EARLY_FAILURES = 4


def run_paycore(folder: Path, *, shutdown: Shutdown) -> int:
    """Run paycore on this machine until somebody asks it to stop; return 0 then."""
    say("paycore is starting.")
    state = open_state(folder, shutdown=shutdown)
    try:
        defaults = _run_environment(state.folder, given=os.environ)
        _check_ports(defaults)
        with serving(state, shutdown=shutdown, given=os.environ, defaults=defaults) as servers:
            programs = services(environment=servers.environment, project=PROJECT, state=state.folder)
            supervise(servers, preparations=preparations(), programs=programs, shutdown=shutdown, is_ready=_answers)
            say("Stopped.")
    finally:
        state.close()
    return 0


def supervise(
    servers: Servers,
    *,
    preparations: Sequence[tuple[str, Sequence[str]]],
    programs: Sequence[Program],
    shutdown: Shutdown,
    is_ready: Callable[[Mapping[str, str]], bool],
) -> None:
    """Run the preparations, then keep the programs (and the servers) running until a stop is asked for."""
    for title, command in preparations:
        _prepare(title, command, servers=servers, shutdown=shutdown)
    kept = [_Kept(child=Child(program=program, watchdog=servers.watchdog)) for program in programs]
    try:
        for one in kept:
            one.child.start()
        progress(f"started: {', '.join(program.name for program in programs)}")
        _keep(kept, servers=servers, shutdown=shutdown, is_ready=is_ready)
    finally:
        say("\nStopping. (Ctrl-C once more: at once.)")
        stop_all([one.child for one in reversed(kept)], shutdown=shutdown)


@dataclass(kw_only=True)
class _Kept:
    """A program that is started again whenever it ends, after a pause that grows while it keeps failing."""

    child: Child
    failures: int = field(default=0)
    restart_at: float | None = field(default=None)

    def tend(self, *, now: float) -> None:
        if self.child.is_running:
            return
        if self.restart_at is None:
            self._note_end(now=now)
        elif now >= self.restart_at:
            self.restart_at = None
            self.child.start()

    def _note_end(self, *, now: float) -> None:
        name, log = self.child.program.name, self.child.program.log
        was_steady = now - self.child.started_at > _STEADY_SECONDS
        self.failures = 1 if was_steady else self.failures + 1
        pause = min(0.5 * 2 ** (self.failures - 1), _LONGEST_PAUSE_SECONDS)
        self.restart_at = now + pause
        progress(f"{name} ended ({self.child.exit_text}); starting it again in {pause:.1f} s. {log} ends:")
        say(tail(log, lines=8))
        self.child.end_family()


def _keep(
    kept: Sequence[_Kept], *, servers: Servers, shutdown: Shutdown, is_ready: Callable[[Mapping[str, str]], bool]
) -> None:
    was_ready, deadline = False, time.monotonic() + _READY_SECONDS
    while not shutdown.is_requested:
        revive_servers(servers)
        for one in kept:
            one.tend(now=time.monotonic())
        if not was_ready:
            _refuse_hopeless(kept, deadline=deadline)
            was_ready = is_ready(servers.environment)
            if was_ready:
                say(welcome(environment=servers.environment, state=servers.state.folder))
        shutdown.wait(0.5 if was_ready else 0.1)


def _refuse_hopeless(kept: Sequence[_Kept], *, deadline: float) -> None:
    for one in kept:
        if one.failures >= _MOST_EARLY_FAILURES:
            raise EmbeddedError(f"{one.child.program.name} ends as soon as it starts; see {one.child.program.log}.")
    if time.monotonic() > deadline:
        web = next((one.child.program.log for one in kept if one.child.program.name == "web"), None)
        shown = f" {web} ends:\n{tail(web)}" if web else ""
        raise EmbeddedError(f"paycore is not ready after {_READY_SECONDS:.0f} s.{shown}")


def revive_servers(servers: Servers) -> None:
    """Start PostgreSQL or Redis again if it has ended; acknowledged work is in its log files."""
    for name, child in list(servers.children.items()):
        if not child.is_running:
            progress(f"{name} ended ({child.exit_text}); starting it again")
            child.end_family()
            servers.children[name] = servers.restarts[name]()
            progress(f"{name} is up again")


def _prepare(title: str, command: Sequence[str], *, servers: Servers, shutdown: Shutdown) -> None:
    log = servers.state.logs / "prepare.log"
    keep_log_small(log)
    child = Child(
        program=Program(name=title, command=command, environment=servers.environment, log=log, directory=PROJECT),
        watchdog=servers.watchdog,
    )
    child.start()
    while child.is_running and not shutdown.is_requested:
        shutdown.wait(0.5)
    exit_text = child.exit_text
    stop_all([child], shutdown=shutdown)
    shutdown.check()
    if exit_text != "code 0":
        raise EmbeddedError(f"`{' '.join(command[1:])}` failed ({exit_text}). {log} ends:\n{tail(log, lines=30)}")
    progress(title)


def _run_environment(folder: Path, *, given: Mapping[str, str]) -> dict[str, str]:
    port = _port(given.get("PORT") or "8000", name="PORT")
    sandbox_port = _port(given.get("PAYCORE_SANDBOX_PORT") or str(port + 1), name="PAYCORE_SANDBOX_PORT")
    metrics = folder / "metrics"  # each process counts in files of its own here; counts start anew with us
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir(mode=0o700)
    return {
        "PAYCORE_ENV": "development",
        "PORT": str(port),
        "PAYCORE_SANDBOX_PORT": str(sandbox_port),
        "PAYCORE_BASE_URL": f"http://127.0.0.1:{port}",
        "PAYCORE_SANDBOX_URL": f"http://127.0.0.1:{sandbox_port}",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }


def _port(text: str, *, name: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65_535):
        raise EmbeddedError(f"{name}={text} is not a port; use a number from 1 to 65534.")
    return int(text)


def _check_ports(environment: Mapping[str, str]) -> None:
    for name in ("PORT", "PAYCORE_SANDBOX_PORT"):
        port = int(environment[name])
        if not is_port_free(port):
            what = "paycore" if name == "PORT" else "its sandbox provider"
            raise EmbeddedError(
                f"Port {port} on 127.0.0.1, wanted for {what}, is taken by another program.\n"
                f"Stop that one, or choose another port: make run PORT={_suggested(port)}"
            )


def _suggested(port: int) -> int:
    candidates = (candidate for candidate in range(port + 100, 65_000, 100))
    return next((one for one in candidates if is_port_free(one) and is_port_free(one + 1)), 8100)


def _answers(environment: Mapping[str, str]) -> bool:
    """Whether the web server says it is ready and the sandbox provider accepts connections."""
    try:
        web = http.client.HTTPConnection("127.0.0.1", int(environment["PORT"]), timeout=2)
        web.request("GET", "/readyz")
        status = web.getresponse().status
        web.close()
    except (OSError, http.client.HTTPException):
        return False
    return status == http.client.OK and not is_port_free(int(environment["PAYCORE_SANDBOX_PORT"]))
