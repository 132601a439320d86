"""From what is known of a store purchase to the membership it gives: a subscription with its periods, or, beside
another membership, a grant.

Runs under the purchase's lock and changes only what differs, so that twice is once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction

from memberships.models import Plan, Store, StoreProduct, StorePurchase, StoreTransaction, Subscription
from memberships.stores.beside import (
    cut_grants,
    give_beside,
    open_conflict,
    open_unmapped,
    settle_cases,
    take_back_grants,
)
from memberships.stores.facts import Outcome, Patience, Span, lay_out, number_of, outcome_of, outcome_of_past
from memberships.stores.periods import write_periods
from memberships.subscriptions.recording import Why, lock_subscription, note_change, save_change
from memberships.transitions import SUBSCRIPTION

State = StorePurchase.State
Status = Subscription.Status

UNMAPPED_LOOKED_AT_EVERY = timedelta(hours=1)
_WRITTEN = (
    "plan_id",
    "anchor_at",
    "starts_at",
    "trial_ends_at",
    "period_number",
    "period_started_at",
    "period_ends_at",
    "cancel_at_period_end",
    "canceled_at",
    "grace_until",
    "past_due_since",
    "ended_at",
    "end_reason",
)


class _AnotherIsLive(Exception):
    """The user has a live membership beside this one."""


@dataclass(frozen=True)
class _Work:
    """What one projection is about."""

    purchase: StorePurchase
    rows: Mapping[str, StoreTransaction]
    plans: Mapping[str, Plan]
    now: datetime
    may_give_up: bool
    taken: set[str] = field(default_factory=set)
    """Subscriptions that a membership of this purchase has."""

    def plan_of(self, span: Span, *, instead: Plan) -> Plan:
        return self.plans.get(span.product_id, instead)

    def rows_of(self, membership: Sequence[Span]) -> list[StoreTransaction]:
        return [self.rows[span.transaction] for span in membership]


def project(purchase: StorePurchase, *, now: datetime, is_news: bool = True) -> None:
    """Bring the locked purchase's membership to what is known, and say when it must be looked at again. Without news
    a store's silence may end it."""
    rows = {row.transaction: row for row in purchase.transactions.select_related("grant").order_by("id")}
    take_back_grants(rows.values(), now=now)
    memberships = lay_out(map(Span.of, rows.values()), since=purchase.owned_since)
    cut_grants([(rows[span.transaction], span) for membership in memberships for span in membership], now=now)
    if purchase.user_id is None:
        purchase.state, purchase.next_attempt_at = State.UNCLAIMED, None
        purchase.product_id = memberships[-1][-1].product_id if memberships else ""
    elif not memberships:
        purchase.state, purchase.next_attempt_at = State.LINKED, None
    else:
        _project_owned(_Work(purchase, rows, _plans_of(purchase), now, may_give_up=not is_news), memberships)
    purchase.save()


def _plans_of(purchase: StorePurchase) -> dict[str, Plan]:
    products = StoreProduct.objects.filter(account_id=purchase.account_id).select_related("plan__tier")
    return {product.product_id: product.plan for product in products}


def _project_owned(work: _Work, memberships: Sequence[Sequence[Span]]) -> None:
    purchase, newest = work.purchase, memberships[-1]
    last = newest[-1]
    purchase.product_id = last.product_id
    plan = work.plans.get(last.product_id)
    if plan is None:
        purchase.state, purchase.next_attempt_at = State.UNMAPPED, work.now + UNMAPPED_LOOKED_AT_EVERY
        open_unmapped(purchase)
        return
    for past in memberships[:-1]:
        _write(work, past, outcome_of_past(past[-1]), plan=work.plan_of(past[-1], instead=plan))
    allowance = timedelta(hours=settings.PAYCORE_STORE_SILENCE_HOURS)
    is_asked = purchase.account.store == Store.GOOGLE_PLAY
    outcome = outcome_of(purchase, last, Patience(work.now, allowance, work.may_give_up, is_asked=is_asked))
    if outcome is None:
        purchase.state, purchase.next_attempt_at = State.LINKED, None
        return
    try:
        purchase.subscription = _write(work, newest, outcome, plan=plan)
    except _AnotherIsLive:
        purchase.state, purchase.subscription = State.CONFLICT, None
        give_beside(purchase, work.rows_of(newest), newest, plan=plan, now=work.now)
        open_conflict(purchase)
    else:
        purchase.state = State.LINKED
        settle_cases(purchase)
    later = [at for at in (outcome.look_again_at, last.starts_at) if at is not None and at > work.now]
    purchase.next_attempt_at = min(later, default=None)


def _write(work: _Work, membership: Sequence[Span], outcome: Outcome, *, plan: Plan) -> Subscription:
    found, own = _find(work, membership, outcome)
    subscription = found or Subscription(
        user_id=str(work.purchase.user_id),
        rail=work.purchase.account.store,
        store_reference=_name(work),
        time_zone="UTC",
    )
    was = subscription.status if found else ""
    before = _written(subscription)
    _fill(subscription, work, own, outcome, plan=plan)
    work.taken.add(subscription.id)
    target = _reachable(was, outcome.status)
    if found is None:
        subscription.status = target
        _insert(subscription)
    for row in work.rows_of(own):
        if row.subscription_id != subscription.id:
            row.subscription = subscription
            row.save(update_fields=["subscription"])
    plans = {span.transaction: work.plan_of(span, instead=plan) for span in own}
    are_periods_new = write_periods(subscription, own, plans=plans)
    why = Why(_kind(before, was, subscription, target), by=str(subscription.rail), now=work.now, details=_details(work))
    if found is None:
        note_change(subscription, why)
    elif target != was or before != _written(subscription) or are_periods_new:
        _save(subscription, why, was=was, target=target)
    return subscription


def _find(work: _Work, membership: Sequence[Span], outcome: Outcome) -> tuple[Subscription | None, Sequence[Span]]:
    """The subscription that these transactions made so far, locked, and those that are its own.

    An ended one is not revived: what goes on after it (a refund taken back) is a new one, with the newest span.
    """
    holder = {name: row.subscription_id for name, row in work.rows.items()}
    holders = {holder[name] for span in membership for name in (span.transaction, *span.stands_for)}
    locked = [lock_subscription(one) for one in sorted(one for one in holders if one)]
    mine = [one for one in locked if one.user_id == work.purchase.user_id and one.id not in work.taken]
    live = [one for one in mine if one.is_live]
    found = live[-1] if live else mine[-1] if mine and outcome.status == Status.ENDED else None
    if mine and found is None:
        return None, membership[-1:]
    others = {one.id for one in mine if one is not found}
    return found, [span for span in membership if holder[span.transaction] not in others]


def _name(work: _Work) -> str:
    """Unique a subscription; the store's own references are longer than the column, and Google's are bearer tokens."""
    made = Subscription.objects.filter(rail=work.purchase.account.store, store_reference__startswith=work.purchase.id)
    return f"{work.purchase.id}/{made.count() + 1}"


def _fill(subscription: Subscription, work: _Work, membership: Sequence[Span], outcome: Outcome, *, plan: Plan) -> None:
    last = membership[-1]
    # A renewal may be told of a day ahead: what is lived is still what was paid for before.
    lived = next((span for span in reversed(membership) if span.starts_at <= work.now), last)
    subscription.plan = work.plan_of(lived, instead=plan)
    subscription.anchor_at = subscription.starts_at = membership[0].starts_at
    subscription.trial_ends_at = next((span.ends_at for span in membership if span.is_trial), None)
    subscription.period_number = number_of(last.starts_at)
    subscription.period_started_at, subscription.period_ends_at = last.starts_at, last.ends_at
    if outcome.cancels != subscription.cancel_at_period_end and outcome.is_newest:
        subscription.cancel_at_period_end = outcome.cancels
        subscription.canceled_at = work.purchase.auto_renews_at if outcome.cancels else None
    subscription.grace_until = outcome.grace_until
    subscription.past_due_since = outcome.overdue_since
    subscription.ended_at, subscription.end_reason = outcome.ended_at, outcome.end_reason


def _insert(subscription: Subscription) -> None:
    try:
        with transaction.atomic():
            subscription.save(force_insert=True)
    except IntegrityError as error:
        if "subscription_one_live" in str(error):
            raise _AnotherIsLive from error
        raise


def _written(subscription: Subscription) -> tuple[object, ...]:
    return tuple(getattr(subscription, name) for name in _WRITTEN)


def _reachable(was: str, wanted: str) -> str:
    """A trial that is told of after it went on does not come back."""
    is_late_trial = wanted == Status.TRIALING and was not in (Status.TRIALING, Status.PAUSED)
    return Status.ACTIVE if is_late_trial else wanted


def _save(subscription: Subscription, why: Why, *, was: str, target: str) -> None:
    """In the table's own steps: where none leads straight there, over ``active``."""
    steps = [target] if target == was or SUBSCRIPTION.allows(was, target) else [Status.ACTIVE, target]
    ended_at, end_reason = subscription.ended_at, subscription.end_reason
    for step in steps[:-1]:
        subscription.status = step
        subscription.save(update_fields=["status"])
        was = step
    subscription.status = steps[-1]
    subscription.ended_at, subscription.end_reason = ended_at, end_reason
    save_change(subscription, why, was=was, fields=["status", *_WRITTEN])


_KINDS = {
    Status.ENDED: "ended",
    Status.PAST_DUE: "past_due",
    Status.SUSPENDED: "suspended",
    Status.PAUSED: "paused",
}
_HALTED = (Status.PAST_DUE, Status.SUSPENDED, Status.PAUSED)


def _kind(before: tuple[object, ...], was: str, subscription: Subscription, target: str) -> str:
    """The history's word for it."""
    if not was:
        return "started" if subscription.is_live else "recorded"
    if target != was and target in _KINDS:
        return _KINDS[Status(target)]
    if was in _HALTED and target != was:
        return "unpaused" if was == Status.PAUSED else "recovered"
    told = dict(zip(_WRITTEN, before, strict=True))
    if told["plan_id"] != subscription.plan_id:
        return "changed"
    if told["period_number"] != subscription.period_number:
        return "renewed"
    if told["cancel_at_period_end"] != subscription.cancel_at_period_end:
        return "canceled" if subscription.cancel_at_period_end else "resumed"
    return "corrected"


def _details(work: _Work) -> dict[str, str]:
    return {"store_purchase": work.purchase.id, "product": work.purchase.product_id}
