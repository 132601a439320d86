"""What codes by SMS may cost: caps by number, address, prefix and country, a daily sum of money, and stops.

Attackers have codes sent to numbers that earn them money. The counters are rows: exact under concurrency, and as strict
with Redis stopped. A prefix is a number without its last four digits: such ranges are rented as blocks.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import phonenumbers
import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, Sum
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.alerts import raise_alert
from paycore.clock import database_now
from paycore.encryption import blind_index
from paycore.errors import PaycoreError
from paycore.notifications.models import SmsPause, SmsUsage
from paycore.throttling import address_block, parse_rate

HOUR, DAY = 3600, 86400
COMPLETION_WINDOW = timedelta(hours=2)
AUTOMATIC_PAUSE = timedelta(hours=24)
KEEP = timedelta(days=30)
_BLOCK_DIGITS = 4
_COUNTRY_ALARM_FACTOR = 5

log = structlog.get_logger(__name__)

# A row that already holds its cap is not updated, and nothing comes back.
_TAKE = """
    INSERT INTO paycore_smsusage AS seen (scope, key, window_seconds, starts_at, sent, verified, cost_minor)
    VALUES (%(scope)s, %(key)s, %(window)s,
            to_timestamp(floor(extract(epoch FROM clock_timestamp()) / %(window)s) * %(window)s), 1, 0, %(cost)s)
    ON CONFLICT (scope, key, window_seconds, starts_at) DO UPDATE
    SET sent = seen.sent + 1, cost_minor = seen.cost_minor + excluded.cost_minor
    WHERE CASE WHEN seen.scope = 'money' THEN seen.cost_minor + excluded.cost_minor ELSE seen.sent + 1 END <= %(cap)s
    RETURNING id
"""
_TYPED_IN = """
    INSERT INTO paycore_smsusage AS seen (scope, key, window_seconds, starts_at, sent, verified, cost_minor)
    VALUES (%(scope)s, %(key)s, 3600, date_trunc('hour', clock_timestamp()), 0, 1, 0)
    ON CONFLICT (scope, key, window_seconds, starts_at) DO UPDATE SET verified = seen.verified + 1
"""


class SmsLimitReached(PaycoreError):
    """This number or this caller has had its share."""

    code, http_status = "sms_limit_reached", 429
    title = _("Too many codes were sent to this number or from this address. Try again later.")


class SmsUnavailable(PaycoreError):
    """Stopped, or the prefix's, the country's or the day's share is used up."""

    code, http_status = "sms_unavailable", 503
    title = _("No codes are sent to this number at the moment. Use an e-mail address or try again later.")


@dataclass(frozen=True)
class _Cap:
    scope: str
    key: str
    window_seconds: int
    most: int
    cost_minor: int = 0


def reserve(*, phone: str, address: str) -> None:
    """Count one SMS to ``phone`` (E.164) asked for from ``address`` (an IP), or raise and count nothing."""
    _spend(phone, address=address, keep=True)


def pretend(*, phone: str, address: str) -> None:
    """As :func:`reserve` for a number nothing is sent to: the same answers, but only number and address are counted."""
    _spend(phone, address=address, keep=False)


def note_verified(*, phone: str) -> None:
    """Somebody typed in the code that ``phone`` got."""
    for scope, key in (("prefix", prefix_of(phone)), ("country", country_of(phone))):
        with connection.cursor() as cursor:
            cursor.execute(_TYPED_IN, {"scope": scope, "key": key})


def purge() -> int:
    """Forget windows that nobody asks about any more; how many."""
    return SmsUsage.objects.filter(starts_at__lt=Now() - KEEP).delete()[0]


def prefix_of(phone: str) -> str:
    return phone[:-_BLOCK_DIGITS]


def country_of(phone: str) -> str:
    """ISO 3166 code, ``001`` for numbers of no country."""
    return phonenumbers.region_code_for_number(phonenumbers.parse(phone)) or "001"


def cost_of(country: str) -> int:
    """One message, in the budget currency's smallest unit."""
    table = dict(entry.split("=", 1) for entry in settings.PAYCORE_SMS_COSTS)
    return int(table.get(country) or table["*"])


def _spend(phone: str, *, address: str, keep: bool) -> None:
    refuse_paused(phone)
    caps = _caps(phone, address=address)
    refused: _Cap | None = None
    with transaction.atomic():
        savepoint = transaction.savepoint()
        refused = next((cap for cap in caps if not _take(cap)), None)
        if refused or not keep:
            transaction.savepoint_rollback(savepoint)
        if refused is None and not keep:
            for cap in caps:
                if cap.scope in {"number", "address"}:
                    _take(cap)
    if refused is not None:
        _refuse(refused)
    if keep:
        _watch_completion(phone)


def _take(cap: _Cap) -> bool:
    if (cap.cost_minor if cap.scope == "money" else 1) > cap.most:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "scope": cap.scope,
                "key": cap.key,
                "window": cap.window_seconds,
                "cost": cap.cost_minor,
                "cap": cap.most,
            },
        )
        return cursor.fetchone() is not None


def _caps(phone: str, *, address: str) -> list[_Cap]:
    """In one order for everybody, the rows that many share last."""
    keys = {
        "number": blind_index(phone, context="sms.number").hex(),
        "address": blind_index(address_block(address), context="sms.address").hex(),
        "prefix": prefix_of(phone),
        "country": country_of(phone),
    }
    order = list(keys)
    caps = []
    for entry in settings.PAYCORE_SMS_CAPS:
        scope, _equals, text = entry.partition("=")
        rate = parse_rate(text)
        caps.append(_Cap(scope, keys[scope], rate.seconds, rate.requests))
    caps.sort(key=lambda cap: (order.index(cap.scope), cap.window_seconds))
    cost = cost_of(keys["country"])
    return [
        *caps,
        _Cap("money", settings.PAYCORE_SMS_BUDGET_CURRENCY, DAY, settings.PAYCORE_SMS_DAILY_BUDGET_MINOR, cost),
    ]


def _refuse(cap: _Cap) -> None:
    log.warning("sms_refused", scope=cap.scope, window_seconds=cap.window_seconds)
    now = database_now()
    wait_seconds = int(cap.window_seconds - now.timestamp() % cap.window_seconds) + 1
    if cap.scope in {"number", "address"}:
        raise SmsLimitReached(retry_after_seconds=wait_seconds)
    raise_alert(what=f"sms cap reached: {cap.scope}", object_id=cap.key, now=now)
    raise SmsUnavailable(retry_after_seconds=wait_seconds)


def refuse_paused(phone: str) -> None:
    """Raises :class:`SmsUnavailable` while the kill switch, the country or a beginning of the number is stopped."""
    beginnings = [phone[:length] for length in range(2, len(phone) + 1)]
    stops = SmsPause.objects.filter(target__in=[SmsPause.EVERYTHING, country_of(phone), *beginnings])
    if stops.filter(Q(until=None) | Q(until__gt=Now())).exists():
        raise SmsUnavailable


def _watch_completion(phone: str) -> None:
    """Pumped numbers never type their code in."""
    now = database_now()
    prefix, country = prefix_of(phone), country_of(phone)
    after = settings.PAYCORE_SMS_ALARM_AFTER
    if _is_suspicious("prefix", prefix, after=after, now=now):
        _pause_prefix(prefix, now=now)
        raise_alert(what="sms prefix stopped: codes are not typed in", object_id=prefix, now=now)
    if _is_suspicious("country", country, after=after * _COUNTRY_ALARM_FACTOR, now=now):
        raise_alert(what="sms codes are not typed in", object_id=country, now=now)


def _is_suspicious(scope: str, key: str, *, after: int, now: datetime) -> bool:
    rows = SmsUsage.objects.filter(
        scope=scope, key=key, window_seconds=HOUR, starts_at__gt=now - COMPLETION_WINDOW - timedelta(seconds=HOUR)
    )
    total: dict[str, Any] = rows.aggregate(sent=Sum("sent"), verified=Sum("verified"))
    sent, verified = total["sent"] or 0, total["verified"] or 0
    return sent > after and verified * 100 < settings.PAYCORE_SMS_ALARM_BELOW_PERCENT * sent


def _pause_prefix(prefix: str, *, now: datetime) -> None:
    """A person's own stop of the same prefix is left as it is."""
    SmsPause.objects.bulk_create(
        [
            SmsPause(
                target=prefix,
                reason="Codes were not typed in",
                is_automatic=True,
                until=now + AUTOMATIC_PAUSE,
            )
        ],
        ignore_conflicts=True,
    )
    SmsPause.objects.filter(target=prefix, is_automatic=True).update(until=now + AUTOMATIC_PAUSE)
