"""How long a case can wait: its facts may say until when it must be decided."""

from datetime import datetime, timedelta

from django.utils.safestring import SafeString
from django.utils.timesince import timeuntil
from django.utils.translation import gettext

from paycore.sites.columns import tag
from riskcontrol.models import Case

SOON = timedelta(hours=2)


def decide_by(case: Case) -> datetime | None:
    """None also when the facts hold something else there."""
    try:
        moment = datetime.fromisoformat(str(case.facts.get("decide_by")))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def time_left(case: Case, *, now: datetime) -> SafeString | str:
    until = decide_by(case)
    if until is None or case.status != Case.Status.OPEN:
        return "–"
    if until <= now:
        return tag(gettext("Time is up"), "danger")
    return tag(timeuntil(until, now, depth=2), "warning" if until - now < SOON else "info")
