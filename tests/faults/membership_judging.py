"""What a run came to, in words that do not depend on when and by whom it was done; and what must hold of every run."""

import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import Min
from django.db.models.functions import Coalesce

from memberships.checks import run_all_checks
from memberships.models import Invoice, Period, RevenueSchedule, Subscription, SubscriptionChange
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.ledger.invariants import run_checks
from payments.orders.models import Payment
from tests.faults.membership_world import World

GRACE, LAST_ATTEMPT = timedelta(days=3), timedelta(days=7)
"""As the documents promise, whatever the settings say."""
LATE = timedelta(days=2)
"""Members are looked at once a day, and not charged at night."""
_BY_LUCK = ("past_due", "payment_failed")
"""A provider whose door is shut when it is first asked has done nothing: the attempt failed. When a worker died before,
and it may have been asked, it is asked again until it answers."""
_ID = re.compile(r"[a-z]{3}_[0-9a-z]{26}")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}
_BALANCES = """
    SELECT code, currency, sum(balance_minor)::bigint FROM payments_ledgeraccount GROUP BY code, currency
"""
Lives = dict[int, list[object]]
Books = dict[tuple[str, str], int]


def judge(world: World) -> None:
    broken = {what: found for what, found in findings(world).items() if found}
    assert not broken, "; ".join(f"{what}: {len(found)}, as {found[:3]}" for what, found in broken.items())


def findings(world: World) -> dict[str, list[Any]]:
    """By what is looked for; each must be empty."""
    return {
        "surprises": world.surprises,
        "double_charges": double_charges(world.sandbox),
        "periods_without_their_charge": periods_without_their_charge(world.sandbox),
        "provider_disagrees": list(provider_disagrees(world.sandbox)),
        "holes_and_overlaps": holes_and_overlaps(),
        "spans_sold_wrong": spans_sold_wrong(),
        "given_twice": given_twice(),
        "impatience": impatience(),
        "earned_wrong": earned_wrong(at=world.clock.at),
        "invariants": [*run_checks(), *run_all_checks()],
    }


def books_of() -> Books:
    """Balances by account and currency; the gateway account's id is left out of their names."""
    found: defaultdict[tuple[str, str], int] = defaultdict(int)
    with connection.cursor() as cursor:
        cursor.execute(_BALANCES)
        for code, currency, minor in cursor.fetchall():
            found[_ID.sub("*", code), currency] += minor
    return {key: minor for key, minor in found.items() if minor}


def lives_of(world: World) -> Lives:
    """By member: what they asked for and heard, and each subscription with all its periods and its history."""
    lives: Lives = {member.life.number: [member.log] for member in world.members}
    numbers = {member.user.id: member.life.number for member in world.members}
    periods: defaultdict[str, list[object]] = defaultdict(list)
    for period in Period.objects.select_related("invoice").order_by("subscription_id", "number"):
        periods[period.subscription_id].append(_words(period))
    history: defaultdict[str, Counter[str]] = defaultdict(Counter)
    changes = SubscriptionChange.objects.exclude(kind__in=_BY_LUCK)
    for subscription_id, kind in changes.values_list("subscription_id", "kind"):
        history[subscription_id]["renewed" if kind == "recovered" else kind] += 1
    for row in Subscription.objects.select_related("plan").order_by("created_at", "id"):
        terms = (row.status, row.end_reason, row.plan.code, row.quantity, row.credit_minor, row.currency)
        lives[numbers[row.user_id]].append((*map(str, terms), sorted(history[row.id].items()), periods[row.id]))
    return lives


def _words(period: Period) -> tuple[object, ...]:
    invoice = period.invoice
    money = (str(invoice.status), invoice.total_minor, invoice.credit_minor) if invoice else ()
    return (period.number, str(period.kind), str(period.status), period.starts_at, period.ends_at, *money)


def double_charges(sandbox: SandboxProvider) -> list[str]:
    """Orders that the provider took money for more than once."""
    with sandbox.book.transaction():
        rows = sandbox.book.rows("SELECT shop_order FROM txn WHERE taken > 0")
    times = Counter(order_id for (order_id,) in rows)
    return [order_id for order_id, count in times.items() if count > 1]


def periods_without_their_charge(sandbox: SandboxProvider) -> list[str]:
    """Paid periods for which the provider did not take exactly what their order asked for, once."""
    with sandbox.book.transaction():
        rows = sandbox.book.rows("SELECT shop_order, taken FROM txn WHERE taken > 0")
    taken: defaultdict[str, list[int]] = defaultdict(list)
    for order_id, minor in rows:
        taken[order_id].append(minor)
    paid = Period.objects.filter(status__in=["paid", "revoked"], invoice__order__isnull=False)
    orders = paid.values_list("id", "invoice__order_id", "invoice__order__amount_minor")
    return [period_id for period_id, order_id, minor in orders if taken[str(order_id)] != [minor]]


def provider_disagrees(sandbox: SandboxProvider) -> set[object]:
    """Payments whose money, taken or given back, is not what the provider's book says."""
    with sandbox.book.transaction():
        theirs = set(sandbox.book.rows("SELECT reference, taken, given_back FROM txn WHERE taken > 0"))
    ours = Payment.objects.filter(captured_minor__gt=0).values_list("id", "captured_minor", "refunded_minor")
    return {*map(tuple, theirs)} ^ {*ours}


def holes_and_overlaps() -> list[str]:
    """Periods that count and do not begin where the last one ended, but for a pause."""
    pauses: defaultdict[str, set[object]] = defaultdict(set)
    for row in Subscription.objects.filter(pauses__isnull=False).distinct().prefetch_related("pauses"):
        pauses[row.id] = {(pause.paused_at, pause.ended_at) for pause in row.pauses.all()}
    counting = Period.objects.filter(status__in=["open", "paid"]).order_by("subscription_id", "starts_at")
    return [
        f"{before.subscription_id} {before.number}-{after.number}"
        for before, after in pairwise(counting)
        if before.subscription_id == after.subscription_id
        and before.ends_at != after.starts_at
        and (before.ends_at, after.starts_at) not in pauses[before.subscription_id]
    ]


def spans_sold_wrong() -> list[str]:
    """Renewals whose span, as it was invoiced, is not an interval in the member's own calendar."""
    rows = Period.objects.filter(invoice__kind=Invoice.Kind.RENEWAL).select_related("subscription", "price", "invoice")
    spans = [
        (row, [datetime.fromisoformat(line[edge]) for edge in ("starts_at", "ends_at")])
        for row in rows.iterator()
        for line in (row.invoice.lines if row.invoice else ())
        if line["starts_at"] and line["ends_at"]
    ]
    return [f"{row.id} {first} {end}" for row, (first, end) in spans if not _is_whole(row, first, end)]


def _is_whole(period: Period, starts_at: datetime, ends_at: datetime) -> bool:
    price, zone = period.price, ZoneInfo(period.subscription.time_zone)
    if price is None:
        return False
    first, end = starts_at.astimezone(zone).date(), ends_at.astimezone(zone).date()
    if price.interval in _DAYS:
        return (end - first).days == _DAYS[price.interval] * price.interval_count
    months = (end.year - first.year) * 12 + end.month - first.month
    return months == _MONTHS[price.interval] * price.interval_count


def given_twice() -> list[str]:
    """Periods of which the history says more than once that they began."""
    rows = SubscriptionChange.objects.filter(kind__in=("renewed", "recovered")).values_list("details", flat=True)
    times = Counter(details["period"] for details in rows if "period" in details)
    return [period for period, count in times.items() if count > 1]


def impatience() -> list[str]:
    """Who was shut out before grace was over, or given up before the last attempt; or long after it."""
    paid = Period.objects.filter(status__in=["paid", "revoked"])
    first = paid.values("subscription_id").annotate(at=Min(Coalesce("invoice__paid_at", "starts_at")))
    member_since = {row["subscription_id"]: row["at"] for row in first}
    rows = SubscriptionChange.objects.filter(kind__in=("past_due", "suspended", "ended", "renewed", "recovered"))
    found = []
    for subscription_id, changes in groupby(
        rows.order_by("subscription_id", "id"), key=lambda change: change.subscription_id
    ):
        since: datetime | None = None
        for change in changes:
            if change.kind == "past_due":
                since = change.happened_at
            if since is None or change.kind in ("renewed", "recovered"):
                since = None
                continue
            was_member = since > member_since.get(subscription_id, since)
            if not _is_in_time(change, since=since, was_member=was_member):
                found.append(f"{subscription_id} {change.kind} {change.happened_at - since}")
    return found


def _is_in_time(change: SubscriptionChange, *, since: datetime, was_member: bool) -> bool:
    waited = change.happened_at - since
    if change.kind == "suspended" and was_member:
        return GRACE <= waited <= GRACE + LATE
    if change.kind == "ended" and change.details.get("reason") == "unpaid":
        return LAST_ATTEMPT <= waited <= LAST_ATTEMPT + LATE
    return True


def earned_wrong(*, at: datetime) -> list[str]:
    """Paid lines that have not become revenue by the second, until the last midnight before ``at``."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = RevenueSchedule.objects.filter(invoice__paid_at__lt=midnight, base_at__lt=midnight, is_held=False)
    found = []
    for row in rows:
        rest, passed, length = row.total_minor - row.base_minor, midnight - row.base_at, row.ends_at - row.base_at
        worth = row.total_minor if passed >= length else row.base_minor + rest * passed // length
        if row.recognised_minor != worth:
            found.append(f"{row.id} {row.recognised_minor} for {worth} of {row.total_minor}")
    return found
