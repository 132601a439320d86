"""G9: renewals of memberships, the provider excluded, against PostgreSQL's own sweep and django-silver 0.11.

Ours: the next period opened (with its invoice, its number, the order and the intent to collect), the provider's answer
applied to payment, order and books, the period paid, the invoice in the books and scheduled to be earned, news and
history written; 500 at a time, as the worker does it. The bound writes the smallest set of rows in one statement a
batch. Then the same number due among ever more members that are not.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks.rig.accounts_of_cpu import family_cpu_seconds, postgres_root
from benchmarks.rig.databases import BOUNDS, prepare_empty, prepare_ours, require_durable, run_sql
from benchmarks.rig.elsewhere import python_with
from benchmarks.rig.house import production_environment
from benchmarks.rig.rounds import ROUNDS, Contestant, Sample, play
from benchmarks.rig.tables import conditions, table

_SIDE = Path(__file__).resolve().parent / "silver"
DUE = int(os.environ.get("BENCH_RENEWALS", "4000"))
"""A round's."""
SILVER_DUE = 200
MANY = [int(count) for count in os.environ.get("BENCH_MEMBERS", "1000,1000000").split(",")]
RAW, OURS, SILVER = "PostgreSQL's own sweep", "paycore", "django-silver 0.11 (invoices only)"


def main() -> None:
    python = python_with(_SIDE / "requirements.txt")
    os.environ |= production_environment(os.environ["DATABASE_URL"], metrics=f"{os.environ.get('TMPDIR', '/tmp')}")
    url = prepare_ours()
    conditions(
        require_durable(url),
        f"one process, one connection, {ROUNDS} rounds in turn after one to warm up, medians; {DUE} renewals a round,"
        f" the sweep 20,000, django-silver {SILVER_DUE}",
        "paycore: production settings; the provider's answer is made up in the process, everything else is the worker's"
        " own; the outbox is written, not delivered (as the bound's)",
    )
    from benchmarks.rig.renewals import Club  # loads models, so only after Django was set up

    club = Club()
    with _silver(python) as silver:
        results = play({RAW: _sweep(), OURS: _ours(url, club), SILVER: silver})
    ours = results[OURS]
    table(
        ["renewals (G9)", "per second", "CPU ms each", "paycore's rate ÷ this", "cap (CPU, this ÷ paycore's)"],
        [
            [name, result.per_second, result.cpu_ms, ours.per_second / result.per_second, result.cpu_ms / ours.cpu_ms]
            for name, result in results.items()
        ],
    )
    table([f"CPU ms of {OURS}", *ours.parts_cpu_ms], [["", *ours.parts_cpu_ms.values()]])
    _among_many(url, club)


def _among_many(url: str, club: Any) -> None:
    rows: list[list[object]] = []
    first: float | None = None
    for count in MANY:
        club.make_many(count)
        result = play({OURS: _ours(url, club)})[OURS]
        first = first or result.cpu_ms
        rows.append([count, result.per_second, result.cpu_ms, result.cpu_ms / first])
    table(["members that are not due", "renewals per second", "CPU ms each", "÷ the first"], rows)


def _ours(url: str, club: Any) -> Contestant:
    from benchmarks.rig.renewals import renew, require_renewed
    from paycore.clock import database_now

    root = postgres_root(url)

    def play_round() -> Sample:
        club.make_due(DUE)
        since = database_now()
        server, cpu, started = family_cpu_seconds([root]), time.process_time(), time.perf_counter()
        renew(DUE)
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        server = family_cpu_seconds([root]) - server
        require_renewed(DUE, since=since)
        return Sample(DUE, wall, cpu + server, parts_cpu_seconds={"Python": cpu, "PostgreSQL": server})

    return play_round


def _sweep() -> Contestant:
    url = prepare_empty("paycore_bench_renewals")
    # VACUUM must stand alone.
    for statement in (BOUNDS / "renew_schema.sql").read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            run_sql(url, f"SET search_path=renew; {statement}" if "vacuum" not in statement else "VACUUM ANALYZE")
    sweep, root = (BOUNDS / "renew.sql").read_text(encoding="utf-8"), postgres_root(url)
    connection = psycopg2.connect(url)
    cursor = connection.cursor()

    def play_round() -> Sample:
        cursor.execute("UPDATE renew.subscription SET due_at = now() - interval '1 hour' WHERE id <= 20000")
        connection.commit()
        operations, server, cpu, started = 0, family_cpu_seconds([root]), time.process_time(), time.perf_counter()
        while operations < 20_000:
            cursor.execute(sweep)
            operations += cursor.fetchone()[0]
            connection.commit()
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        return Sample(operations, wall, cpu + family_cpu_seconds([root]) - server)

    return play_round


@contextmanager
def _silver(python: str) -> Iterator[Contestant]:
    url = prepare_empty("paycore_bench_silver")
    root = postgres_root(url)
    process = subprocess.Popen(
        [python, str(_SIDE / "side.py")],
        env={"DATABASE_URL": url, "PATH": os.environ["PATH"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
    )
    months = (f"{2024 + number // 12}-{number % 12 + 1:02}-01" for number in range(48))
    ask = _asker(process)

    def play_round() -> Sample:
        server = family_cpu_seconds([root])
        report = ask(next(months))
        if report["operations"] != SILVER_DUE:
            raise SystemExit(f"django-silver issued {report['operations']} invoices")
        return Sample(SILVER_DUE, report["wall"], report["cpu"] + family_cpu_seconds([root]) - server)

    try:
        print(f"- django-silver's side: {ask(SILVER_DUE)}", flush=True)
        yield play_round
    finally:
        process.kill()
        process.wait()


def _asker(process: "subprocess.Popen[str]") -> Callable[[object], dict[str, float]]:
    def ask(line: object) -> dict[str, float]:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("django-silver's side has no pipes")
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise SystemExit("django-silver's side gave up")
        report: dict[str, float] = json.loads(answer)
        return report

    return ask


if __name__ == "__main__":
    main()
