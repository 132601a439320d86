"""Rounds of one process that talks to PostgreSQL itself: no server in between."""

import time
from collections.abc import Callable

from benchmarks.rig.accounts_of_cpu import family_cpu_seconds, postgres_root
from benchmarks.rig.rounds import SECONDS, Sample


def repeat(url: str, work: Callable[[], object], *, seconds: float = SECONDS) -> Sample:
    """``work`` over and over for ``seconds``; CPU time is this process's and PostgreSQL's."""
    root = postgres_root(url)
    operations, server, own, started = 0, family_cpu_seconds([root]), time.process_time(), time.perf_counter()
    until = started + seconds
    while time.perf_counter() < until:
        work()
        operations += 1
    wall, own = time.perf_counter() - started, time.process_time() - own
    server = family_cpu_seconds([root]) - server
    return Sample(operations, wall, own + server, parts_cpu_seconds={"Python": own, "PostgreSQL": server})
