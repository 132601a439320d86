"""How risky users and merchants have proved to be: judged every night from what became of their payments."""

from datetime import datetime

from django.conf import settings
from django.db import connection, transaction

from paycore.database import call_function
from paycore.logs import get_logger

log = get_logger(__name__)


def rate_everyone(*, now: datetime) -> int:
    """Rate all by the 90 days before ``now``; how many ratings changed. Twice on one day changes nothing more."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            # A night's work, in one statement: longer than a request may take, shorter than a task may.
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true)", [f"{settings.CELERY_TASK_SOFT_TIME_LIMIT}s"]
            )
        changed: int = call_function("riskcontrol_rate", now)
    log.info("everyone_rated", changed=changed)
    return changed
