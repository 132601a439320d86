"""When an unknown is asked about again: 3 s (five with the sweeper's two), 15 s, 30 s, 1, 2, 4, 8, 10, 10 … minutes.

Each ± 10 %, and never "give up": time alone fails nothing.
"""

import random
from datetime import datetime, timedelta

QUERY_DELAYS_SECONDS = (3, 15, 30, 60, 120, 240, 480, 600)
FIRST_QUERY_SECONDS = 5
STUCK_AFTER = timedelta(hours=24)
"""An unknown this old becomes a case for a person; it is still asked about."""


def next_query_at(now: datetime, *, attempts: int) -> str:
    """ISO 8601, for SQL functions that read JSON."""
    delay = QUERY_DELAYS_SECONDS[min(attempts, len(QUERY_DELAYS_SECONDS) - 1)]
    return (now + timedelta(seconds=delay * random.uniform(0.9, 1.1))).isoformat()  # noqa: S311 jitter, no secret
