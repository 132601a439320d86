"""Counting what charts about memberships show, a month at a time."""

from datetime import UTC, date, datetime, timedelta

from dateutil.relativedelta import relativedelta
from django.db.models import Min

from memberships.models import MembershipMonth, Period
from paycore.database import call_function

MONTHS = 13
"""How far back charts look, and what is counted when nothing was yet."""


def count_due_months(*, now: datetime) -> int:
    """The running month anew, the one before once a day and once when it is settled, and every one of the last
    ``MONTHS`` that is missing; how many were counted. ``now`` is the database's clock."""
    wanted = [month for month in months_until(now) if _is_due(month, now=now)]
    for month in wanted:
        count_month(month)
    return len(wanted)


def count_month(month: date) -> int:
    """``month`` is its first day. Safe to repeat; rows that it has now."""
    rows: int = call_function("memberships_count_month", month)
    return rows


def months_until(now: datetime) -> list[date]:
    """First days of the last months in which anybody had anything, oldest first, the running one included."""
    first = Period.objects.aggregate(first=Min("starts_at"))["first"]
    this = now.astimezone(UTC).date().replace(day=1)
    if first is None:
        return []
    begin = first.astimezone(UTC).date().replace(day=1)
    months = [this - relativedelta(months=back) for back in range(MONTHS - 1, -1, -1)]
    return [month for month in months if month >= begin]


def _is_due(month: date, *, now: datetime) -> bool:
    """For a month after its end things still become known of it: overdue renewals are paid, trials that ended too."""
    ends_at = datetime(month.year, month.month, 1, tzinfo=UTC) + relativedelta(months=1)
    counted = MembershipMonth.objects.filter(month=month).aggregate(at=Min("counted_at"))["at"]
    if counted is None or now < ends_at or counted < ends_at:
        return True
    settled_at = ends_at + relativedelta(months=1)
    return bool(counted < settled_at and (now >= settled_at or now - counted >= timedelta(days=1)))
