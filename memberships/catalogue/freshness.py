"""What members may do is kept in Redis for a moment; who changes the catalogue says so here."""

from datetime import datetime, timedelta

from django.db import connection

from memberships.events import RightsNotTold
from paycore.events import publish
from paycore.identifiers import new_id
from paycore.snapshots import Snapshots

RIGHTS = Snapshots("rights", seconds=20)
EVERYBODY = "*"


class RightsStillNotTold(Exception):
    """Redis does not answer: to be tried again."""


def touch_everybody() -> None:
    """Call it inside the transaction that changes a feature, a tier's plans or a plan's version."""
    if not RIGHTS.touch_all():
        leave_word([EVERYBODY])


def leave_word(user_ids: list[str]) -> None:
    """Redis could not be told: a worker tries from where it is."""
    if connection.in_atomic_block:
        publish(RightsNotTold(new_id("told"), user_ids))


def tell_again(user_ids: list[str], *, since: datetime, now: datetime) -> None:
    """RightsStillNotTold while there may be something old in Redis."""
    is_told = RIGHTS.touch_all() if EVERYBODY in user_ids else RIGHTS.touch(user_ids)
    if not is_told and now - since < timedelta(seconds=RIGHTS.seconds):
        raise RightsStillNotTold
