"""Day by day, what was paid becomes revenue (recognise.sql)."""

from django.conf import settings

from paycore.database import call_function
from paycore.identifiers import new_id

BATCH = 2000
MOST_BATCHES = 50


def recognise_due() -> int:
    """Everything that was earned until the last midnight (UTC), a batch a transaction; how many schedules were seen.
    Several workers share the work; one that dies has done whole batches or nothing of one."""
    seen = 0
    for _batch in range(MOST_BATCHES):
        found = _recognise(user_id="")
        seen += found
        if found < BATCH:
            break
    return seen


def recognise_of(user_id: str) -> int:
    """What one user's money earned until the last midnight of the user's clock."""
    return _recognise(user_id=user_id)


def _recognise(*, user_id: str) -> int:
    found: int = call_function("memberships_recognise", new_id("rvb"), BATCH, settings.PAYCORE_SANDBOX_MODE, user_id)
    return found
