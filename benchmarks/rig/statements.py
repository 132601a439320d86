"""What PostgreSQL counted while something ran."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.rig.databases import run_sql
from benchmarks.rig.rounds import Sample

_COUNTS = """
    SELECT xact_commit, tup_inserted + tup_updated + tup_deleted
    FROM pg_stat_database WHERE datname = current_database()
"""
_STATISTICS_SECONDS = 11.0  # a backend that became idle may keep its counts to itself for ten seconds


@dataclass(frozen=True)
class Counted:
    """Averages an operation."""

    transactions: float
    rows: float


def count_statements(url: str, run: Callable[[], Sample]) -> Counted:
    """Committed transactions and changed rows for each operation of ``run``."""
    time.sleep(_STATISTICS_SECONDS)
    before = run_sql(url, _COUNTS)[0]
    operations = run().operations
    time.sleep(_STATISTICS_SECONDS)
    after = run_sql(url, _COUNTS)[0]
    transactions, rows = (float(str(late)) - float(str(early)) for late, early in zip(after, before, strict=True))
    return Counted(transactions / operations, rows / operations)
