"""What members are told before something happens: the end of a trial, a renewal that is far from the last one, a card
that expires first, the end of grace; and what providers must announce before a charge.

``notice_at`` is the queue: when somebody must next look. Whoever changes a subscription sets it to now; looking sends
what is due and sets it to what comes next. Each message has a key, so that looking twice tells once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.db import transaction

from accounts.models import User
from memberships.catalogue.known import plan_of, price_of
from memberships.models import Dunning, Price, Subscription
from memberships.renewals import telling
from memberships.renewals.claiming import Claimed, Span, lock_due
from memberships.renewals.collecting import write_announcement
from memberships.renewals.mandate_rules import MANDATE_ZONE, Announcement
from memberships.renewals.next_period import draft_of, next_period
from memberships.renewals.opening import discounts_of, price_of_next
from memberships.renewals.schedule import announced_for
from memberships.renewals.ways import notice_days_of
from memberships.subscriptions.calendar import day_of_notice, zone_of
from paycore.bulk import update_rows
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import Letter, notify_many
from payments.methods.models import PaymentMethod
from payments.methods.reminders import last_day_of

BATCH = 200
TRIAL_DAYS = (3, 1)
RENEWAL_DAYS = 7
CARD_DAYS = 7
_LONG = {"month": 3, "quarter": 1, "year": 1}
"""From how many intervals on a period is long enough to be forgotten: three months."""
ANY = "true"


@dataclass(frozen=True, slots=True)
class Notice:
    """``kind``: trial_ending, renews_soon, card_expiring, grace_ending, announce."""

    at: datetime
    kind: str
    days: int = 0


def next_notice(subscription: Subscription, price: Price | None, *, after: datetime) -> datetime | None:
    """When the member must next be told something."""
    ahead = [notice.at for notice in notices_of(subscription, price) if notice.at > after]
    return min(ahead, default=None)


def notices_of(subscription: Subscription, price: Price | None) -> list[Notice]:
    """Of the running period, whatever the time. Pure, but for the saved method that the row refers to."""
    if price is None or subscription.rail != Subscription.Rail.WEB:
        return []
    if subscription.status == Subscription.Status.PAST_DUE and subscription.grace_until is not None:
        return [Notice(_day(subscription, subscription.grace_until, days=1), "grace_ending", 1)]
    ends_at = subscription.period_ends_at
    is_running = subscription.status in (Subscription.Status.TRIALING, Subscription.Status.ACTIVE)
    if not is_running or ends_at is None or subscription.cancel_at_period_end:
        return []
    started_at = subscription.period_started_at or ends_at
    return [notice for notice in _before_renewal(subscription, price, ends_at) if notice.at >= started_at]


def send_due_notices(*, limit: int = BATCH, span: Span | None = None) -> int:
    """Look at those whose ``notice_at`` has come; how many."""
    with transaction.atomic():
        claimed = lock_due(ANY, limit=limit, span=span, queue="notice_at")
        if not claimed.subscriptions:
            return 0
        _send(claimed)
        for row in claimed.subscriptions:
            row.notice_at = next_notice(row, _price_of(row), after=claimed.nows[row.id])
        update_rows(claimed.subscriptions, fields=["notice_at"])
    return len(claimed.subscriptions)


def _before_renewal(subscription: Subscription, price: Price, ends_at: datetime) -> Iterator[Notice]:
    if subscription.status == Subscription.Status.TRIALING:
        for days in TRIAL_DAYS:
            yield Notice(_day(subscription, ends_at, days=days), "trial_ending", days)
    elif price.interval_count >= _LONG.get(price.interval, 10**6):
        yield Notice(_day(subscription, ends_at, days=RENEWAL_DAYS), "renews_soon", RENEWAL_DAYS)
    method = subscription.payment_method if subscription.collection == Subscription.Collection.METHOD else None
    if method is None or method.status != PaymentMethod.Status.ACTIVE:
        return
    if _expires_before(method, ends_at, zone=subscription.time_zone):
        yield Notice(_day(subscription, ends_at, days=CARD_DAYS), "card_expiring", CARD_DAYS)
    if days := notice_days_of(method):
        # A day more than the provider wants, should it be out of reach on the first.
        yield Notice(day_of_notice(ends_at, zone=MANDATE_ZONE, days_before=days + 1), "announce", days)


def _expires_before(method: PaymentMethod, moment: datetime, *, zone: str) -> bool:
    last_day = last_day_of(method)
    if last_day is None:
        return False
    return datetime.combine(last_day + timedelta(days=1), time(), tzinfo=zone_of(zone)) <= moment


def _day(subscription: Subscription, moment: datetime, *, days: int) -> datetime:
    return day_of_notice(moment, zone=subscription.time_zone, days_before=days)


def _price_of(subscription: Subscription) -> Price | None:
    return price_of(subscription.price_id) if subscription.price_id else None


def _send(claimed: Claimed) -> None:
    _load_methods(claimed.subscriptions)
    users = User.objects.in_bulk([row.user_id for row in claimed.subscriptions])
    due: list[tuple[Subscription, Notice]] = []
    for row in claimed.subscriptions:
        row.user = users[row.user_id]
        due += [(row, notice) for notice in _due(row, now=claimed.nows[row.id])]
    amounts = _amounts([row for row, notice in due if notice.kind != "grace_ending"], nows=claimed.nows)
    letters = []
    for row, notice in due:
        now = claimed.nows[row.id]
        if notice.kind == "grace_ending":
            _tell_of_grace(row, now=now)
        elif notice.kind == "announce":
            _announce(row, notice, amount_minor=amounts.get(row.id, 0), now=now)
        else:
            letters.append(_letter(row, notice, amount_minor=amounts.get(row.id, 0)))
    if letters:
        notify_many(letters)


def _due(subscription: Subscription, *, now: datetime) -> list[Notice]:
    """Of each kind only the newest that has come: nobody is told "in three days" the day before."""
    newest: dict[str, Notice] = {}
    ends_at = subscription.grace_until if subscription.status == "past_due" else subscription.period_ends_at
    for notice in sorted(notices_of(subscription, _price_of(subscription)), key=lambda one: one.at):
        if notice.at <= now and ends_at is not None and now < ends_at:
            newest[notice.kind] = notice
    return list(newest.values())


def _load_methods(rows: Sequence[Subscription]) -> None:
    """One query for all, instead of one for each."""
    methods = PaymentMethod.objects.in_bulk([row.payment_method_id for row in rows if row.payment_method_id])
    for row in rows:
        row.payment_method = methods.get(row.payment_method_id) if row.payment_method_id else None


def _amounts(rows: Sequence[Subscription], *, nows: Mapping[str, datetime]) -> dict[str, int]:
    """What the next period will ask for, as it looks today."""
    if not rows:
        return {}
    prices = price_of_next(rows)
    periods = [
        next_period(row, number=row.period_number + 1, prices=prices, language=row.user.locale)
        for row in {row.id: row for row in rows}.values()
    ]
    discounts = discounts_of(periods)
    return {
        one.subscription.id: draft_of(
            one, discount=discounts.get(one.subscription.id), now=nows[one.subscription.id]
        ).due_minor
        for one in periods
    }


def _tell_of_grace(subscription: Subscription, *, now: datetime) -> None:
    rows = Dunning.objects.filter(subscription=subscription, status=Dunning.Status.OPEN)
    dunning = rows.select_related("invoice__order").first()
    if dunning is not None:
        telling.tell_of_grace(subscription, dunning, now=now)


def _announce(subscription: Subscription, notice: Notice, *, amount_minor: int, now: datetime) -> None:
    if not amount_minor or subscription.period_ends_at is None or subscription.payment_method_id is None:
        return
    charge_from = max(announced_for(now, notice_days=notice.days), subscription.period_ends_at)
    write_announcement(
        subscription,
        method_id=subscription.payment_method_id,
        period_number=subscription.period_number + 1,
        amount_minor=amount_minor,
        announcement=Announcement(charge_from, is_needed=True),
    )


def _letter(subscription: Subscription, notice: Notice, *, amount_minor: int) -> Letter:
    method, ends_at = subscription.payment_method, subscription.period_ends_at
    facts: dict[str, str | int] = {
        "plan_name": plan_of(subscription.plan_id).name(subscription.user.locale),
        "amount_minor": amount_minor,
        "currency": subscription.currency,
        "collected": int(subscription.collection != Subscription.Collection.LINK),
    }
    if ends_at is not None:
        facts["trial_ends_at" if notice.kind == "trial_ending" else "renews_at"] = ends_at.isoformat()
    if notice.kind == "card_expiring" and method is not None:
        brand = method.brand.replace("_", " ").title()
        facts |= {"brand": brand, "last4": method.last4, "expiry": f"{method.expiry_month:02}/{method.expiry_year}"}
    key = f"membership_{notice.kind}:{subscription.id}:{subscription.period_number}:{notice.days}"
    return Letter(f"membership_{notice.kind}", Recipient(user_id=subscription.user_id), facts, key)
