"""paycore as it runs in production, for a benchmark: seeded, served, and asked by the cheap client."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig.accounts_of_cpu import (
    ended_children_cpu_seconds,
    family_cpu_seconds,
    postgres_root,
    redis_root,
)
from benchmarks.rig.rounds import Sample
from benchmarks.rig.stories import Scene

PROJECT = Path(__file__).resolve().parent.parent.parent
WEB_WORKERS, WEB_THREADS = 2, 4
SERVER = (
    f"granian, {WEB_WORKERS} workers × {WEB_THREADS} threads, production settings, access log to a file;"
    " the sandbox provider answers in the server's process"
)
_START_SECONDS = 90.0


@dataclass(frozen=True)
class House:
    """Running programs by name, with the process ids whose families are accounted for."""

    scene: Scene
    roots: Mapping[str, int]


def seed() -> tuple[str, str]:
    """An approved merchant with a key and one gateway account in the server's process; (secret key, account id).

    Django must be set up. Imported here because models cannot be loaded before that.
    """
    from merchants.models import Merchant
    from merchants.services import create_api_key
    from payments.routing.models import GatewayAccount

    merchant = Merchant.objects.create(
        name="Corner Shop", country="US", status="approved", fee_basis_points=50, fee_fixed_minor=10
    )
    _key, secret = create_api_key(merchant=merchant, name="benchmark", created_by=None)
    account = GatewayAccount.objects.create(
        name="Sandbox",
        gateway="sandbox",
        base_url="inprocess://sandbox",
        credentials={"secret": os.environ["PAYCORE_SANDBOX_SECRET"]},
        methods=["card", "sandbox_redirect"],
        fee_basis_points=290,
        fee_fixed_minor=30,
    )
    return secret, account.id


@contextmanager
def serving(url: str, *, has_worker: bool = False) -> Iterator[House]:
    """The web server, and when wanted worker and beat, on the database at ``url``."""
    secret, account_id = seed()
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = production_environment(url, metrics=folder)
        commands = {"web": _web(port)} | (_background(folder) if has_worker else {})
        with open(f"{folder}/log", "wb") as log:
            running = {name: _start(command, environment, log) for name, command in commands.items()}
            try:
                _wait_until_up(port, running, log=Path(folder) / "log")
                roots = {name: process.pid for name, process in running.items()}
                roots |= {"PostgreSQL": postgres_root(url), "Redis": redis_root(os.environ["REDIS_URL"])}
                scene = Scene("127.0.0.1", port, secret, account_id, environment["PAYCORE_SANDBOX_SECRET"])
                yield House(scene, roots)
            finally:
                _stop(running.values())


def visit(house: House, *, finish: "Finish | None" = None, **changes: object) -> Sample:
    """One round of the client. ``finish`` waits for work that goes on behind the answers; it is accounted for."""
    scene = dataclasses.replace(house.scene, **changes)  # type: ignore[arg-type]  # names are Scene's
    client = ended_children_cpu_seconds()
    before = {name: family_cpu_seconds([root]) for name, root in house.roots.items()}
    started = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.rig.client"],
        input=json.dumps(dataclasses.asdict(scene)),
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(f"the client gave up: {ended.stderr}")
    report = json.loads(ended.stdout)
    wall = report["wall_seconds"]
    if finish is not None:
        finish()
        wall = time.perf_counter() - started
    parts = {name: family_cpu_seconds([root]) - before[name] for name, root in house.roots.items()}
    parts = {"client": ended_children_cpu_seconds() - client, **parts}
    return Sample(report["operations"], wall, sum(parts.values()), report["latencies_ms"], parts)


class Finish:
    """Waits until a query answers 0."""

    def __init__(self, url: str, sql: str) -> None:
        import psycopg2

        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True
        self._sql = sql

    def __call__(self) -> None:
        deadline = time.monotonic() + 120
        with self._connection.cursor() as cursor:
            while time.monotonic() < deadline:
                cursor.execute(self._sql)
                if cursor.fetchone() == (0,):
                    return
                time.sleep(0.05)
        raise SystemExit("the work behind the answers did not come to its end")


def production_environment(url: str, *, metrics: str) -> dict[str, str]:
    """Production's settings behind one trusted proxy; limits so high that nobody is turned away."""
    return {
        **os.environ,
        "DATABASE_URL": url,
        "PAYCORE_ENV": "production",
        "PAYCORE_BASE_URL": "https://pay.example",
        "PAYCORE_ALLOWED_HOSTS": "127.0.0.1",
        "PAYCORE_TRUSTED_PROXIES": "1",
        "PAYCORE_CALLER_RATE": "9999999/minute",
        "PAYCORE_MAIL_URL": "smtp://127.0.0.1:9",
        "PROMETHEUS_MULTIPROC_DIR": metrics,
        "PYTHONWARNINGS": "ignore",
    }


def _web(port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(WEB_WORKERS), "--blocking-threads", str(WEB_THREADS), "--no-ws"),
        "benchmarks.rig.server_wsgi:application",
    ]


def _background(folder: str) -> dict[str, list[str]]:
    celery = [sys.executable, "-m", "celery", "--app=benchmarks.rig.worker"]
    return {
        "worker": [*celery, "worker", "--concurrency=2", "--pool=prefork", "--without-gossip", "--without-mingle"],
        "beat": [*celery, "beat", f"--schedule={folder}/beat", "--pidfile="],
    }


def _start(command: list[str], environment: Mapping[str, str], log: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        env=dict(environment),
        cwd=PROJECT,
        stdout=log,  # type: ignore[call-overload]  # an open file
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _stop(processes: Iterable["subprocess.Popen[bytes]"]) -> None:
    """End whole families: politely, then not."""
    alive = [process for process in processes if process.poll() is None]
    for process in alive:
        os.killpg(process.pid, signal.SIGTERM)
    for process in alive:
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_up(port: int, running: Mapping[str, "subprocess.Popen[bytes]"], *, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and all(process.poll() is None for process in running.values()):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            time.sleep(1.0)  # every worker has loaded Django
            return
    raise SystemExit(f"paycore did not start:\n{log.read_text()[-4000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
