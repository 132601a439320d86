"""Becoming a member: at once, on trial, or later."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import translation

from accounts.models import User
from memberships.catalogue.known import newest_version
from memberships.invoices.drafting import ChargeLine, Discount, Draft, draft_invoice
from memberships.invoices.issuing import issue_invoice
from memberships.invoices.tax import tax_for
from memberships.models import Invoice, Period, PlanVersion, Price, Subscription
from memberships.subscriptions.clearing import cancel_open_orders, void_open_invoices
from memberships.subscriptions.collection import Collecting, method_for
from memberships.subscriptions.credit import credit_left, take_over_credit
from memberships.subscriptions.ending import end_subscription
from memberships.subscriptions.errors import (
    AlreadySubscribed,
    PriceNotForSale,
    StartNotPossible,
    SubscribedMeanwhile,
    SubscriptionNotEnded,
)
from memberships.subscriptions.offers import may_try, price_for_sale, seats_wanted
from memberships.subscriptions.pricing import end_of_period, lines_for_period
from memberships.subscriptions.queries import (
    get_subscription,
    has_paid_before,
    live_subscription,
    unfinished_subscription,
)
from memberships.subscriptions.rails import manage_url_of
from memberships.subscriptions.recording import SYSTEM, Why, lock_subscription, save_change
from memberships.subscriptions.settling_rows import MOVED_FIELDS, open_first_period
from merchants.queries import platform_merchant
from paycore.errors import NotFound
from paycore.money import Money
from payments.methods.queries import get_method
from payments.promotions.services import Purchase, quote, release, take, use

START = (Invoice.Kind.START,)
BY_LINK = Collecting()


@dataclass(frozen=True, slots=True)
class StartDraft:
    """``quantity`` None: the seats that the plan contains. ``starts_at`` None: now."""

    user: User
    price_id: str
    quantity: int | None = None
    country: str = ""
    time_zone: str = "UTC"
    starts_at: datetime | None = None
    promotion_code: str = ""
    collecting: Collecting = BY_LINK


@dataclass(frozen=True, slots=True)
class StartQuote:
    """``draft`` is the invoice of the first paid period, which begins at ``paid_from``; before that there is a trial
    when ``trial_ends_at`` is set, or nothing yet when ``starts_at`` is ahead."""

    price: Price
    version: PlanVersion
    quantity: int
    begins_at: datetime
    starts_at: datetime | None
    trial_ends_at: datetime | None
    paid_from: datetime
    ends_at: datetime
    draft: Draft

    @property
    def is_due_now(self) -> bool:
        return self.starts_at is None and self.trial_ends_at is None


@dataclass(frozen=True, slots=True)
class Started:
    """``invoice`` is None while nothing is to be paid."""

    subscription: Subscription
    invoice: Invoice | None


def preview_start(draft: StartDraft, *, now: datetime) -> StartQuote:
    """What :func:`subscribe` would do, and its refusals. Changes nothing."""
    _require_free(draft.user.id)
    unfinished = unfinished_subscription(draft.user.id)
    if unfinished is None or not draft.promotion_code:
        return _quote(draft, now=now)
    with transaction.atomic():  # the try that makes room holds a code, perhaps this one
        release(unfinished.id)
        quoted = _quote(draft, now=now)
        transaction.set_rollback(True)
    return quoted


def subscribe(draft: StartDraft, *, now: datetime) -> Started:
    """A trial, a membership for later, or one that waits for its order to be paid (active at once with nothing due).

    In one transaction. An unpaid earlier try is ended first; PaymentInProgress while it may still be paid. Raises
    AlreadySubscribed, SubscribedMeanwhile and what :func:`preview_start` raises.
    """
    with transaction.atomic():
        _require_free(draft.user.id)
        _end_unfinished(draft.user.id, now=now)
        quoted = _quote(draft, now=now)
        subscription = _create(draft, quoted, now=now)
        if draft.promotion_code:
            take(draft.promotion_code, _purchase(draft, quoted), subject_id=subscription.id, now=now)
        why = Why("subscribed", draft.user.id, now, details={"price": quoted.price.id, "seats": quoted.quantity})
        if quoted.starts_at is not None:
            return _schedule(subscription, quoted.starts_at, why)
        if quoted.trial_ends_at is not None:
            return _start_trial(subscription, quoted.trial_ends_at, replace(why, kind="trial_started"))
        return _ask_for_payment(subscription, quoted, why)


def reactivate(subscription_id: str, *, user: User, now: datetime) -> Started:
    """A new subscription on the terms of one that ended, at today's price of its plan and interval.

    SubscriptionNotEnded, PriceNotForSale, and what :func:`subscribe` raises."""
    return subscribe(draft_again(subscription_id, user=user), now=now)


def draft_again(subscription_id: str, *, user: User) -> StartDraft:
    old = get_subscription(subscription_id, user_id=user.id)
    if old.status != Subscription.Status.ENDED:
        raise SubscriptionNotEnded(status=str(old.status))
    if old.price is None:
        raise PriceNotForSale
    same_terms = Price.objects.filter(
        plan=old.price.plan_id, currency=old.currency, interval=old.price.interval,
        interval_count=old.price.interval_count, is_active=True,
    )  # fmt: skip
    price = same_terms.first()
    if price is None:
        raise PriceNotForSale
    return StartDraft(
        user, price.id, quantity=old.quantity, country=old.country, time_zone=old.time_zone,
        collecting=Collecting(old.collection if old.collection == "wallet" else "link"),
    )  # fmt: skip


def lapse(invoice: Invoice, *, now: datetime) -> None:
    """The order of a new membership ended unpaid: so does the membership. Safe to repeat."""
    subscription = lock_subscription(str(invoice.subscription_id))
    if subscription.status != Subscription.Status.INCOMPLETE:
        return
    why = Why("lapsed", SYSTEM, now)
    void_open_invoices(subscription, why)
    end_subscription(subscription, why, end_reason="lapsed", also_changed=["credit_minor"])


def begin_scheduled(subscription: Subscription, *, now: datetime) -> None:
    """The day that a locked, scheduled subscription was to begin has come: its trial begins, or its first period is due
    as any next one is (its ``period_ends_at`` is the start that was asked for)."""
    if subscription.trial_ends_at is not None:
        _start_trial(subscription, subscription.trial_ends_at, Why("trial_started", SYSTEM, now))
        return
    was, subscription.status = subscription.status, Subscription.Status.ACTIVE
    subscription.due_at = subscription.notice_at = now
    save_change(subscription, Why("started", SYSTEM, now), was=was, fields=("status", "due_at", "notice_at"))


def _require_free(user_id: str) -> None:
    live = live_subscription(user_id)
    if live is not None:
        raise AlreadySubscribed(subscription=live.id, sold_by=str(live.rail), manage_url=manage_url_of(live))


def _end_unfinished(user_id: str, *, now: datetime) -> None:
    """An earlier try that was never paid makes room for this one."""
    unfinished = Subscription.objects.filter(user_id=user_id, status=Subscription.Status.INCOMPLETE)
    for subscription_id in unfinished.values_list("id", flat=True):
        cancel_open_orders(subscription_id)
        subscription = lock_subscription(subscription_id)
        if subscription.status != Subscription.Status.INCOMPLETE:
            raise SubscribedMeanwhile
        why = Why("replaced", user_id, now)
        void_open_invoices(subscription, why)
        end_subscription(subscription, why, end_reason="replaced", also_changed=["credit_minor"])


def _quote(draft: StartDraft, *, now: datetime) -> StartQuote:
    price = price_for_sale(draft.price_id)
    version = _version_of(price)
    quantity = seats_wanted(draft.quantity, version=version)
    starts_at = _start_wanted(draft.starts_at, now=now)
    begins = starts_at or now
    promotion = None
    lines = _lines(price, version, quantity, begins, begins, language=draft.user.locale)
    if draft.promotion_code:
        with translation.override(draft.user.locale):
            promotion = quote(draft.promotion_code, _purchase_of(draft, price, lines), now=now)
    days = (price.trial_days if may_try(draft.user.id, price) else 0) + (promotion.free_days if promotion else 0)
    trial_ends_at = begins + timedelta(days=days) if days else None
    paid_from = trial_ends_at or begins
    ends_at = end_of_period(price, starts_at=paid_from, anchor_at=paid_from, zone=draft.time_zone)
    lines = _lines(price, version, quantity, paid_from, ends_at, language=draft.user.locale)
    tax = tax_for(draft.country, on=paid_from.date(), is_inclusive=price.is_tax_inclusive)
    off = [Discount(promotion.discount, promotion.description, promotion.promotion_code_id)] if promotion else []
    off = [discount for discount in off if discount.amount.is_positive]
    credit = credit_left(draft.user.id, currency=price.currency)
    method_for(draft.collecting, user_id=draft.user.id, amount=_sum(lines), first_charge_at=ends_at)
    return StartQuote(
        price, version, quantity, begins, starts_at, trial_ends_at, paid_from, ends_at,
        draft_invoice(lines, tax=tax, discounts=off, credit=credit),
    )  # fmt: skip


def _create(draft: StartDraft, quoted: StartQuote, *, now: datetime) -> Subscription:
    method = None
    if draft.collecting.method_id:
        method = get_method(draft.collecting.method_id, user_id=draft.user.id)
    lifetime = timedelta(seconds=settings.PAYCORE_ORDER_LIFETIME_SECONDS)
    subscription = Subscription(
        user=draft.user, plan_id=quoted.price.plan_id, price=quoted.price, quantity=quoted.quantity,
        currency=quoted.price.currency, country=draft.country, time_zone=draft.time_zone,
        starts_at=quoted.starts_at, trial_ends_at=quoted.trial_ends_at,
        collection=draft.collecting.collected_by, payment_method=method,
        credit_minor=take_over_credit(draft.user.id, currency=quoted.price.currency).minor,
        due_at=now + lifetime, created_at=now, updated_at=now,
    )  # fmt: skip
    try:
        with transaction.atomic():
            subscription.save(force_insert=True)
    except IntegrityError as error:
        if "subscription_one_" in str(error):
            raise SubscribedMeanwhile from error
        raise
    return subscription


def _schedule(subscription: Subscription, starts_at: datetime, why: Why) -> Started:
    was, subscription.status = subscription.status, Subscription.Status.SCHEDULED
    subscription.anchor_at = subscription.due_at = subscription.period_ends_at = starts_at
    subscription.period_started_at = why.now
    fields = ("status", "anchor_at", "due_at", "period_ends_at", "period_started_at")
    _save_as_live(subscription, replace(why, kind="scheduled"), was=was, fields=fields)
    return Started(subscription, None)


def _start_trial(subscription: Subscription, ends_at: datetime, why: Why) -> Started:
    period = Period.objects.create(
        subscription=subscription, number=1, kind=Period.Kind.TRIAL, status=Period.Status.PAID,
        plan_version=newest_version(subscription.plan_id), price_id=subscription.price_id,
        quantity=subscription.quantity, starts_at=subscription.starts_at or why.now, ends_at=ends_at,
    )  # fmt: skip
    was, subscription.status = subscription.status, Subscription.Status.TRIALING
    subscription.starts_at = subscription.starts_at or why.now
    subscription.anchor_at = subscription.due_at = ends_at
    subscription.period_number, subscription.notice_at = 1, why.now
    subscription.period_started_at, subscription.period_ends_at = period.starts_at, period.ends_at
    _save_as_live(subscription, why, was=was, fields=(*MOVED_FIELDS, "anchor_at", "starts_at", "notice_at"))
    return Started(subscription, None)


def _ask_for_payment(subscription: Subscription, quoted: StartQuote, why: Why) -> Started:
    invoice = issue_invoice(
        quoted.draft, kind=Invoice.Kind.START, user_id=subscription.user_id, subscription=subscription,
        country=subscription.country, language=subscription.user.locale, now=why.now,
    )  # fmt: skip
    subscription.credit_minor += quoted.draft.new_credit_minor - quoted.draft.credit_minor
    if invoice.status != Invoice.Status.PAID:
        save_change(subscription, why, was=subscription.status, fields=("credit_minor",))
        return Started(subscription, invoice)
    open_first_period(subscription, invoice, now=why.now)
    was, subscription.status = subscription.status, Subscription.Status.ACTIVE
    subscription.due_at, subscription.notice_at = subscription.period_ends_at, why.now
    fields = (*MOVED_FIELDS, "anchor_at", "starts_at", "notice_at", "credit_minor")
    _save_as_live(subscription, replace(why, kind="started"), was=was, fields=fields)
    use(subscription.id)
    return Started(subscription, invoice)


def _save_as_live(subscription: Subscription, why: Why, *, was: str, fields: tuple[str, ...]) -> None:
    """SubscribedMeanwhile when another one of the user's is live by now: a store's, say."""
    try:
        with transaction.atomic():
            save_change(subscription, why, was=was, fields=fields)
    except IntegrityError as error:
        if "subscription_one_live" in str(error):
            raise SubscribedMeanwhile from error
        raise


def _lines(
    price: Price, version: PlanVersion, quantity: int, starts_at: datetime, ends_at: datetime, *, language: str
) -> list[ChargeLine]:
    return lines_for_period(
        plan_version=version, price=price, quantity=quantity, starts_at=starts_at, ends_at=ends_at,
        language=language, with_setup=True,
    )  # fmt: skip


def _sum(lines: list[ChargeLine]) -> Money:
    return sum((line.amount for line in lines[1:]), lines[0].amount)


def _purchase(draft: StartDraft, quoted: StartQuote) -> Purchase:
    lines = _lines(
        quoted.price, quoted.version, quoted.quantity, quoted.paid_from, quoted.ends_at, language=draft.user.locale
    )
    return replace(_purchase_of(draft, quoted.price, lines), is_charged_later=not quoted.is_due_now)


def _purchase_of(draft: StartDraft, price: Price, lines: list[ChargeLine]) -> Purchase:
    return Purchase(
        user_id=draft.user.id, merchant_id=platform_merchant().id, amount=_sum(lines), kind="membership",
        plan=price.plan.code, price=price.id, interval=price.interval,
        is_first=not has_paid_before(draft.user.id), email=draft.user.email or "",
    )  # fmt: skip


def _version_of(price: Price) -> PlanVersion:
    try:
        return newest_version(price.plan_id)
    except NotFound as error:
        raise PriceNotForSale from error


def _start_wanted(starts_at: datetime | None, *, now: datetime) -> datetime | None:
    """None for at once. A start in the past is refused, not taken for now."""
    if starts_at is None:
        return None
    if not now < starts_at <= now + timedelta(days=settings.PAYCORE_START_MOST_DAYS_AHEAD):
        raise StartNotPossible
    return starts_at
