"""G3: how long one payment takes when nothing else is going on, against pgbench's transactions alone."""

from benchmarks.rig.databases import BOUNDS, prepare_bound, prepare_ours, require_durable
from benchmarks.rig.house import SERVER, serving, visit
from benchmarks.rig.pgbench import run_pgbench
from benchmarks.rig.rounds import pace, play
from benchmarks.rig.tables import conditions, table


def main() -> None:
    bound_url, url = prepare_bound(), prepare_ours()
    conditions(require_durable(url), f"1 connection, {pace()}; both databases new", SERVER)
    with serving(url) as house:
        results = play(
            {
                "bound: pay_full by pgbench": lambda: run_pgbench(
                    bound_url, BOUNDS / "pay_full.sql", clients=1, takes_latencies=True
                ),
                "paycore: POST /api/v1/payments": lambda: visit(house, story="pay", connections=1),
            }
        )
    bound, ours = (result.latencies_ms for result in results.values())
    table(
        ["", "p50 ms", "p95 ms", "p99 ms"],
        [[name, *(result.latencies_ms[part] for part in ("p50", "p95", "p99"))] for name, result in results.items()],
    )
    table(
        ["latency (G3)", "p50 ÷ the bound's p50", "p99 ÷ the bound's p50", "p99 ÷ the bound's p99"],
        [["", ours["p50"] / bound["p50"], ours["p99"] / bound["p50"], ours["p99"] / bound["p99"]]],
    )


if __name__ == "__main__":
    main()
