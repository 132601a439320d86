"""When the money of a paid invoice is earned, as rows. Pure."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from memberships.models import Invoice, RevenueSchedule
from paycore.bulk import new_row

DAY = timedelta(days=1)


def schedules_of(invoice: Invoice, *, now: datetime) -> list[RevenueSchedule]:
    """One for every line that is revenue: over the line's span, at once where it has none, held for a gift.

    A start begins when it is paid, and so does a period that was paid after it was over.
    """
    is_held = invoice.kind == Invoice.Kind.GIFT
    rows = []
    for index, line in enumerate(invoice.lines):
        if line["net_minor"] <= 0:
            continue
        starts_at, ends_at = (now, now) if is_held else _span(invoice, line, now=now)
        rows.append(
            new_row(
                RevenueSchedule,
                invoice_id=invoice.id,
                line=index,
                subscription_id=invoice.subscription_id,
                user_id=invoice.user_id,
                plan=line["plan"],
                currency=invoice.currency,
                total_minor=line["net_minor"],
                base_at=starts_at,
                ends_at=ends_at,
                is_held=is_held,
                looked_at=now,
                next_at=None if is_held else next_midnight(max(now, starts_at)),
            )
        )
    return rows


def next_midnight(moment: datetime) -> datetime:
    """The first midnight (UTC) after ``moment``."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + DAY


def month_of(moment: datetime) -> date:
    """The month whose revenue it is (UTC), by its first day."""
    return moment.astimezone(UTC).date().replace(day=1)


def earned(row: RevenueSchedule, at: datetime) -> int:
    """What of it is earned at ``at``, and never less than is in the books; as ``memberships_earned`` in recognise.sql
    computes it."""
    return max(row.recognised_minor, _earned(row, at))


def _earned(row: RevenueSchedule, at: datetime) -> int:
    if row.is_held or (at <= row.base_at and at < row.ends_at):
        return row.base_minor
    if at >= row.ends_at:
        return row.total_minor
    microsecond = timedelta(microseconds=1)
    rest, passed, length = row.total_minor - row.base_minor, at - row.base_at, row.ends_at - row.base_at
    return row.base_minor + rest * (passed // microsecond) // (length // microsecond)


def _span(invoice: Invoice, line: Mapping[str, Any], *, now: datetime) -> tuple[datetime, datetime]:
    if not line["starts_at"] or not line["ends_at"]:
        return now, now
    starts_at, ends_at = datetime.fromisoformat(line["starts_at"]), datetime.fromisoformat(line["ends_at"])
    if invoice.kind == Invoice.Kind.START or ends_at <= now:
        return now, now + (ends_at - starts_at)
    return starts_at, ends_at
