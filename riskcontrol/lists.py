"""Block, allow and watch lists: what may be on them, how it is written, and which lists an attempt is on."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import connection
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.encryption import blind_index
from paycore.errors import NotFound, PaycoreError
from paycore.fresh import Fresh
from riskcontrol.models import ListEntry, RiskList

Kind = ListEntry.Kind
_PLAIN = re.compile(r"[!-~]{1,128}\Z")
_ID = {Kind.USER: re.compile(r"usr_[0-9a-z]{26}\Z"), Kind.MERCHANT: re.compile(r"mer_[0-9a-z]{26}\Z")}
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}\Z")
_WIDEST = {4: 8, 6: 16}
"""The shortest prefix of a network on a list, by IP version."""
_FIND = """
    SELECT DISTINCT list.name, list.effect
    FROM unnest(%s::text[], %s::text[]) AS asked (kind, value)
    JOIN riskcontrol_listentry entry ON entry.value = asked.value AND entry.kind = asked.kind
        AND entry.removed_at IS NULL AND (entry.expires_at IS NULL OR entry.expires_at > clock_timestamp())
    JOIN riskcontrol_risklist list ON list.id = entry.risk_list_id AND list.is_active
    ORDER BY list.name
"""

_BLOCKED = """
    SELECT DISTINCT entry.value
    FROM riskcontrol_listentry entry JOIN riskcontrol_risklist list ON list.id = entry.risk_list_id
    WHERE entry.kind = %s AND entry.value = ANY(%s) AND entry.removed_at IS NULL AND list.is_active
        AND list.effect = 'block' AND (entry.expires_at IS NULL OR entry.expires_at > clock_timestamp())
"""


class InvalidListEntry(PaycoreError):
    code: ClassVar[str] = "invalid_list_entry"
    http_status: ClassVar[int] = 422
    title = _("This cannot be on a list.")


@dataclass(frozen=True, slots=True)
class Listed:
    """The active lists that an attempt is on."""

    names: tuple[str, ...] = ()
    blocking: tuple[str, ...] = ()
    allowing: tuple[str, ...] = ()


def canonical_value(kind: str, raw: str) -> str:
    """The one way a value is written: networks as CIDR, e-mail addresses as a keyed hash. Raises InvalidListEntry."""
    text = raw.strip()
    if kind == Kind.IP:
        return _canonical_network(text)
    if kind == Kind.EMAIL:
        if not _EMAIL.match(text):
            raise InvalidListEntry(_("Not an e-mail address."))
        return email_hash(text)
    if kind not in Kind.values:
        raise InvalidListEntry(_("There is no such kind of entry."))
    if not _ID.get(Kind(kind), _PLAIN).match(text):
        raise InvalidListEntry(_("Not an id of this kind."))
    return text


def _canonical_network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise InvalidListEntry(_("Not an IP address or network.")) from error
    if network.prefixlen < _WIDEST[network.version]:
        raise InvalidListEntry(_("The network is too wide: it would hold a good part of the world."))
    return str(network)


def email_hash(email: str) -> str:
    return blind_index(email.strip().lower(), context="riskcontrol.lists.email").hex()


def add_entry(
    *,
    risk_list: RiskList,
    kind: str,
    value: str,
    reason: str,
    added_by_id: str | None,
    expires_at: datetime | None = None,
) -> ListEntry:
    """Put ``value`` on a list. One that is there already is returned as it is, unless it has expired."""
    written = canonical_value(kind, value)
    present = ListEntry.objects.filter(risk_list=risk_list, kind=kind, value=written, removed_at__isnull=True)
    # An expired entry makes room; its row stays.
    present.filter(expires_at__lte=Now()).update(removed_at=Now(), removed_by_id=added_by_id)
    entry = ListEntry(
        risk_list=risk_list,
        kind=kind,
        value=written,
        reason=reason[:300],
        expires_at=expires_at,
        added_by_id=added_by_id,
    )
    ListEntry.objects.bulk_create([entry], ignore_conflicts=True)
    forget_lists()
    return present.get()


def remove_entry(entry_id: str, *, removed_by_id: str | None) -> None:
    """Take an entry off its list; the row and who did it stay. Twice is once."""
    entries = ListEntry.objects.filter(id=entry_id)
    removed = entries.filter(removed_at__isnull=True).update(removed_at=Now(), removed_by_id=removed_by_id)
    if not removed and not entries.exists():
        raise NotFound
    forget_lists()


def kinds_in_use() -> frozenset[str]:
    """Kinds of entries that some active list has: at most two seconds old. Nothing is looked up for the others."""
    return _kinds.get("all")


def find_lists(values: Iterable[tuple[str, str]]) -> Listed:
    """Which active lists have one of the (kind, value) pairs, canonically written, addresses as :func:`networks_of`."""
    pairs = list(values)
    if not pairs:
        return Listed()
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [[kind for kind, _value in pairs], [value for _kind, value in pairs]])
        rows: list[tuple[str, str]] = cursor.fetchall()
    return Listed(
        names=tuple(name for name, _effect in rows),
        blocking=tuple(name for name, effect in rows if effect == RiskList.Effect.BLOCK),
        allowing=tuple(name for name, effect in rows if effect == RiskList.Effect.ALLOW),
    )


def blocked_values(kind: str, values: Iterable[str]) -> frozenset[str]:
    """Which of these, canonically written, are on an active list that blocks: for charges that nobody asks for."""
    asked = list(values)
    if not asked or kind not in kinds_in_use():
        return frozenset()
    with connection.cursor() as cursor:
        cursor.execute(_BLOCKED, [kind, asked])
        return frozenset(value for (value,) in cursor.fetchall())


def networks_of(address: str) -> list[str]:
    """Every network that could be listed and holds ``address``; none when it is no address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return []
    return [str(ipaddress.ip_network((ip, length), strict=False)) for length in range(ip.max_prefixlen + 1)]


def _read_kinds(_key: str) -> frozenset[str]:
    entries = ListEntry.objects.filter(removed_at__isnull=True, risk_list__is_active=True)
    return frozenset(entries.order_by().values_list("kind", flat=True).distinct())


_kinds = Fresh(_read_kinds)


def forget_lists() -> None:
    """A list or an entry was changed in this process."""
    _kinds.forget()
