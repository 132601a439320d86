"""When what could not be collected is tried again, and when trying is of no use. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from memberships.subscriptions.calendar import zone_of
from payments.gateways.failures import Advice, failure_of

DAY_STARTS, DAY_ENDS = 10, 18
"""Between these hours of their own day members are charged again and hear of it."""
OUTSIDE_HOURS = "outside_hours"
PAYMENT_DUE = "payment_due"
"""Nothing failed: the member pays by a link and has not yet."""
_ONLY_THE_MEMBER_CAN_HELP = frozenset(
    {
        "expired_card", "account_closed", "invalid_details", "authentication_required", "mandate_ended",
        "mandate_required", "method_not_ready", "notice_refused", PAYMENT_DUE,
    }
)  # fmt: skip
_BEIJING = ZoneInfo("Asia/Shanghai")
_MANDATES_OPEN_AT = 8
"""Mandates are charged from seven to ten in the evening, Beijing time; an hour later, so that no clock is too early."""


def is_hopeless(code: str) -> bool:
    """No attempt that nobody asked for can bring the money."""
    return code in _ONLY_THE_MEMBER_CAN_HELP or failure_of(code).advice is Advice.STOP


def retry_dates(first_failed_at: datetime, *, zone: str, days: Sequence[int]) -> list[datetime]:
    """So many days after the first failure, in the daytime of ``zone``; ascending, aware UTC."""
    return [in_daytime(first_failed_at + timedelta(days=count), zone=zone) for count in sorted(days)]


def in_daytime(moment: datetime, *, zone: str) -> datetime:
    """``moment``, or the next 10 o'clock after it when it is evening, night or early in ``zone``."""
    local = moment.astimezone(zone_of(zone))
    if DAY_STARTS <= local.hour < DAY_ENDS:
        return moment.astimezone(UTC)
    if local.hour >= DAY_ENDS:
        local += timedelta(days=1)
    return local.replace(hour=DAY_STARTS, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def next_opening_hours(now: datetime) -> datetime:
    """When a provider that said ``outside_hours`` takes charges again."""
    local = now.astimezone(_BEIJING)
    opens = local.replace(hour=_MANDATES_OPEN_AT, minute=0, second=0, microsecond=0)
    return (opens if opens > local else opens + timedelta(days=1)).astimezone(UTC)


def announced_for(now: datetime, *, notice_days: int) -> datetime:
    """The earliest charge that can still be announced: ten in the morning in Beijing, so many whole days ahead and one
    to spare when today's hours may be over before the provider is reached."""
    local = now.astimezone(_BEIJING)
    spare = 0 if _MANDATES_OPEN_AT <= local.hour < DAY_ENDS else 1
    day = local + timedelta(days=notice_days + spare)
    return day.replace(hour=DAY_STARTS, minute=0, second=0, microsecond=0).astimezone(UTC)


def beijing_days_between(earlier: datetime, later: datetime) -> int:
    """How many midnights of Beijing lie between: the days that mandates are counted in."""
    return (later.astimezone(_BEIJING).date() - earlier.astimezone(_BEIJING).date()).days
