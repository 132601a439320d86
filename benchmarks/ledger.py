"""G5: one event of four legs (two transfers) posted by one process, each in a transaction of its own.

Compared with raw SQL that writes the same rows and moves the same balances, and with django-hordak where
BENCH_HORDAK_PYTHON names a Python that has it (it is no dependency of ours).
"""

import itertools
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg2

from benchmarks.rig.accounts_of_cpu import family_cpu_seconds, postgres_root
from benchmarks.rig.alone import repeat
from benchmarks.rig.databases import prepare_empty, prepare_ours, require_durable
from benchmarks.rig.rounds import SECONDS, Contestant, Sample, pace, play
from benchmarks.rig.tables import conditions, table

_HORDAK_SIDE = Path(__file__).resolve().parent / "rig" / "hordak_side.py"


def main() -> None:
    url = prepare_ours()
    conditions(require_durable(url), f"one process, one connection, {pace()}")
    contestants: dict[str, Contestant] = {
        "raw SQL, psycopg2": _repeated(url, _raw_sql(url)),
        "paycore: post(entry)": _repeated(url, _paycore()),
    }
    hordak = os.environ.get("BENCH_HORDAK_PYTHON")
    if hordak:
        contestants["django-hordak 2.0"] = _hordak(hordak)
    else:
        print("- hordak not installed: skipped (BENCH_HORDAK_PYTHON names no Python)")
    results = play(contestants)
    ours = results["paycore: post(entry)"]
    table(
        ["", "events/s", "CPU ms each", "paycore's rate ÷ this", "cap (CPU, this ÷ paycore's)"],
        [
            [name, result.per_second, result.cpu_ms, ours.per_second / result.per_second, result.cpu_ms / ours.cpu_ms]
            for name, result in results.items()
        ],
    )


def _repeated(url: str, work: Callable[[], object]) -> Contestant:
    return lambda: repeat(url, work)


def _paycore() -> Callable[[], object]:
    from django.db import transaction

    from paycore.money import Money
    from payments.ledger.services import Entry, Leg, post

    numbers = itertools.count()
    whole, part = Money(1999, "USD"), Money(88, "USD")

    def event() -> None:
        legs = [Leg("gateway:g", "merchant:m:pending", whole), Leg("expense:gateway_fees", "gateway:g", part)]
        with transaction.atomic():
            post(Entry("bench", str(next(numbers)), "ours", legs))

    return event


def _raw_sql(url: str) -> Callable[[], object]:
    """The same three tables by hand: posting, transfers, two accounts' balances, in four round trips."""
    connection = psycopg2.connect(url)
    cursor = connection.cursor()
    cursor.execute(
        "INSERT INTO payments_ledgeraccount (code, currency, shard, kind, must_not_overdraw, balance_minor)"
        " VALUES ('raw:1', 'USD', 0, 'asset', false, 0), ('raw:2', 'USD', 0, 'liability', false, 0),"
        " ('raw:3', 'USD', 0, 'expense', false, 0) RETURNING id"
    )
    gateway, merchant, cost = (row[0] for row in cursor.fetchall())
    connection.commit()
    numbers = itertools.count()

    def event() -> None:
        cursor.execute(
            "INSERT INTO payments_posting (business_type, business_id, phase) VALUES ('bench', %s, 'raw') RETURNING id",
            [str(next(numbers))],
        )
        (posting,) = cursor.fetchone()
        cursor.execute(
            "INSERT INTO payments_transfer (posting_id, debit_account_id, credit_account_id, amount_minor)"
            " VALUES (%s, %s, %s, 1999), (%s, %s, %s, 88)",
            [posting, gateway, merchant, posting, cost, gateway],
        )
        cursor.execute(
            "UPDATE payments_ledgeraccount AS a SET balance_minor = balance_minor + moved.net"
            " FROM (VALUES (%s, 1911), (%s, 1999), (%s, 88)) AS moved(id, net) WHERE a.id = moved.id",
            [gateway, merchant, cost],
        )
        connection.commit()

    return event


def _hordak(python: str) -> Contestant:
    url = prepare_empty("paycore_bench_hordak")
    environment = {**os.environ, "DATABASE_URL": url}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    subprocess.run([python, str(_HORDAK_SIDE), "prepare"], env=environment, check=True)
    root = postgres_root(url)

    def play_round() -> Sample:
        server = family_cpu_seconds([root])
        command = [python, str(_HORDAK_SIDE), "post", str(SECONDS)]
        ended = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        server = family_cpu_seconds([root]) - server
        report = json.loads(ended.stdout)
        return Sample(report["operations"], report["wall"], report["cpu"] + server)

    return play_round


if __name__ == "__main__":
    main()
