"""Another plan, price or number of seats: now, with the unused time set off, or with the next period."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from memberships.catalogue.known import newest_version, price_of
from memberships.invoices.drafting import Draft, draft_invoice
from memberships.invoices.issuing import issue_invoice
from memberships.invoices.tax import tax_for
from memberships.models import Invoice, Period, PlanChange, Price, Subscription
from memberships.subscriptions.change_codes import ChangePurchase, code_discounts, free_waiting_codes, take_code
from memberships.subscriptions.changes import QuotedChange, Running, Wanted, quote_change
from memberships.subscriptions.clearing import cancel_open_orders, credit_held, open_invoices, void_open_invoices
from memberships.subscriptions.due import next_due
from memberships.subscriptions.errors import NoPlannedChange, NothingChanges, QuoteExpired, RenewalUnderWay
from memberships.subscriptions.guarding import require_no_renewal, require_ours, require_status
from memberships.subscriptions.offers import may_try, price_for_sale, seats_wanted
from memberships.subscriptions.periods import cut_periods, next_number, put_behind
from memberships.subscriptions.pricing import end_of_period, lines_for_period
from memberships.subscriptions.queries import get_subscription
from memberships.subscriptions.recording import SYSTEM, Why, lock_subscription, save_change
from memberships.subscriptions.seat_room import require_room
from memberships.subscriptions.worth import PaidTime, time_left
from paycore.errors import PaycoreError
from paycore.money import CurrencyMismatch, Money
from payments.promotions.models import Redemption
from payments.promotions.services import free_days_of, settle_use

CHANGE = (Invoice.Kind.CHANGE,)
_PLANNABLE = ("scheduled", "trialing", "active")
_FIELDS = (
    "status", "plan", "price", "quantity", "next_price", "next_quantity", "anchor_at", "period_number",
    "period_started_at", "period_ends_at", "due_at", "notice_at", "credit_minor",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChangeWish:
    """``price_id`` empty: the same; ``quantity`` None: the same, or what another plan contains. ``quoted_at``: the
    second of a preview. ``promotion_code``: for a change that happens now."""

    price_id: str = ""
    quantity: int | None = None
    quoted_at: datetime | None = None
    promotion_code: str = ""


@dataclass(frozen=True, slots=True)
class ChangeQuote:
    """``draft`` is None when nothing is invoiced: a trial goes on as another plan's, a start ahead is rearranged.
    ``bought`` is what a promotion code of the change's is for."""

    wanted: Wanted
    draft: Draft | None
    effective_at: datetime
    ends_at: datetime
    anchor_at: datetime
    bought: ChangePurchase | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """``invoice`` is None when nothing was invoiced; an open one has to be paid before the change happens."""

    subscription: Subscription
    invoice: Invoice | None


def preview_change(subscription_id: str, wish: ChangeWish, *, user_id: str, now: datetime) -> ChangeQuote:
    """What :func:`change_now` would do, and its refusals. Changes nothing."""
    subscription = get_subscription(subscription_id, user_id=user_id)
    if not wish.promotion_code:
        return _quote_now(subscription, wish, now=now)
    with transaction.atomic():  # an earlier change that makes room holds a code, perhaps this one
        free_waiting_codes(subscription.id)
        quoted = _quote_now(subscription, wish, now=now)
        transaction.set_rollback(True)
    return quoted


def preview_at_period_end(subscription_id: str, wish: ChangeWish, *, user_id: str, now: datetime) -> ChangeQuote:
    """The next period as :func:`change_at_period_end` would make it, at today's tax and without coupons."""
    subscription = get_subscription(subscription_id, user_id=user_id)
    wanted = _wanted_later(subscription, wish)
    starts_at = subscription.period_ends_at or now
    anchor_at = subscription.anchor_at or starts_at
    price = wanted.price
    if subscription.price is None or not same_rhythm(price, subscription.price):
        anchor_at = starts_at
    ends_at = end_of_period(price, starts_at=starts_at, anchor_at=anchor_at, zone=subscription.time_zone)
    lines = lines_for_period(
        plan_version=wanted.version, price=price, quantity=wanted.quantity, starts_at=starts_at, ends_at=ends_at,
        language=subscription.user.locale, with_setup=subscription.status != Subscription.Status.ACTIVE,
    )  # fmt: skip
    tax = tax_for(subscription.country, on=starts_at.date(), is_inclusive=price.is_tax_inclusive)
    draft = draft_invoice(lines, tax=tax, credit=subscription.credit)
    return ChangeQuote(wanted, draft, starts_at, ends_at, anchor_at)


def change_now(subscription_id: str, wish: ChangeWish, *, user_id: str, why: Why) -> Changed:
    """Happens when its invoice is paid, as of the second of the quote; at once when nothing is due. An earlier change
    that was not paid makes room. Raises NothingChanges, RenewalUnderWay, QuoteExpired, SeatsInUse, PriceNotForSale,
    QuantityNotOffered, CurrencyMismatch, PaymentInProgress, what the state refuses and, of a promotion code, what
    :func:`memberships.subscriptions.change_codes.take_code` refuses: then nothing changes."""
    with transaction.atomic():
        plain = replace(wish, promotion_code="")  # an earlier change may still hold the code
        _quote_now(get_subscription(subscription_id, user_id=user_id), plain, now=why.now)
        cancel_open_orders(subscription_id, kinds=CHANGE)
        subscription = lock_subscription(subscription_id, user_id=user_id)
        quoted = _quote_now(subscription, plain, now=why.now)
        wanted = quoted.wanted
        require_room(subscription, quantity=wanted.quantity, included=wanted.version.seats_included, now=why.now)
        void_open_invoices(subscription, why, kinds=CHANGE)
        code_use = None
        if wish.promotion_code:
            quoted = _quote_now(subscription, wish, now=why.now)
            code_use = take_code(wish.promotion_code, _bought(quoted), now=why.now)
        if subscription.status == Subscription.Status.SCHEDULED:
            _rearrange(subscription, wanted, why)
            return Changed(subscription, None)
        if quoted.draft is None:
            _go_on_trying(subscription, wanted, why)
            return Changed(subscription, None)
        return _ask_for_payment(subscription, quoted, quoted.draft, why, code_use=code_use)


def apply_paid_change(invoice: Invoice, *, now: datetime) -> bool:
    """The change that a paid ``change`` invoice was for happens, once. False when it cannot any more (the membership
    ended, was paused or renewed meanwhile): the money must go back."""
    subscription = lock_subscription(str(invoice.subscription_id))
    change = PlanChange.objects.select_related("period").get(invoice=invoice)
    if change.applied_at is not None:
        return True
    if not _can_apply(subscription, change):
        return False
    _apply(subscription, change, Why("changed", SYSTEM, now, details={"invoice": invoice.id}))
    return True


def change_at_period_end(subscription_id: str, wish: ChangeWish, *, user_id: str, why: Why) -> Subscription:
    """The next period has another price or other seats; nothing is charged now. NothingChanges and the other refusals
    of :func:`change_now`."""
    with transaction.atomic():
        subscription = lock_subscription(subscription_id, user_id=user_id)
        wanted = _wanted_later(subscription, wish)
        require_no_renewal(subscription)
        require_room(subscription, quantity=wanted.quantity, included=wanted.version.seats_included, now=why.now)
        subscription.next_price = wanted.price if wanted.price.id != subscription.price_id else None
        subscription.next_quantity = wanted.quantity if wanted.quantity != subscription.quantity else None
        save_change(subscription, why, was=subscription.status, fields=("next_price", "next_quantity"))
    return subscription


def undo_planned_change(subscription_id: str, *, user_id: str, why: Why) -> Subscription:
    with transaction.atomic():
        subscription = lock_subscription(subscription_id, user_id=user_id)
        require_ours(subscription)
        require_status(subscription, *_PLANNABLE)
        if subscription.next_price_id is None and subscription.next_quantity is None:
            raise NoPlannedChange
        subscription.next_price = subscription.next_quantity = None
        save_change(subscription, why, was=subscription.status, fields=("next_price", "next_quantity"))
    return subscription


def same_rhythm(one: Price, other: Price) -> bool:
    return (one.interval, one.interval_count) == (other.interval, other.interval_count)


def _wanted(subscription: Subscription, wish: ChangeWish) -> Wanted:
    require_ours(subscription)
    require_status(subscription, *_PLANNABLE)
    present = price_of(str(subscription.price_id))
    price = present if wish.price_id in ("", present.id) else price_for_sale(wish.price_id)
    if price.currency != subscription.currency:
        raise CurrencyMismatch(left=subscription.currency, right=price.currency)
    version = newest_version(price.plan_id)
    quantity = wish.quantity
    if quantity is None and price.plan_id == subscription.plan_id:
        quantity = max(subscription.quantity, version.seats_included)
    return Wanted(price, version, seats_wanted(quantity, version=version))


def _wanted_later(subscription: Subscription, wish: ChangeWish) -> Wanted:
    wanted = _wanted(subscription, wish)
    planned = (subscription.next_price_id or subscription.price_id, subscription.next_quantity or subscription.quantity)
    if (wanted.price.id, wanted.quantity) == planned:
        raise NothingChanges
    return wanted


def _quote_now(subscription: Subscription, wish: ChangeWish, *, now: datetime) -> ChangeQuote:
    wanted = _wanted(subscription, wish)
    if (wanted.price.id, wanted.quantity) == (subscription.price_id, subscription.quantity):
        raise NothingChanges
    uncharged = ChangePurchase(subscription, wanted, (), now)
    if subscription.status == Subscription.Status.SCHEDULED:
        starts_at = subscription.starts_at or now
        code_discounts(wish.promotion_code, uncharged, now=now)
        ends_at = _first_end(subscription, wanted.price, starts_at)
        return ChangeQuote(wanted, None, starts_at, ends_at, starts_at, uncharged)
    require_no_renewal(subscription)
    at = _moment(subscription, wish.quoted_at, now=now)
    if subscription.status == Subscription.Status.TRIALING and _may_go_on_trying(subscription, wanted.price):
        code_discounts(wish.promotion_code, uncharged, now=now)
        ends_at = subscription.period_ends_at or at
        return ChangeQuote(wanted, None, at, ends_at, subscription.anchor_at or ends_at, uncharged)
    quoted = _quote(subscription, wanted, at=at)
    tax = tax_for(subscription.country, on=at.date(), is_inclusive=wanted.price.is_tax_inclusive)
    bought = ChangePurchase(subscription, wanted, quoted.lines, at)
    off = code_discounts(wish.promotion_code, bought, now=now)
    draft = draft_invoice(quoted.lines, tax=tax, discounts=off, credit=_credit_for_change(subscription))
    return ChangeQuote(wanted, draft, quoted.effective_at, quoted.ends_at, quoted.anchor_at, bought)


def _credit_for_change(subscription: Subscription) -> Money:
    """With what an earlier change that was not paid holds of it: that makes room."""
    held = sum(credit_held(invoice) for invoice in open_invoices(subscription.id, kinds=CHANGE))
    return subscription.credit + Money(held, subscription.currency)


def _bought(quoted: ChangeQuote) -> ChangePurchase:
    if quoted.bought is None:
        raise ValueError("a change at the period's end takes no code")
    return quoted.bought


def _quote(subscription: Subscription, wanted: Wanted, *, at: datetime) -> QuotedChange:
    times = time_left(subscription, at=at)
    if not times:  # the paid time is over this second: the renewal comes first
        raise RenewalUnderWay
    running = times[0].period
    is_first_paid = subscription.status == Subscription.Status.TRIALING
    present = Running(
        price=price_of(str(subscription.price_id)),
        anchor_at=subscription.anchor_at or running.ends_at,
        zone=subscription.time_zone,
        ends_at=running.ends_at if _keeps_end(times[0], subscription, wanted.price, at=at) else at,
        spans=[time.span for time in times if time.is_bought],
    )
    paid = Wanted(wanted.price, wanted.version, wanted.quantity, with_setup=is_first_paid)
    return quote_change(present, paid, at=at, language=subscription.user.locale)


def _keeps_end(running: PaidTime, subscription: Subscription, price: Price, *, at: datetime) -> bool:
    """Time that was given, and is longer than an interval, is not billed at once: it goes behind a new interval."""
    if running.is_bought or running.period.kind == Period.Kind.TRIAL:
        return running.is_bought
    return running.period.ends_at <= _first_end(subscription, price, at)


def _first_end(subscription: Subscription, price: Price, starts_at: datetime) -> datetime:
    return end_of_period(price, starts_at=starts_at, anchor_at=starts_at, zone=subscription.time_zone)


def _moment(subscription: Subscription, quoted_at: datetime | None, *, now: datetime) -> datetime:
    """The second of a preview, while it is fresh and the period that it was about still runs."""
    if quoted_at is None:
        return now
    since = now - timedelta(seconds=settings.PAYCORE_QUOTE_SECONDS)
    started = subscription.period_started_at
    if not since <= quoted_at <= now or (started is not None and quoted_at <= started):
        raise QuoteExpired
    return quoted_at


def _may_go_on_trying(subscription: Subscription, price: Price) -> bool:
    present = price_of(str(subscription.price_id))
    if not price.trial_days or _free_days(subscription, price) < free_days_of(subscription.id):
        return False
    return price.plan.tier_id == present.plan.tier_id or may_try(subscription.user_id, price)


def _free_days(subscription: Subscription, price: Price) -> int:
    """Of a code, which may not be for another plan."""
    return free_days_of(subscription.id, bought=(price.plan.code, price.interval))


def _rearrange(subscription: Subscription, wanted: Wanted, why: Why) -> None:
    """As if this had been asked for: with the trial of the other price that the member may have, and a code's days."""
    _take_terms(subscription, wanted.price, wanted.quantity)
    days = wanted.price.trial_days if may_try(subscription.user_id, wanted.price) else 0
    days += _free_days(subscription, wanted.price)
    begins_at = subscription.starts_at or why.now
    subscription.trial_ends_at = begins_at + timedelta(days=days) if days else None
    fields = ("plan", "price", "quantity", "next_price", "next_quantity", "trial_ends_at")
    save_change(subscription, why, was=subscription.status, fields=fields)


def _go_on_trying(subscription: Subscription, wanted: Wanted, why: Why) -> None:
    """The trial is the other plan's from now on, to the same end; time that was given stays behind it."""
    times = time_left(subscription, at=why.now)
    if not times:
        raise RenewalUnderWay
    running, behind = times[0], times[1:]
    cut_periods([running], at=why.now)
    period = Period.objects.create(
        subscription=subscription, number=next_number(subscription), kind=running.period.kind,
        status=Period.Status.PAID, plan_version=wanted.version, price=wanted.price, quantity=wanted.quantity,
        starts_at=why.now, ends_at=running.span.ends_at,
    )  # fmt: skip
    _take_terms(subscription, wanted.price, wanted.quantity)
    _stand_in(subscription, period)
    put_behind(subscription, (), stays=behind, at=why.now)
    subscription.due_at = next_due(subscription)
    save_change(subscription, why, was=subscription.status, fields=_FIELDS)


def _ask_for_payment(
    subscription: Subscription, quoted: ChangeQuote, draft: Draft, why: Why, *, code_use: Redemption | None
) -> Changed:
    invoice = issue_invoice(
        draft, kind=Invoice.Kind.CHANGE, user_id=subscription.user_id, subscription=subscription,
        country=subscription.country, language=subscription.user.locale, now=why.now,
    )  # fmt: skip
    subscription.credit_minor -= draft.credit_minor
    change = PlanChange.objects.create(
        subscription=subscription, period=time_left(subscription, at=quoted.effective_at)[0].period, invoice=invoice,
        plan_version=quoted.wanted.version, price=quoted.wanted.price, quantity=quoted.wanted.quantity,
        effective_at=quoted.effective_at, ends_at=quoted.ends_at, anchor_at=quoted.anchor_at,
        new_credit_minor=draft.new_credit_minor, code_use=code_use,
    )  # fmt: skip
    if invoice.status == Invoice.Status.PAID:
        _apply(subscription, change, why)
    else:
        asked = Why("change_asked", why.by, why.now, why.reason, why.details)
        save_change(subscription, asked, was=subscription.status, fields=("credit_minor",))
    return Changed(subscription, invoice)


def _can_apply(subscription: Subscription, change: PlanChange) -> bool:
    if subscription.status not in ("trialing", "active"):
        return False
    try:
        require_no_renewal(subscription)
    except PaycoreError:
        return False
    cut = change.period
    return cut.status == Period.Status.PAID and cut.ends_at > change.effective_at


def _apply(subscription: Subscription, change: PlanChange, why: Why) -> None:
    """The unused time that was bought is gone with its credit; time that was given is put behind the new period."""
    at = change.effective_at
    times = time_left(subscription, at=at)
    given = [time for time in times if not time.is_bought and time.period.kind == Period.Kind.BONUS]
    stays = [time for time in given if time.period.starts_at >= change.ends_at]
    cut_periods([time for time in times if time not in stays], at=at)
    period = Period.objects.create(
        subscription=subscription, number=next_number(subscription), kind=Period.Kind.PAID,
        status=Period.Status.PAID, plan_version_id=change.plan_version_id, price_id=change.price_id,
        quantity=change.quantity, starts_at=at, ends_at=change.ends_at, invoice_id=change.invoice_id,
    )  # fmt: skip
    was, subscription.status = subscription.status, Subscription.Status.ACTIVE
    _take_terms(subscription, price_of(change.price_id), change.quantity)
    subscription.anchor_at = change.anchor_at
    subscription.credit_minor += change.new_credit_minor
    _stand_in(subscription, period)
    put_behind(subscription, [time for time in given if time not in stays], stays=stays, at=at)
    subscription.due_at, subscription.notice_at = next_due(subscription), why.now
    change.applied_at = why.now
    change.save(update_fields=["applied_at"])
    if change.code_use_id:
        settle_use(change.code_use_id, is_paid=True)
    save_change(subscription, why, was=was, fields=_FIELDS)


def _take_terms(subscription: Subscription, price: Price, quantity: int) -> None:
    subscription.plan_id, subscription.price, subscription.quantity = price.plan_id, price, quantity
    subscription.next_price = subscription.next_quantity = None


def _stand_in(subscription: Subscription, period: Period) -> None:
    subscription.period_number = period.number
    subscription.period_started_at, subscription.period_ends_at = period.starts_at, period.ends_at
