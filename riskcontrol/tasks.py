"""The clock of risk control. Each task may run twice at once, and may be lost."""

from celery import shared_task

from paycore import bell
from paycore.clock import database_now
from riskcontrol import ratings, rebuilding
from riskcontrol.velocity import REBUILD_BELL


@shared_task
def rebuild_velocity() -> int:
    bell.heard(REBUILD_BELL)
    return rebuilding.rebuild_velocity()


@shared_task
def rate_everyone() -> int:
    return ratings.rate_everyone(now=database_now())
