"""G1: one request that creates an order and pays it, against the smallest transaction pair that must be left behind."""

from benchmarks.rig.databases import BOUNDS, prepare_bound, prepare_ours, require_durable
from benchmarks.rig.house import SERVER, serving, visit
from benchmarks.rig.pgbench import run_pgbench
from benchmarks.rig.reports import print_duel
from benchmarks.rig.rounds import pace, play
from benchmarks.rig.statements import count_statements
from benchmarks.rig.tables import conditions

CONNECTIONS = 8


def main() -> None:
    bound_url, url = prepare_bound(), prepare_ours()
    conditions(require_durable(url), f"{CONNECTIONS} connections, {pace()}; both databases new", SERVER)
    with serving(url) as house:
        results = play(
            {
                "bound: pay_full by pgbench": lambda: run_pgbench(
                    bound_url, BOUNDS / "pay_full.sql", clients=CONNECTIONS
                ),
                "paycore: POST /api/v1/payments": lambda: visit(house, story="pay", connections=CONNECTIONS),
            }
        )
        counted = count_statements(url, lambda: visit(house, story="pay", connections=CONNECTIONS, seconds=2))
    print_duel("pay (G1)", results, counted=counted, operation="a payment")


if __name__ == "__main__":
    main()
