"""What happens to money not earned yet when a membership's time is cut, stopped or moved.

Every function changes rows of one subscription under their locks and books nothing: what stays is still
``membership:deferred``, and the daily pass books what was earned. Calling one twice changes nothing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet

from memberships.invoices.schedules import earned, next_midnight
from memberships.models import Invoice, RevenueSchedule
from paycore.money import Money

_FIELDS = ("total_minor", "base_minor", "base_at", "ends_at", "is_held", "next_at")


@dataclass(frozen=True, slots=True)
class Returned:
    """What a refund took of one plan: not earned yet, and earned already (minor units)."""

    plan: str
    deferred_minor: int
    earned_minor: int


def hold_revenue(subscription_id: str, *, at: datetime) -> None:
    """A pause: what was not earned until ``at`` waits."""
    with transaction.atomic():
        for row in _unearned(subscription_id):
            if not row.is_held:
                _rebase(row, at=at, ends_at=at)
                row.is_held = True
                _save(row)


def release_revenue(subscription_id: str, *, starts_at: datetime, ends_at: datetime) -> None:
    """The pause is over: what waited is earned over the time that is given for it."""
    with transaction.atomic():
        for row in _unearned(subscription_id):
            if row.is_held:
                _spread(row, starts_at=starts_at, ends_at=ends_at)


def stop_revenue(subscription_id: str, *, at: datetime) -> None:
    """A membership ended at ``at`` before its time: what is not given back is earned then."""
    with transaction.atomic():
        for row in _unearned(subscription_id):
            row.is_held = False
            _rebase(row, at=at, ends_at=at)
            _save(row)


def begin_gift(invoice: Invoice, *, starts_at: datetime, ends_at: datetime) -> None:
    """It was redeemed: its price is earned over the time it gives."""
    with transaction.atomic():
        for row in _rows(RevenueSchedule.objects.filter(invoice=invoice, is_held=True)):
            _spread(row, starts_at=starts_at, ends_at=ends_at)


def forfeit_gift(invoice: Invoice, *, at: datetime) -> None:
    """It lapsed and is not given back: earned at ``at``."""
    begin_gift(invoice, starts_at=at, ends_at=at)


def take_unearned(subscription_id: str, *, at: datetime, amount: Money, but: Invoice) -> Money:
    """A change of plan at ``at`` gives ``amount`` (net of tax) of the unused time back, all of it in one currency.

    The schedules end at ``at`` and lose it; what they then still hold was earned, and what they did not have is
    answered. ``but`` is the invoice of the change: its own schedules are the new time.
    """
    rows = [row for row in _unearned(subscription_id) if row.currency == amount.currency and row.invoice_id != but.id]
    left = [row.total_minor - earned(row, at) for row in rows]
    taken = min(amount.minor, sum(left))
    shares = Money(taken, amount.currency).allocate(left) if taken else [Money.zero(amount.currency)] * len(rows)
    for row, share in zip(rows, shares, strict=True):
        _rebase(row, at=at, ends_at=at)
        row.is_held = False
        row.total_minor -= share.minor
        _save(row)
    return Money(amount.minor - taken, amount.currency)


def take_refunded(invoice: Invoice, *, amount: Money, at: datetime) -> list[Returned]:
    """A refund of ``amount`` (net of tax) of this invoice: it is taken from what is not earned yet, in the order of the
    lines, then from what the books have not got yet, then from revenue. Answers its parts; they sum to it."""
    rows = _rows(RevenueSchedule.objects.filter(invoice=invoice))
    taken = [0] * len(rows)
    rest = amount.minor
    for is_earned_too in (False, True):
        for index, row in enumerate(rows):
            share = min(rest, row.total_minor - (row.recognised_minor if is_earned_too else earned(row, at)))
            taken[index] += share
            rest -= share
            _shrink(row, share, at=at)
    revenue = _from_revenue(rows, rest, amount.currency)
    parts = [Returned(row.plan, net, part) for row, net, part in zip(rows, taken, revenue, strict=True)]
    if rest and not any(revenue):
        return [*parts, Returned("", 0, rest)]
    return [part for part in parts if part.deferred_minor or part.earned_minor]


def restore_refunded(invoice: Invoice, parts: Sequence[Returned], *, at: datetime, ends_at: datetime) -> int:
    """A credit note is void: what :func:`take_refunded` took is earned again. What had been earned is so at once, the
    rest until ``ends_at``, or until the schedule's own end where that is later; a gift's waits. Answers what no
    schedule could take (minor units): it was revenue, and is again."""
    rows = _rows(RevenueSchedule.objects.filter(invoice=invoice))
    if not rows:
        return sum(part.deferred_minor + part.earned_minor for part in parts)
    for part in parts:
        row = next((row for row in rows if row.plan == part.plan), rows[0])
        row.base_minor = earned(row, at) + part.earned_minor
        row.total_minor += part.deferred_minor + part.earned_minor
        row.base_at, row.ends_at = at, max(at, ends_at, row.ends_at)
        _save(row)
    return 0


def _from_revenue(rows: Sequence[RevenueSchedule], rest: int, currency: str) -> list[int]:
    weights = [row.recognised_minor for row in rows]
    if not rest or not sum(weights):
        return [0] * len(rows)
    return [share.minor for share in Money(rest, currency).allocate(weights)]


def _shrink(row: RevenueSchedule, share: int, *, at: datetime) -> None:
    if not share:
        return
    _rebase(row, at=at, ends_at=max(row.ends_at, at))
    row.total_minor -= share
    row.base_minor = min(row.base_minor, row.total_minor)
    _save(row)


def _rebase(row: RevenueSchedule, *, at: datetime, ends_at: datetime) -> None:
    """What is earned by ``at`` stays earned; the rest runs from there to ``ends_at``."""
    row.base_minor, row.base_at, row.ends_at = earned(row, at), max(at, row.base_at) if ends_at > at else at, ends_at


def _spread(row: RevenueSchedule, *, starts_at: datetime, ends_at: datetime) -> None:
    row.base_at, row.ends_at, row.is_held = starts_at, ends_at, False
    _save(row)


def _save(row: RevenueSchedule) -> None:
    is_done = row.recognised_minor == row.total_minor
    is_waiting = row.is_held and row.base_minor == row.recognised_minor
    row.next_at = None if is_done or is_waiting else next_midnight(max(row.looked_at, row.base_at))
    row.save(update_fields=_FIELDS)


def _unearned(subscription_id: str) -> list[RevenueSchedule]:
    rows = RevenueSchedule.objects.filter(subscription_id=subscription_id, recognised_minor__lt=F("total_minor"))
    return _rows(rows)


def _rows(rows: QuerySet[RevenueSchedule]) -> list[RevenueSchedule]:
    return list(rows.select_for_update(no_key=True).order_by("id"))
