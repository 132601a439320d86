"""What a mandate and its provider allow, beyond the amount: how often it may be charged, and after which announcement.
Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from memberships.models import ChargeNotice
from memberships.renewals.schedule import announced_for, beijing_days_between
from memberships.subscriptions.calendar import boundary
from payments.methods.models import Mandate

MANDATE_ZONE = "Asia/Shanghai"
"""Providers with agreed intervals count their days in Beijing."""
NOTICE_HOLDS_DAYS = 7
"""An announced charge may be made on so many days, counted from the first one that is allowed."""


def next_interval(mandate: Mandate, *, last_charged_at: datetime | None) -> datetime | None:
    """From when the mandate may be charged again: its intervals are counted from its first charge (or from when it was
    agreed), and one charge fits in each. None when it says nothing of that, or was never charged."""
    if not mandate.interval or last_charged_at is None:
        return None
    start = mandate.first_charge_at or mandate.accepted_at
    step = 0
    while True:
        step += 1
        opens = boundary(
            start, zone=MANDATE_ZONE, interval=mandate.interval, interval_count=mandate.interval_count, steps=step
        )
        if beijing_days_between(last_charged_at, opens) > 0:
            return _midnight(opens)


@dataclass(frozen=True, slots=True)
class Announcement:
    """``charge_from`` has come, or is to be waited for; with ``is_needed`` one must be written down for then first.
    ``is_refused``: the provider does not let this payer be charged."""

    charge_from: datetime
    is_needed: bool = False
    is_refused: bool = False


def announcement_for(
    notices: Sequence[ChargeNotice], *, amount_minor: int, notice_days: int, now: datetime
) -> Announcement:
    """What the announcements made so far, newest last, allow for a charge of ``amount_minor``."""
    fitting = [notice for notice in notices if notice.amount_minor == amount_minor and not _is_over(notice, now=now)]
    if not fitting:
        return Announcement(announced_for(now, notice_days=notice_days), is_needed=True)
    newest = fitting[-1]
    if newest.status == ChargeNotice.Status.REFUSED:
        return Announcement(newest.charge_at, is_refused=True)
    if newest.status == ChargeNotice.Status.DUE:
        return Announcement(max(newest.charge_at, now + timedelta(hours=1)))
    return Announcement(newest.charge_at)


def _is_over(notice: ChargeNotice, *, now: datetime) -> bool:
    return beijing_days_between(notice.charge_at, now) >= NOTICE_HOLDS_DAYS


def _midnight(moment: datetime) -> datetime:
    """Of its day in Beijing."""
    return moment - timedelta(seconds=(moment + timedelta(hours=8)).astimezone(UTC).timestamp() % 86_400)
