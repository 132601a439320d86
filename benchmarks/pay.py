"""G1: one request that creates an order and pays it, against the smallest transaction pair that must be left behind."""

from benchmarks.rig.databases import BOUNDS, prepare_bound, prepare_ours, require_durable
from benchmarks.rig.house import WEB_THREADS, WEB_WORKERS, serving, visit
from benchmarks.rig.pgbench import run_pgbench
from benchmarks.rig.rounds import ROUNDS, SECONDS, play
from benchmarks.rig.statements import count_statements
from benchmarks.rig.tables import conditions, table

CONNECTIONS = 8


def main() -> None:
    bound_url, url = prepare_bound(), prepare_ours()
    durable = require_durable(url)
    with serving(url) as house:
        conditions(
            durable,
            f"{CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS:.0f} s in turn, medians; both databases new",
            f"granian, {WEB_WORKERS} workers × {WEB_THREADS} threads, production settings; sandbox in the server's process",
        )
        results = play(
            {
                "bound: pay_full by pgbench": lambda: run_pgbench(bound_url, BOUNDS / "pay_full.sql", clients=CONNECTIONS),
                "paycore: POST /api/v1/payments": lambda: visit(house, story="pay", connections=CONNECTIONS),
            }
        )
        counted = count_statements(url, lambda: visit(house, story="pay", connections=1, seconds=2))
    bound, ours = results.values()
    table(
        ["", "operations/s", "CPU ms", "p50 ms", "p99 ms"],
        [
            [name, result.per_second, result.cpu_ms, *(result.latencies_ms.get(p, "") for p in ("p50", "p99"))]
            for name, result in results.items()
        ],
    )
    table(["CPU ms of", *ours.parts_cpu_ms], [["a payment", *ours.parts_cpu_ms.values()]])
    table(
        ["pay (G1)", "cap (CPU, bound ÷ ours)", "wall (ours ÷ bound)", "transactions a payment", "rows a payment"],
        [["", bound.cpu_ms / ours.cpu_ms, ours.per_second / bound.per_second, counted.transactions, counted.rows]],
    )


if __name__ == "__main__":
    main()
