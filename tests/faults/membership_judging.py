"""What a run came to, in words that do not depend on when and by whom it was done; and what must hold of every run."""

import re
from collections import Counter, defaultdict
from itertools import pairwise

from django.db import connection

from memberships.models import Period, Subscription
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders.models import Payment
from tests.faults.membership_world import World

_ID = re.compile(r"[a-z]{3}_[0-9a-z]{26}")
_BALANCES = """
    SELECT code, currency, sum(balance_minor)::bigint FROM payments_ledgeraccount GROUP BY code, currency
"""
Lives = dict[int, list[object]]
Books = dict[tuple[str, str], int]


def books_of() -> Books:
    """Balances by account and currency; the gateway account's id is left out of their names."""
    found: defaultdict[tuple[str, str], int] = defaultdict(int)
    with connection.cursor() as cursor:
        cursor.execute(_BALANCES)
        for code, currency, minor in cursor.fetchall():
            found[_ID.sub("*", code), currency] += minor
    return {key: minor for key, minor in found.items() if minor}


def lives_of(world: World) -> Lives:
    """By member: what they asked for and heard, and each subscription with all its periods."""
    lives: Lives = {member.life.number: [member.log] for member in world.members}
    numbers = {member.user.id: member.life.number for member in world.members}
    for row in Subscription.objects.select_related("plan").order_by("created_at", "id"):
        periods = row.periods.select_related("invoice", "price").order_by("number")
        terms = (row.status, row.end_reason, row.plan.code, row.quantity, row.credit_minor, row.currency)
        lives[numbers[row.user_id]].append((*map(str, terms), [_words(period) for period in periods]))
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
    found = []
    for row in Subscription.objects.prefetch_related("pauses"):
        pauses = {(pause.paused_at, pause.ended_at) for pause in row.pauses.all()}
        counting = row.periods.filter(status__in=["open", "paid"])
        for before, after in pairwise(counting.order_by("starts_at")):
            if before.ends_at != after.starts_at and (before.ends_at, after.starts_at) not in pauses:
                found.append(f"{row.id} {before.number}-{after.number}")
    return found
