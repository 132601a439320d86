"""The programs that make up paycore on one machine."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from paycore.embedded.processes import Program

WEB_WORKERS, WEB_THREADS, TASK_PROCESSES = 2, 4, 2
SANDBOX_THREADS = 32  # each time-out it plays holds one


def preparations() -> list[tuple[str, list[str]]]:
    """Return the commands that must end well before anything is served, with their titles."""
    # One process for both: to load the project takes longer than either on a second start.
    return [("database migrated, demo data in place", [sys.executable, "manage.py", "prepare_demo"])]


def services(*, environment: Mapping[str, str], project: Path, state: Path) -> list[Program]:
    """Return what is started, in this order, and kept running."""
    web_port, sandbox_port = environment["PORT"], environment["PAYCORE_SANDBOX_PORT"]
    commands = {
        "sandbox": _granian(
            "payments.gateways.sandbox.provider.wsgi:application", port=sandbox_port, workers=1, threads=SANDBOX_THREADS
        ),
        "web": _granian("paycore.wsgi:application", port=web_port, workers=WEB_WORKERS, threads=WEB_THREADS),
        "worker": _celery(
            "worker", f"--concurrency={TASK_PROCESSES}", "--pool=prefork", "--without-gossip", "--without-mingle"
        ),
        "beat": _celery("beat", f"--schedule={state / 'beat-schedule'}", "--pidfile="),
    }
    return [
        Program(
            name=name,
            command=command,
            environment=environment,
            log=state / "logs" / f"{name}.log",
            directory=project,
            stop_signal=signal.SIGTERM,
        )
        for name, command in commands.items()
    ]


def _granian(application: str, *, port: str, workers: int, threads: int) -> list[str]:
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", port),
        *("--workers", str(workers), "--blocking-threads", str(threads), "--respawn-failed-workers"),
        *("--workers-kill-timeout", "8", "--no-ws", application),
    ]


def _celery(kind: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "celery", "--app=paycore.celery", kind, "--loglevel=INFO", *options]
