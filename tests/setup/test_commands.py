"""`python -m paycore.embedded run` and `exec`, used as the Makefile uses them."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.setup.conftest import clean_environment, needs_proc, processes_in, wait_until

pytestmark = [needs_proc, pytest.mark.slow]
EMBEDDED = [sys.executable, "-m", "paycore.embedded"]


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*EMBEDDED, "--state", str(folder / "state"), *arguments],
        cwd=folder,
        env=clean_environment(**environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_exec_gives_the_command_its_servers_and_returns_its_exit_code(tmp_path: Path) -> None:
    script = (
        "import os, sys; found = os.environ; "
        "print(found['DATABASE_URL'], found['REDIS_URL'], found['PAYCORE_ENV']); sys.exit(7)"
    )
    process = start(tmp_path, "exec", "--", sys.executable, "-c", script)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 7
    database, redis, environment = output.split()
    assert database.startswith("postgresql://paycore:")
    assert redis.startswith("redis://:")
    assert environment == "test"
    assert processes_in(tmp_path) == {}


def test_exec_leaves_servers_alone_that_the_environment_names(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "postgresql://elsewhere/x", "REDIS_URL": "redis://elsewhere/0"}
    script = "import os; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'])"
    process = start(tmp_path, "exec", "--", sys.executable, "-c", script, **given)
    output, _ = process.communicate(timeout=60)

    assert output.split() == list(given.values())
    assert not (tmp_path / "state" / "postgres").exists()


def test_two_commands_at_once_get_different_servers(tmp_path: Path) -> None:
    script = "import os, time; print(os.environ['DATABASE_URL'], flush=True); time.sleep(600)"
    first, second = (start(tmp_path, "exec", "--", sys.executable, "-c", script) for _ in range(2))
    addresses = {process.stdout.readline() for process in (first, second) if process.stdout}
    for process in (first, second):
        process.send_signal(signal.SIGTERM)

    assert [process.wait(timeout=40) for process in (first, second)] == [143, 143]
    assert len(addresses) == 2
    assert wait_until(lambda: not processes_in(tmp_path))


def test_command_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    process = start(
        tmp_path, "exec", "--", sys.executable, "-c", "print('on', flush=True); import time; time.sleep(600)"
    )
    assert process.stdout
    assert process.stdout.readline() == "on\n"

    process.kill()
    process.wait(timeout=10)

    assert wait_until(lambda: not processes_in(tmp_path)), processes_in(tmp_path)


def test_supervisor_ends_with_the_make_that_started_it(tmp_path: Path) -> None:
    command = [*EMBEDDED, "--with-parent", "--state", str(tmp_path / "state"), "exec", "--", "sleep", "600"]
    make = subprocess.Popen(
        ["/bin/sh", "-c", '"$@"; :', "sh", *command], cwd=tmp_path, env=clean_environment(), stdin=subprocess.DEVNULL
    )
    assert wait_until(lambda: any(line.startswith("sleep 600") for line in processes_in(tmp_path).values()))

    make.kill()
    make.wait(timeout=10)

    assert wait_until(lambda: not processes_in(tmp_path)), processes_in(tmp_path)


@pytest.mark.parametrize("name", ["PORT", "PAYCORE_SANDBOX_PORT"])
def test_taken_port_is_named_with_the_remedy_and_nothing_is_started(tmp_path: Path, name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = start(tmp_path, "run", **{name: port})
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert f"Port {port} on 127.0.0.1" in errors
    assert "make run PORT=" in errors
    assert not (tmp_path / "state" / "postgres").exists()


@pytest.mark.parametrize("port", ["0", "70000", "http", "８０００"])
def test_port_that_is_none_is_refused(tmp_path: Path, port: str) -> None:
    process = start(tmp_path, "run", PORT=port)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert f"PORT={port} is not a port" in errors


def test_second_run_on_the_same_folder_says_who_runs_there(tmp_path: Path) -> None:
    first = start(tmp_path, "exec", "--", sys.executable, "-c", "print('on', flush=True); import time; time.sleep(600)")
    assert first.stdout
    assert first.stdout.readline() == "on\n"
    second = start(tmp_path, "run")
    _, errors = second.communicate(timeout=60)
    first.send_signal(signal.SIGINT)
    first.wait(timeout=40)

    assert second.returncode == 1
    assert f"process {first.pid}" in errors


def test_attach_without_a_running_server_says_how_to_start_one(tmp_path: Path) -> None:
    process = start(tmp_path, "exec", "--attach", "--", "true")
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "make run" in errors


def test_unknown_command_is_an_honest_error(tmp_path: Path) -> None:
    process = start(tmp_path, "exec", "--", "no-such-program")
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "Cannot run no-such-program" in errors
    assert processes_in(tmp_path) == {}
