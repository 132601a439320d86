"""The supervisor keeps what it started running, and leaves nothing behind however it ends."""

import os
import signal
from pathlib import Path

import pytest

from tests.setup.conftest import Run, needs_proc, processes_in, wait_until

pytestmark = [needs_proc, pytest.mark.slow]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asking_it_to_stop_leaves_no_process_and_exit_code_zero(run: Run, number: signal.Signals) -> None:
    supervisor = run.start()
    assert len(processes_in(run.folder)) >= 7

    supervisor.send_signal(number)

    assert supervisor.wait(timeout=40) == 0, run.text()
    assert run.is_gone(), processes_in(run.folder)


def test_kill_9_of_the_supervisor_leaves_no_process_and_the_data_serves_the_next_start(run: Run) -> None:
    supervisor = run.start()
    run.query("CREATE TABLE kept (id int)")
    run.query("INSERT INTO kept VALUES (7)")

    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait(timeout=10)

    assert run.is_gone(), processes_in(run.folder)
    run.start()
    assert run.query("SELECT id FROM kept") == [(7,)]


def test_killed_program_is_started_again_and_its_orphans_are_ended(run: Run) -> None:
    run.start()
    worker, grandchild = run.pid_of("subprocess.run"), run.pid_of("-c import time; time.sleep")
    assert worker
    assert grandchild

    os.kill(worker, signal.SIGKILL)

    assert wait_until(lambda: run.pid_of("subprocess.run") not in (0, worker))
    assert grandchild not in processes_in(run.folder)
    assert "worker ended (signal 9)" in run.text()


def test_killed_postgresql_comes_back_at_the_same_address_with_every_commit(run: Run) -> None:
    run.start()
    run.query("CREATE TABLE kept (id int)")
    run.query("INSERT INTO kept VALUES (7)")
    postmaster = int((run.state / "postgres" / "postmaster.pid").read_text().split()[0])

    os.kill(postmaster, signal.SIGKILL)

    assert wait_until(lambda: "postgres is up again" in run.text()), run.text()
    assert wait_until(run.can_query)
    assert run.query("SELECT id FROM kept") == [(7,)]
    assert run.query("SHOW fsync") == [("on",)]
    assert run.query("SHOW data_checksums") == [("on",)]


def test_killed_redis_comes_back(run: Run) -> None:
    run.start()
    os.kill(run.pid_of("valkey"), signal.SIGKILL)
    assert wait_until(lambda: "redis is up again" in run.text()), run.text()


def test_lock_file_naming_somebody_elses_process_does_not_stop_the_start(run: Run) -> None:
    supervisor = run.start()
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait(timeout=10)
    assert run.is_gone()
    lock = run.state / "postgres" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{run.state / 'postgres'}\n0\n1\n\n127.0.0.1\n")

    run.start()

    assert run.can_query()


def test_half_made_cluster_is_never_taken_for_a_whole_one(run: Run) -> None:
    half = run.state / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    run.start()

    assert run.can_query()
    assert not half.exists()


def test_secrets_are_kept_between_starts_and_closed_to_others(run: Run) -> None:
    supervisor = run.start()
    secrets = run.state / "secrets.json"
    first = secrets.read_text()
    supervisor.send_signal(signal.SIGTERM)
    supervisor.wait(timeout=40)

    run.start()

    assert secrets.read_text() == first
    private: list[Path] = [secrets, run.state / "environment.json", run.state / "redis" / "valkey.conf"]
    assert [path.stat().st_mode & 0o777 for path in private] == [0o600] * 3
