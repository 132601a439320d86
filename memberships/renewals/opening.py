"""Opening the next period of many subscriptions at once: what each one will be is decided here, in Python, and written
in as many statements for five hundred as for five.

The claim and what is written are one transaction. An order's id is derived from the subscription and the period, so
that the same period opened again, by a database that was restored to an hour ago, asks the provider for the same money.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from django.conf import settings
from django.db import Error, transaction
from django.db.models import Count, Max, Q

from accounts.models import User
from memberships.invoices.drafting import Discount, Draft
from memberships.invoices.issuing import INVOICE, invoice_row, order_draft, take_numbers
from memberships.models import Invoice, Period, Price, Subscription
from memberships.price_changes.services import effective_prices, note_applied
from memberships.renewals.claiming import PERIODS, Claimed, Span, lock_due
from memberships.renewals.next_period import NextPeriod, draft_of, next_period
from paycore.bulk import insert_rows, new_row, update_rows
from paycore.clock import database_now
from paycore.errors import PaycoreError
from paycore.identifiers import derived_id
from paycore.money import Money
from payments.orders.batches import create_orders
from payments.promotions.services import discounts_for_renewals, note_period

BATCH = 500
LOOK_AGAIN = timedelta(minutes=10)
"""When somebody else collects a period whose process died before it came to it."""
AFTER_CHANGE = timedelta(minutes=1)
AFTER_TROUBLE = timedelta(hours=1)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """``nows`` has every claimed subscription. ``to_collect`` have an open period; ``to_clear`` wait for a change that
    was never paid to be closed; ``broken`` could not be opened, and why."""

    nows: Mapping[str, datetime] = field(default_factory=dict)
    to_collect: tuple[str, ...] = ()
    to_clear: tuple[str, ...] = ()
    broken: tuple[Exception, ...] = ()


@dataclass(frozen=True, slots=True)
class _SoFar:
    last_number: int
    has_open: bool


@dataclass(frozen=True, slots=True)
class _Opening:
    period: NextPeriod
    draft: Draft
    invoice: Invoice
    order_id: str


class BatchRefused(Exception):
    """The database took nothing of a batch; ``nows`` has what was claimed."""

    def __init__(self, nows: Mapping[str, datetime]) -> None:
        self.nows = nows
        super().__init__(f"{len(nows)} refused: {', '.join([*nows][:3])}")


def open_due_periods(*, limit: int = BATCH, span: Span | None = None) -> Opened:
    """Open the next period of what is due, with its invoice and order. A batch that the database refuses is opened one
    by one, so that one bad row keeps nobody waiting."""
    try:
        return _open(limit=limit, span=span)
    except BatchRefused as refused:
        log.warning("batch_of_renewals_refused", error=type(refused.__cause__).__name__)
    return _open_each(limit=limit, span=span)


def _open_each(*, limit: int, span: Span | None) -> Opened:
    nows: dict[str, datetime] = {}
    to_collect: list[str] = []
    to_clear: list[str] = []
    broken: list[Exception] = []
    for _number in range(limit):
        try:
            opened = _open(limit=1, span=span)
        except BatchRefused as refused:
            broken.append(refused)
            _put_off(refused)
            continue
        if not opened.nows:
            break
        nows |= opened.nows
        to_collect += opened.to_collect
        to_clear += opened.to_clear
        broken += opened.broken
    return Opened(nows, tuple(to_collect), tuple(to_clear), tuple(broken))


def _put_off(refused: BatchRefused) -> None:
    """It would be the longest due for ever."""
    for subscription_id, now in refused.nows.items():
        rows = Subscription.objects.filter(id=subscription_id, due_at__lte=now)
        rows.update(due_at=now + AFTER_TROUBLE)


def _open(*, limit: int, span: Span | None) -> Opened:
    with transaction.atomic():
        claimed = lock_due(PERIODS, limit=limit, span=span)
        if not claimed.subscriptions:
            return Opened()
        try:
            return _open_claimed(claimed)
        except Error as error:
            raise BatchRefused(claimed.nows) from error


def _open_claimed(claimed: Claimed) -> Opened:
    ids = list(claimed.nows)
    known = _periods_so_far(ids)
    open_before = {one for one, periods in known.items() if periods.has_open}
    early = {row.id for row in claimed.subscriptions if not _is_over(row, now=claimed.nows[row.id])} - open_before
    changing = _with_open_change(ids) - open_before - early
    fresh = [row for row in claimed.subscriptions if row.id not in open_before | changing | early]
    openings, broken = _draft_all(fresh, claimed=claimed, known=known)
    is_open = open_before | {opening.period.subscription.id for opening in openings}
    _write(openings)
    for row in claimed.subscriptions:
        pause = _pause(row.id, is_open=is_open, changing=changing)
        row.due_at = row.period_ends_at if row.id in early else claimed.nows[row.id] + pause
    update_rows(claimed.subscriptions, fields=["due_at", "anchor_at", "credit_minor"])
    to_collect = tuple(one for one in ids if one in is_open)
    return Opened(claimed.nows, to_collect, tuple(changing), tuple(broken))


def _is_over(subscription: Subscription, *, now: datetime) -> bool:
    """``due_at`` only says when to look: a period is never opened before the one before it is over."""
    return subscription.period_ends_at is None or subscription.period_ends_at <= now


def _pause(subscription_id: str, *, is_open: set[str], changing: set[str]) -> timedelta:
    if subscription_id in is_open:
        return LOOK_AGAIN
    return AFTER_CHANGE if subscription_id in changing else AFTER_TROUBLE


def _periods_so_far(ids: Sequence[str]) -> dict[str, _SoFar]:
    """Also those that were voided: a number is used once."""
    rows = Period.objects.filter(subscription_id__in=ids).values("subscription_id")
    found = rows.annotate(last=Max("number"), open=Count("number", filter=Q(status=Period.Status.OPEN)))
    return {row["subscription_id"]: _SoFar(row["last"], bool(row["open"])) for row in found}


def _with_open_change(ids: Sequence[str]) -> set[str]:
    rows = Invoice.objects.filter(
        subscription_id__in=ids, kind=Invoice.Kind.CHANGE, status=Invoice.Status.OPEN
    ).values_list("subscription_id", flat=True)
    return {one for one in rows if one}


def _draft_all(
    rows: Sequence[Subscription], *, claimed: Claimed, known: Mapping[str, _SoFar]
) -> tuple[list[_Opening], list[Exception]]:
    """Everything that the drafts need is read for all of them first."""
    if not rows:
        return [], []
    prices = price_of_next(rows)
    languages = _languages(row.user_id for row in rows)
    periods: list[NextPeriod] = []
    broken: list[Exception] = []
    for row in rows:
        try:
            number = known[row.id].last_number + 1 if row.id in known else 1
            periods.append(next_period(row, number=number, prices=prices, language=languages[row.user_id]))
        except (PaycoreError, ValueError) as error:
            error.add_note(row.id)
            broken.append(error)
    discounts = discounts_of(periods)
    drafted: list[tuple[NextPeriod, Draft]] = []
    for period in periods:
        one = period.subscription.id
        try:
            drafted.append((period, draft_of(period, discount=discounts.get(one), now=claimed.nows[one])))
        except (PaycoreError, ValueError) as error:
            error.add_note(one)
            broken.append(error)
    return _invoices(drafted, nows=claimed.nows), broken


def price_of_next(rows: Sequence[Subscription]) -> dict[str, Price]:
    """What announced price changes say for the next period of each."""
    moments = {row.id: row.period_ends_at for row in rows if row.period_ends_at is not None}
    return effective_prices(list(moments), moments=moments)


def discounts_of(periods: Sequence[NextPeriod]) -> dict[str, Discount]:
    amounts = {period.subscription.id: Money(period.subtotal_minor, period.price.currency) for period in periods}
    bought = {period.subscription.id: (period.price.plan.code, period.price.interval) for period in periods}
    found = discounts_for_renewals(list(amounts), amounts=amounts, bought=bought)
    return {one: Discount(off, words, redemption) for one, (redemption, off, words) in found.items()}


def _languages(user_ids: Iterable[str]) -> dict[str, str]:
    return dict(User.objects.filter(id__in=list(user_ids)).values_list("id", "locale"))


def _invoices(drafted: Sequence[tuple[NextPeriod, Draft]], *, nows: Mapping[str, datetime]) -> list[_Opening]:
    numbers = _numbers(nows[period.subscription.id] for period, _draft in drafted)
    openings = []
    for period, draft in drafted:
        subscription = period.subscription
        now = nows[subscription.id]
        order_id = derived_id("ord", period.starts_at, subscription.id, period.number) if draft.due_minor else ""
        invoice = invoice_row(
            draft,
            number=numbers[now.astimezone(UTC).year].pop(0),
            kind=Invoice.Kind.RENEWAL,
            user_id=subscription.user_id,
            subscription_id=subscription.id,
            country=subscription.country,
            language=period.language,
            now=now,
            order_id=order_id or None,
        )
        openings.append(_Opening(period, draft, invoice, order_id))
    return openings


def _numbers(nows: Iterable[datetime]) -> dict[int, list[str]]:
    counts: defaultdict[int, int] = defaultdict(int)
    for now in nows:
        counts[now.astimezone(UTC).year] += 1
    return {year: take_numbers(INVOICE, year=year, count=count) for year, count in sorted(counts.items())}


def _write(openings: Sequence[_Opening]) -> None:
    """Orders, invoices, periods and what was used up of coupons, price changes and credit."""
    if not openings:
        return
    lifetime = settings.PAYCORE_RENEWAL_ORDER_DAYS * 24 * 3600
    drafts = [
        order_draft(opening.invoice, order_id=opening.order_id, lifetime_seconds=lifetime)
        for opening in openings
        if opening.order_id
    ]
    create_orders(drafts, now=database_now())
    insert_rows([opening.invoice for opening in openings])
    insert_rows([_period_row(opening) for opening in openings])
    redeemed = {
        line["redemption"]: Money(-line["amount_minor"], opening.draft.currency)
        for opening in openings
        for line in opening.draft.lines
        if line.get("redemption")
    }
    note_period(list(redeemed), amounts=redeemed)
    note_applied([opening.period.subscription.id for opening in openings if _has_new_price(opening)])
    for opening in openings:
        subscription, draft = opening.period.subscription, opening.draft
        subscription.anchor_at = opening.period.anchor_at
        subscription.credit_minor += draft.new_credit_minor - draft.credit_minor


def _has_new_price(opening: _Opening) -> bool:
    return opening.period.price.id != opening.period.subscription.price_id


def _period_row(opening: _Opening) -> Period:
    period = opening.period
    return new_row(
        Period,
        subscription_id=period.subscription.id,
        number=period.number,
        kind=Period.Kind.PAID,
        status=Period.Status.OPEN,
        plan_version_id=period.plan_version.id,
        price_id=period.price.id,
        quantity=period.quantity,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        invoice_id=opening.invoice.id,
    )
