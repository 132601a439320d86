"""Runs one command beside the servers: `python -m paycore.embedded exec -- pytest`."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from paycore.embedded.errors import EmbeddedError
from paycore.embedded.liveness import kill_group
from paycore.embedded.processes import die_with_parent
from paycore.embedded.servers import Servers
from paycore.embedded.shutdown import Shutdown
from paycore.embedded.supervisor import revive_servers


def run_command(
    command: Sequence[str], *, environment: Mapping[str, str], shutdown: Shutdown, servers: Servers | None
) -> int:
    """Run the command, pass on the signals we get, keep the servers up meanwhile; return a shell's exit code.

    At a terminal the command shares our process group, so that it can read keys and gets Ctrl-C itself. Otherwise it
    gets a session of its own, whose whole family is ended with it.
    """
    shares_terminal = sys.stdin is not None and sys.stdin.isatty()
    process = _start(command, environment=environment, own_session=not shares_terminal)
    group = None if shares_terminal else process.pid
    if servers is not None and group is not None:
        servers.watchdog.add(group=group, stop_signal=signal.SIGTERM)
    try:
        _accompany(process, shutdown=shutdown, servers=servers, shares_terminal=shares_terminal)
    finally:
        _end(process, group=group)
        if servers is not None and group is not None:
            servers.watchdog.remove(group=group)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _accompany(
    process: subprocess.Popen[bytes], *, shutdown: Shutdown, servers: Servers | None, shares_terminal: bool
) -> None:
    passed_on = 0
    while process.poll() is None:
        for number in shutdown.received[passed_on:]:
            if not (shares_terminal and number == signal.SIGINT):  # the terminal sent it to the command as well
                process.send_signal(number)
            passed_on += 1
        if servers is not None and not shutdown.is_requested:
            revive_servers(servers)
        shutdown.wait(0.5)


def _end(process: subprocess.Popen[bytes], *, group: int | None) -> None:
    if process.poll() is None:  # the servers could not be kept up
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
    if group is not None:
        kill_group(group)
    process.wait()


def _start(command: Sequence[str], *, environment: Mapping[str, str], own_session: bool) -> subprocess.Popen[bytes]:
    parent = os.getpid()
    try:
        return subprocess.Popen(
            command,
            env=dict(environment),
            start_new_session=own_session,
            preexec_fn=lambda: die_with_parent(parent=parent, stop_signal=signal.SIGTERM),
        )
    except OSError as error:
        raise EmbeddedError(f"Cannot run {command[0]}: {error.strerror}") from error
