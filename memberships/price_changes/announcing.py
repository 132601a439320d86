"""From the draft of a price change to its end. Who wrote it does not announce it.

Members are told in batches, in the order of their subscriptions' ids, each batch in a transaction of its own; a worker
that dies is followed by another one. Afterwards the change is looked at now and then until nobody's answer is open.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from memberships.models import Price, PriceChange
from memberships.models.price_changes import LEAST_NOTICE_DAYS, MOST_NOTICE_DAYS, default_notice_days
from memberships.price_changes.errors import (
    NoticeTooShort,
    PriceChangeIsYourOwn,
    PriceChangeNotDraft,
    PriceChangeOverlaps,
    PricesDoNotFit,
    PriceStillOnSale,
)
from memberships.price_changes.settling import close_moves, void_moves
from memberships.price_changes.telling import tell_next
from memberships.price_changes.touched import touched_by
from paycore.claims import claim_due
from paycore.errors import NotFound

SLICE_SECONDS = 4.0
LEASE = timedelta(seconds=30)
LOOK_AGAIN = timedelta(hours=1)
_OPEN = (PriceChange.Status.DRAFT, PriceChange.Status.ANNOUNCED)


@dataclass(frozen=True, slots=True)
class Draft:
    """``notice_days`` None: the company's usual notice."""

    from_price_id: str
    to_price_id: str
    created_by_id: str
    kind: str = PriceChange.Kind.NOTICE
    notice_days: int | None = None
    unanswered: str = PriceChange.Unanswered.KEEP
    note: str = ""


def create_change(draft: Draft) -> PriceChange:
    """A draft that touches nobody yet. Its terms never change: withdraw it and write another one.

    NotFound, PricesDoNotFit, NoticeTooShort, PriceStillOnSale, PriceChangeOverlaps.
    """
    notice_days = default_notice_days() if draft.notice_days is None else draft.notice_days
    if not LEAST_NOTICE_DAYS <= notice_days <= MOST_NOTICE_DAYS:
        raise NoticeTooShort
    try:
        with transaction.atomic():
            _check_prices(draft)
            return PriceChange.objects.create(
                from_price_id=draft.from_price_id,
                to_price_id=draft.to_price_id,
                kind=draft.kind,
                notice_days=notice_days,
                unanswered=draft.unanswered,
                note=draft.note,
                created_by_id=draft.created_by_id,
            )
    except IntegrityError as error:  # two were written in the same instant
        raise PriceChangeOverlaps from error


def announce(change_id: str, *, by_id: str) -> PriceChange:
    """From now on its members are told. NotFound, PriceChangeNotDraft, PriceChangeIsYourOwn, PriceStillOnSale."""
    with transaction.atomic():
        change = _locked(change_id)
        if change.status != PriceChange.Status.DRAFT:
            raise PriceChangeNotDraft
        if by_id == change.created_by_id:
            raise PriceChangeIsYourOwn
        if change.from_price.is_active:  # put on sale again since it was written
            raise PriceStillOnSale
        change.status, change.announced_by_id, change.announced_at = PriceChange.Status.ANNOUNCED, by_id, Now()
        change.touched, change.next_attempt_at = touched_by(change).count(), Now()
        change.save(update_fields=["status", "announced_by", "announced_at", "touched", "next_attempt_at"])
    change.refresh_from_db()
    return change


def withdraw(change_id: str) -> None:
    """Nobody else gets the new price; who pays it already goes on. Twice is once. NotFound, and PriceChangeNotDraft for
    one that is done."""
    with transaction.atomic():
        change = _locked(change_id)
        if change.status == PriceChange.Status.WITHDRAWN:
            return
        if change.status == PriceChange.Status.DONE:
            raise PriceChangeNotDraft
        change.status, change.ended_at, change.next_attempt_at = PriceChange.Status.WITHDRAWN, Now(), None
        change.save(update_fields=["status", "ended_at", "next_attempt_at"])
        void_moves(change)


def due_changes(*, limit: int) -> list[str]:
    return claim_due(PriceChange, lease=LEASE, limit=limit, condition="status = 'announced'")


def advance_change(
    change_id: str, *, seconds: float = SLICE_SECONDS, clock: Callable[[], float] = time.monotonic
) -> PriceChange:
    """Tell members for at most ``seconds``; once all are told, close what can be closed. Two at once take turns."""
    deadline = clock() + seconds
    while not _tell_batch(change_id) and clock() < deadline:
        pass
    change = PriceChange.objects.get(id=change_id)
    if change.status == PriceChange.Status.ANNOUNCED and change.written_at is not None:
        is_more = close_moves(change)
        _look_again(change_id, is_more=is_more)
        change.refresh_from_db()
    return change


def progress_percent(change: PriceChange) -> int:
    """Of the members that are told."""
    if change.written_at is not None or change.touched == 0:
        return 100
    return min(99, 100 * change.told // change.touched)


def _tell_batch(change_id: str) -> bool:
    """Whether there is nobody left to tell."""
    with transaction.atomic():
        change = _locked(change_id)
        if change.status != PriceChange.Status.ANNOUNCED or change.written_at is not None:
            return True
        told = tell_next(change)
        if told:
            change.told, change.cursor = change.told + len(told), told[-1]
        else:
            change.written_at = Now()
        change.next_attempt_at = Now()
        change.save(update_fields=["told", "cursor", "written_at", "next_attempt_at"])
    return not told


def _look_again(change_id: str, *, is_more: bool) -> None:
    with transaction.atomic():
        change = _locked(change_id)
        if change.status != PriceChange.Status.ANNOUNCED:
            return
        if change.moves.filter(_may_still_happen(change)).exists():
            change.next_attempt_at = Now() if is_more else Now() + LOOK_AGAIN
        else:
            change.status, change.ended_at, change.next_attempt_at = PriceChange.Status.DONE, Now(), None
        change.save(update_fields=["status", "ended_at", "next_attempt_at"])


def _may_still_happen(change: PriceChange) -> Q:
    """A refusal is the last word only where it keeps the old price."""
    keeps = change.kind == PriceChange.Kind.CONSENT and change.unanswered == PriceChange.Unanswered.KEEP
    return Q(status__in=["waiting", "agreed"] if keeps else ["waiting", "agreed", "refused"])


def _check_prices(draft: Draft) -> None:
    ids = {draft.from_price_id, draft.to_price_id}
    prices = {
        price.id: price for price in Price.objects.select_for_update(no_key=True).filter(id__in=ids).order_by("id")
    }
    if prices.keys() != ids:
        raise NotFound
    old, new = prices[draft.from_price_id], prices[draft.to_price_id]
    if old.id == new.id or _rhythm(old) != _rhythm(new):
        raise PricesDoNotFit
    if old.is_active:
        raise PriceStillOnSale
    others = PriceChange.objects.filter(status__in=_OPEN)
    if others.filter(Q(from_price__in=ids) | Q(to_price=old)).exists():
        raise PriceChangeOverlaps


def _rhythm(price: Price) -> tuple[str, str, str, int]:
    return price.plan_id, price.currency, price.interval, price.interval_count


def _locked(change_id: str) -> PriceChange:
    rows = PriceChange.objects.select_for_update(no_key=True, of=("self",)).select_related("from_price", "to_price")
    change = rows.filter(id=change_id).first()
    if change is None:
        raise NotFound
    return change
