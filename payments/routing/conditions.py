"""What changes with every payment: how healthy accounts are and how much of their limits is left. Two seconds old at
most, and read with two queries."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from paycore import clock
from paycore.fresh import Fresh
from paycore.identifiers import earliest_id
from payments.gateways.failures import FailureKind, failure_of
from payments.routing.health import Breaker, Evidence, Health, Seen, Sighting, issuer_prior, judge, replay

NEWEST = 60
"""As many payments of an account and method are looked at."""
LOOKS_BACK = timedelta(hours=24)
UNANSWERED_AFTER = timedelta(seconds=settings.PAYCORE_GATEWAY_DEADLINE_SECONDS + 2)
"""A payment that is still being sent after that got no answer."""

_NEWEST = """
    SELECT account.id, wanted.method, payment.id, payment.status, payment.failure_code, payment.created_at,
        payment.updated_at
    FROM payments_gatewayaccount AS account
    CROSS JOIN LATERAL unnest(account.methods) AS wanted (method)
    CROSS JOIN LATERAL (
        SELECT id, status, failure_code, coalesce(held_until, created_at) AS created_at, updated_at
        FROM payments_payment
        WHERE gateway_account_id = account.id AND method = wanted.method AND id >= %s
        ORDER BY id DESC LIMIT %s
    ) AS payment
    WHERE account.is_enabled
    ORDER BY account.id, wanted.method, payment.id
"""
_USED = """
    SELECT quota.id, used.period_start, used.amount_minor, used.payments
    FROM payments_gatewayquota AS quota
    JOIN payments_gatewayaccount AS account ON account.id = quota.account_id
    JOIN payments_quotause AS used ON used.quota_id = quota.id
        AND used.period_start = routing_period_start(quota.period, account.time_zone, clock_timestamp())
"""
_OF_KIND = {FailureKind.TECHNICAL: Seen.TECHNICAL, FailureKind.ISSUER: Seen.ISSUER}


@dataclass(frozen=True, slots=True)
class Used:
    """What was taken of one limit in its running day or month."""

    period_start: date | None = None
    amount_minor: int = 0
    payments: int = 0


@dataclass(frozen=True)
class Conditions:
    """``unknown`` is the health, by method, of an account that has done nothing yet."""

    health: dict[tuple[str, str], Health] = field(default_factory=dict)
    unknown: dict[str, Health] = field(default_factory=dict)
    used: dict[str, Used] = field(default_factory=dict)
    digest: str = ""

    def of(self, account_id: str, method: str) -> Health:
        return self.health.get((account_id, method)) or self.unknown.get(method) or NOTHING_KNOWN


NOTHING_KNOWN = judge(Breaker(), Evidence(), prior=issuer_prior(()))
NOTHING_USED = Used()


def conditions() -> Conditions:
    return _conditions.get("all")


def sighting_of(
    status: str, failure_code: str, *, began_at: datetime, changed_at: datetime, now: datetime
) -> Sighting | None:
    """None: it says nothing (yet), or nothing about the account."""
    if status in ("succeeded", "authorized"):
        return Sighting(Seen.SUCCEEDED, began_at, began_at)
    if status == "failed":
        seen = _OF_KIND.get(failure_of(failure_code).kind, Seen.ANSWERED)
        return Sighting(seen, began_at, min(changed_at, began_at + timedelta(minutes=1)))
    if status in ("requires_action", "processing"):
        return Sighting(Seen.ANSWERED, began_at, began_at)
    if status == "submitting" and now - began_at > UNANSWERED_AFTER:
        return Sighting(Seen.TECHNICAL, began_at, began_at + UNANSWERED_AFTER)
    return None


def _read(_key: str) -> Conditions:
    now = clock.now()
    seen, newest, began = _sightings(now)
    replayed = {
        where: replay(sightings, now=now, failures_to_open=settings.PAYCORE_ROUTING_FAILURES_TO_OPEN)
        for where, sightings in seen.items()
    }
    by_method: defaultdict[str, list[Evidence]] = defaultdict(list)
    for (_account, method), (_breaker, evidence) in replayed.items():
        by_method[method].append(evidence)
    priors = {method: issuer_prior(known) for method, known in by_method.items()}
    health = {
        where: judge(
            breaker,
            evidence,
            prior=priors[where[1]],
            newest_payment=newest[where],
            went_elsewhere=_went_elsewhere(breaker, where, began),
        )
        for where, (breaker, evidence) in replayed.items()
    }
    unknown = {method: judge(Breaker(), Evidence(), prior=prior) for method, prior in priors.items()}
    used = _used()
    said = repr((sorted(health.items()), sorted(used.items())))
    return Conditions(health, unknown, used, hashlib.blake2b(said.encode(), digest_size=8).hexdigest())


def _went_elsewhere(breaker: Breaker, where: tuple[str, str], began: Mapping[tuple[str, str], list[datetime]]) -> int:
    """Payments by the same method at other accounts since the circuit opened."""
    if breaker.opened_at is None:
        return 0
    account_id, method = where
    others = (moments for (other, by), moments in began.items() if by == method and other != account_id)
    return sum(moment > breaker.opened_at for moments in others for moment in moments)


def _sightings(
    now: datetime,
) -> tuple[dict[tuple[str, str], list[Sighting]], dict[tuple[str, str], str], dict[tuple[str, str], list[datetime]]]:
    """By account and method: what was seen, the newest payment's id, and when payments began."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, [earliest_id("pay", now - LOOKS_BACK), NEWEST])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    seen: defaultdict[tuple[str, str], list[Sighting]] = defaultdict(list)
    newest: dict[tuple[str, str], str] = {}
    began: defaultdict[tuple[str, str], list[datetime]] = defaultdict(list)
    for account_id, method, payment_id, status, failure_code, began_at, changed_at in rows:
        newest[account_id, method] = payment_id
        began[account_id, method].append(began_at)
        sighting = sighting_of(status, failure_code, began_at=began_at, changed_at=changed_at, now=now)
        kept = seen[account_id, method]
        if sighting is not None:
            kept.append(sighting)
    return seen, newest, began


def _used() -> dict[str, Used]:
    with connection.cursor() as cursor:
        cursor.execute(_USED)
        return {quota_id: Used(start, minor, count) for quota_id, start, minor, count in cursor.fetchall()}


_conditions = Fresh(_read)


def forget_conditions() -> None:
    """A test made the past."""
    _conditions.forget()
