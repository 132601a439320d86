"""G8: eight writers on one clearing account, against eight that write the same rows and move no balance."""

import tempfile
from pathlib import Path

from benchmarks.rig.databases import BOUNDS, prepare_ours, require_durable, run_sql
from benchmarks.rig.pgbench import run_pgbench
from benchmarks.rig.rounds import pace, play
from benchmarks.rig.tables import conditions, table

WRITERS = 8
_ACCOUNTS = """
    INSERT INTO payments_ledgeraccount (code, currency, shard, kind, must_not_overdraw, balance_minor)
    VALUES ('bound:1', 'USD', 0, 'asset', false, 0), ('bound:2', 'USD', 0, 'liability', false, 0),
           ('bound:3', 'USD', 0, 'expense', false, 0)
    RETURNING id
"""
_BENCH_POST = """
    CREATE OR REPLACE FUNCTION bench_post(number bigint) RETURNS bigint LANGUAGE plpgsql AS $$
    BEGIN
        RETURN ledger_post(
            'bench', number::text, 'ours', 'USD', ARRAY['gateway:clearing', 'expense:gateway_fees'],
            ARRAY['merchant:m:pending', 'gateway:clearing'], ARRAY[1999, 88]::bigint[]
        );
    END $$
"""


def main() -> None:
    url = prepare_ours()
    conditions(require_durable(url), f"{WRITERS} connections of pgbench, {pace()}; the clearing account has 16 shards")
    run_sql(url, _BENCH_POST)
    with tempfile.TemporaryDirectory() as folder:
        bound = Path(folder) / "bound.sql"
        bound.write_text(_with_accounts(url), encoding="utf-8")
        results = play(
            {
                "bound: posting without balances": lambda: run_pgbench(url, bound, clients=WRITERS),
                "paycore: ledger_post": lambda: run_pgbench(url, BOUNDS / "post.sql", clients=WRITERS),
            }
        )
    without, ours = results.values()
    table(
        ["", "events/s", "CPU ms each"],
        [[name, result.per_second, result.cpu_ms] for name, result in results.items()],
    )
    table(
        ["writers (G8)", "wall (ours ÷ bound)", "cap (CPU, bound ÷ ours)"],
        [["", ours.per_second / without.per_second, without.cpu_ms / ours.cpu_ms]],
    )


def _with_accounts(url: str) -> str:
    names = ("clearing", "merchant", "fees")
    ids = (row[0] for row in run_sql(url, _ACCOUNTS))
    settings = "".join(f"\\set {name} {number}\n" for name, number in zip(names, ids, strict=True))
    return settings + (BOUNDS / "post_without_balances.sql").read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
