"""Taking due rows so that several workers share the work and a dead one's is taken over.

A row that must be worked on has a ``next_attempt_at``. Claiming moves it into the future by a lease and commits: nobody
else takes the row meanwhile, and if the claimer dies, the row is due again.
"""

from collections.abc import Callable
from datetime import timedelta

from django.db import connection, models

# statement_timestamp() is stable within the statement: the index is read up to now. clock_timestamp() may differ from
# row to row, so everything that waits would be read.
# Materialized: a planner that joins the other way round would run a plain sub-query, and its LIMIT, once per row.
_CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT id FROM {table} WHERE {condition} AND next_attempt_at <= statement_timestamp()
        ORDER BY next_attempt_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE {table} AS claimed SET next_attempt_at = clock_timestamp() + make_interval(secs => %s)
    FROM due WHERE claimed.id = due.id RETURNING claimed.id
"""


def claim_due(model: type[models.Model], *, lease: timedelta, limit: int, condition: str = "true") -> list[str]:
    """Ids of at most ``limit`` due rows, the longest due first; ``condition`` is SQL of ours, for a partial index."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM.format(table=model._meta.db_table, condition=condition), [limit, lease.total_seconds()])
        return [row[0] for row in cursor.fetchall()]


def try_each(ids: list[str], act: Callable[[str], object]) -> None:
    """One that breaks us must not keep the rest waiting: leased together, they would meet behind it every time. What
    was raised is raised again, after the last."""
    broken: list[Exception] = []
    for object_id in ids:
        try:
            act(object_id)
        except Exception as error:
            error.add_note(object_id)
            broken.append(error)
    if broken:
        raise ExceptionGroup("some could not be brought further", broken)
