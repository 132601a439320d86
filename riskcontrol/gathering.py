"""From an attempt to facts: what it says itself, what PostgreSQL knows, and the counts. Only what somebody asks for."""

import hashlib
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from paycore import bell
from paycore.database import call_function
from paycore.money import Money
from paycore.quick_redis import RedisAway
from riskcontrol import lists, velocity
from riskcontrol.counting import count_in_journal
from riskcontrol.facts import COUNTERS, KNOWN_FACTS, LIST_FACTS
from riskcontrol.limits import Limit
from riskcontrol.models import ListEntry
from riskcontrol.rules import RuleSet

LONGEST_OPAQUE = 64
"""Longer device ids and keys of saved methods are kept as their SHA-256, which is as long."""
_WANTS = {
    "user_age_days": "age",
    "kyc_level": "age",
    "is_first_purchase": "first",
    "is_new_device": "device",
    "user_rating": "rating",
    "merchant_rating": "merchant_rating",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is to be assessed. ``subject_id`` is what it is about (opaque here); "" means unknown."""

    subject_id: str
    merchant_id: str
    amount: Money
    method: str
    user_id: str | None = None
    ip: str = ""
    device_id: str = ""
    payment_method_key: str = ""


@dataclass(slots=True)
class Gathered:
    """``facts`` lacks the counts while Redis is away."""

    attempt: Attempt
    facts: dict[str, Any]
    kyc_level: int | None = None
    listed: lists.Listed = field(default_factory=lists.Listed)
    network: str = ""


def gather(attempt: Attempt, *, rules: RuleSet, limits: tuple[Limit, ...]) -> Gathered:
    """Counts the attempt, and reads whatever rules, limits and lists need of it."""
    kinds = lists.kinds_in_use()
    attempt = _tamed(attempt)
    gathered = Gathered(attempt, _plain_facts(attempt), network=network_of(attempt.ip))
    known = _ask_database(attempt, rules=rules, limits=limits, with_email=ListEntry.Kind.EMAIL in kinds)
    if attempt.user_id is not None:
        gathered.kyc_level = known.get("kyc_level")
    if kinds:
        gathered.listed = lists.find_lists(_listable(attempt, kinds=kinds, email=known.get("email") or ""))
    if rules.needs & KNOWN_FACTS:
        gathered.facts |= _known_facts(attempt, known)
    if kinds or rules.needs & LIST_FACTS:
        gathered.facts |= _list_facts(gathered.listed)
    if rules.counter_kinds:
        gathered.facts |= _counts(attempt, rules=rules, network=gathered.network)
    return gathered


def _tamed(attempt: Attempt) -> Attempt:
    """What a stranger chose (an address, a device's id) as something that every store takes."""
    return replace(
        attempt,
        ip=_canonical_address(attempt.ip),
        device_id=_short(attempt.device_id),
        payment_method_key=_short(attempt.payment_method_key),
    )


def _canonical_address(text: str) -> str:
    """One address, one writing: ``::ffff:1.2.3.4`` is ``1.2.3.4``, and a zone (any text after %) makes it unknown."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if ip.version == 6 and ip.scope_id is not None:
        return ""
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def _short(text: str) -> str:
    is_plain = len(text) <= LONGEST_OPAQUE and text.isascii() and text.isprintable()
    return text if is_plain else hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def network_of(address: str) -> str:
    """What addresses are counted by: IPv4 alone, IPv6 by /64, for one customer owns that at least; "" if unknown."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))


def _plain_facts(attempt: Attempt) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "amount_minor": attempt.amount.minor,
        "currency": attempt.amount.currency,
        "method": attempt.method,
        "merchant_id": attempt.merchant_id,
        "user_id": attempt.user_id or "",
        "is_known_user": attempt.user_id is not None,
        "ip": attempt.ip,
        "device_id": attempt.device_id,
        "payment_method_key": attempt.payment_method_key,
        "hour_utc": now.hour,
        "weekday_utc": now.isoweekday(),
    }


def _ask_database(
    attempt: Attempt, *, rules: RuleSet, limits: tuple[Limit, ...], with_email: bool
) -> Mapping[str, Any]:
    wants = {_WANTS[name] for name in rules.needs & KNOWN_FACTS}
    if attempt.user_id is None:
        wants &= {"merchant_rating"}
    else:
        if any(limit.kyc_level is not None for limit in limits):
            wants.add("age")
        if with_email:
            wants.add("email")
    if not wants:
        return {}
    answer = call_function("riskcontrol_known", attempt.user_id, attempt.merchant_id, attempt.device_id, sorted(wants))
    known: dict[str, Any] = json.loads(answer) if isinstance(answer, str) else answer
    return known


def _known_facts(attempt: Attempt, known: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "user_age_days": known.get("age_days", 0),
        "kyc_level": known.get("kyc_level", 0),
        "user_rating": known.get("user_rating", 0),
        "merchant_rating": known.get("merchant_rating", 0),
        "is_first_purchase": known.get("is_first", attempt.user_id is None),
        "is_new_device": known.get("is_new_device", False),
    }


def _list_facts(listed: lists.Listed) -> dict[str, Any]:
    return {
        "lists": list(listed.names),
        "on_block_list": bool(listed.blocking),
        "on_allow_list": bool(listed.allowing),
    }


def _listable(attempt: Attempt, *, kinds: frozenset[str], email: str) -> list[tuple[str, str]]:
    pairs = [
        (ListEntry.Kind.USER, attempt.user_id or ""),
        (ListEntry.Kind.DEVICE, attempt.device_id),
        (ListEntry.Kind.PAYMENT_METHOD, attempt.payment_method_key),
        (ListEntry.Kind.MERCHANT, attempt.merchant_id),
        (ListEntry.Kind.EMAIL, lists.email_hash(email) if email else ""),
    ]
    if ListEntry.Kind.IP in kinds:
        pairs += [(ListEntry.Kind.IP, network) for network in lists.networks_of(attempt.ip)]
    return [(str(kind.value), value) for kind, value in pairs if value and kind in kinds]


def _counts(attempt: Attempt, *, rules: RuleSet, network: str) -> dict[str, int]:
    values = {
        "user": attempt.user_id or "",
        "ip": network,
        "device": attempt.device_id,
        "payment_method": attempt.payment_method_key,
        "merchant": attempt.merchant_id,
    }
    # Who is unknown has no past: a count of 0, which no sensible rule is about.
    counts = dict.fromkeys((name for name in rules.needs if name in COUNTERS), 0)
    counters = velocity.counters_for(rules.counter_kinds, values=values, currency=attempt.amount.currency)
    if not counters:
        return counts
    try:
        return counts | velocity.count(counters, amount_minor=attempt.amount.minor)
    except velocity.VelocityNotReady:
        bell.ring(velocity.REBUILD_BELL)
        return counts | count_in_journal(counters, amount_minor=attempt.amount.minor)
    except RedisAway:
        return {}
