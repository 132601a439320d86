"""G2: create an order, pay it, the provider's signed callback, and the order is paid: three requests and a worker."""

from benchmarks.rig.databases import BOUNDS, prepare_bound, prepare_ours, require_durable
from benchmarks.rig.house import SERVER, Finish, serving, visit
from benchmarks.rig.pgbench import run_pgbench
from benchmarks.rig.reports import print_duel
from benchmarks.rig.rounds import Sample, pace, play
from benchmarks.rig.statements import count_statements
from benchmarks.rig.tables import conditions

CONNECTIONS = 8
_UNPAID = "SELECT count(*) FROM payments_payment WHERE status <> 'succeeded'"


def main() -> None:
    bound_url, url = prepare_bound(), prepare_ours()
    conditions(
        require_durable(url),
        f"{CONNECTIONS} connections, {pace()}; both databases new",
        SERVER,
        "Celery: a worker of 2 processes and beat, as `make run` starts them; a round ends when every order is paid",
        "bound: the rows of pay_full in three transactions; it stores no callback",
    )
    with serving(url, has_worker=True) as house:
        all_paid = Finish(url, _UNPAID)

        def ours(**changes: float) -> Sample:
            return visit(house, story="flow", connections=CONNECTIONS, finish=all_paid, **changes)

        results = play(
            {
                "bound: flow_full by pgbench": lambda: run_pgbench(
                    bound_url, BOUNDS / "flow_full.sql", clients=CONNECTIONS
                ),
                "paycore: order, payment, callback": ours,
            }
        )
        counted = count_statements(url, lambda: ours(seconds=2.0))
    print_duel("flow (G2)", results, counted=counted, operation="a flow")


if __name__ == "__main__":
    main()
