"""The hash chain over the books: stretches of time, sealed once no running transaction can still write into them."""

import hashlib
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction

from payments.ledger.models import LedgerSeal

SETTLE = timedelta(minutes=2)
"""Longer than a transaction may live (statement and idle timeouts are 30 s)."""
_GENESIS = bytes(32)
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)

_STRETCH = """
    SELECT t.id, p.business_type, p.business_id, p.phase, d.code, c.code, d.currency, t.amount_minor
    FROM payments_posting p
    JOIN payments_transfer t ON t.posting_id = p.id
    JOIN payments_ledgeraccount d ON d.id = t.debit_account_id
    JOIN payments_ledgeraccount c ON c.id = t.credit_account_id
    WHERE p.posted_at >= %s AND p.posted_at < %s
    ORDER BY t.id
"""


def seal_ledger() -> LedgerSeal | None:
    """Seal everything posted since the last seal and before ``now − SETTLE``; None when there is nothing new."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('payments.seal_ledger')), clock_timestamp()")
        until = cursor.fetchone()[1] - SETTLE
        last = LedgerSeal.objects.order_by("-id").first()
        start = last.sealed_until if last else _EPOCH
        previous = bytes(last.hash) if last else _GENESIS
        if until <= start:
            return None
        digest, count = _digest(previous, start=start, until=until)
        if not count:
            return None
        return LedgerSeal.objects.create(
            sealed_from=start, sealed_until=until, transfer_count=count, previous_hash=previous, hash=digest
        )


def broken_seals(*, newest: int | None = None) -> list[int]:
    """Ids of seals that no longer match the books or their predecessor; all seals, or the ``newest`` ones."""
    seals = list(LedgerSeal.objects.order_by("-id")[:newest])[::-1]
    broken: list[int] = []
    previous: LedgerSeal | None = None
    for seal in seals:
        digest, _ = _digest(bytes(seal.previous_hash), start=seal.sealed_from, until=seal.sealed_until)
        if digest != bytes(seal.hash) or not _follows(seal, previous, is_whole_chain=newest is None):
            broken.append(seal.id)
        previous = seal
    return broken


def _follows(seal: LedgerSeal, previous: LedgerSeal | None, *, is_whole_chain: bool) -> bool:
    if previous is None:
        return not is_whole_chain or bytes(seal.previous_hash) == _GENESIS
    return bytes(seal.previous_hash) == bytes(previous.hash) and seal.sealed_from == previous.sealed_until


def _digest(previous: bytes, *, start: datetime, until: datetime) -> tuple[bytes, int]:
    state = hashlib.sha256(previous)
    count = 0
    with connection.cursor() as cursor:
        cursor.execute(_STRETCH, [start, until])
        while rows := cursor.fetchmany(5000):
            for row in rows:
                state.update("|".join(map(str, row)).encode() + b"\n")
            count += len(rows)
    return state.digest(), count
