"""The tables that the request benchmarks print alike."""

from collections.abc import Mapping

from benchmarks.rig.rounds import Result
from benchmarks.rig.statements import Counted
from benchmarks.rig.tables import table


def print_duel(title: str, results: Mapping[str, Result], *, counted: Counted, operation: str) -> None:
    """``results``: the bound first, paycore second."""
    bound, ours = results.values()
    table(
        ["", "operations/s", "CPU ms each", "p50 ms", "p99 ms"],
        [
            [name, result.per_second, result.cpu_ms, *(result.latencies_ms.get(part, "–") for part in ("p50", "p99"))]
            for name, result in results.items()
        ],
    )
    table([f"CPU ms of {operation} in", *ours.parts_cpu_ms], [["", *ours.parts_cpu_ms.values()]])
    table(
        [title, "cap (CPU, bound ÷ ours)", "wall (ours ÷ bound)", "transactions each", "row versions each"],
        [["", bound.cpu_ms / ours.cpu_ms, ours.per_second / bound.per_second, counted.transactions, counted.rows]],
    )
