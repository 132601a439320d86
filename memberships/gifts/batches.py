"""Codes that staff make, up to 100,000 at once, in the background; exported once."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Sum

from memberships.gifts.codes import derived_code, hash_code
from memberships.gifts.errors import BatchExported, BatchNotReady
from memberships.models import CodeBatch, Plan, RedeemCode
from paycore.claims import claim_due
from paycore.errors import NotFound

MOST_CODES = 100_000
LEASE = timedelta(seconds=60)
AT_ONCE = 5_000
_BATCHES_A_CALL = 4
Status = CodeBatch.Status


@dataclass(frozen=True, slots=True)
class BatchDraft:
    """Each code gives ``interval_count`` intervals of the plan, to ``uses_a_code`` people, once to each person."""

    name: str
    plan: Plan
    interval: str
    interval_count: int
    count: int
    expires_at: datetime
    uses_a_code: int = 1


def start_batch(draft: BatchDraft, *, by: str, now: datetime) -> CodeBatch:
    return CodeBatch.objects.create(
        name=draft.name,
        plan=draft.plan,
        interval=draft.interval,
        interval_count=draft.interval_count,
        count=draft.count,
        uses_a_code=draft.uses_a_code,
        expires_at=draft.expires_at,
        secret=secrets.token_hex(32),
        created_by=by,
        next_attempt_at=now,
    )


def due_batches(*, limit: int) -> list[str]:
    """Ids of batches that are not finished, leased so that workers share the work."""
    return claim_due(CodeBatch, lease=LEASE, limit=limit, condition="status = 'making'")


def make_codes(batch_id: str, *, now: datetime) -> None:
    """Some thousand codes more, each lot with the count in one transaction: who dies is taken over where they were."""
    for _lot in range(_BATCHES_A_CALL):
        with transaction.atomic():
            batch = _lock(batch_id)
            if batch.status != Status.MAKING:
                return
            numbers = range(batch.made, min(batch.count, batch.made + AT_ONCE))
            codes = [derived_code(batch.secret or "", number) for number in numbers]
            RedeemCode.objects.bulk_create(
                [
                    RedeemCode(batch=batch, digest=hash_code(code), last_four=code[-4:], uses_most=batch.uses_a_code)
                    for code in codes
                ]
            )
            batch.made += len(codes)
            if batch.made == batch.count:
                batch.status, batch.next_attempt_at = Status.READY, None
            else:
                batch.next_attempt_at = now
            batch.save(update_fields=["made", "status", "next_attempt_at"])


def export_codes(batch_id: str, *, by: str, now: datetime) -> list[str]:
    """Every code in plain text: the one time that they can be read. BatchNotReady, BatchExported."""
    with transaction.atomic():
        batch = _lock(batch_id)
        if batch.status != Status.READY:
            raise BatchNotReady(status=batch.status)
        if batch.exported_at is not None or batch.secret is None:
            raise BatchExported
        codes = [derived_code(batch.secret, number) for number in range(batch.count)]
        batch.secret, batch.exported_at, batch.exported_by = None, now, by
        batch.save(update_fields=["secret", "exported_at", "exported_by"])
    return codes


def void_batch(batch_id: str, *, now: datetime) -> CodeBatch:
    """None of its codes gives anything from now on; what was redeemed stays. Safe to repeat."""
    with transaction.atomic():
        batch = _lock(batch_id)
        if batch.status != Status.VOID:
            batch.status, batch.voided_at, batch.next_attempt_at, batch.secret = Status.VOID, now, None, None
            batch.save(update_fields=["status", "voided_at", "next_attempt_at", "secret"])
    return batch


def uses_of(batch: CodeBatch) -> int:
    """How often its codes were redeemed."""
    return RedeemCode.objects.filter(batch=batch).aggregate(uses=Sum("uses"))["uses"] or 0


def _lock(batch_id: str) -> CodeBatch:
    batch = CodeBatch.objects.select_for_update(no_key=True).filter(id=batch_id).first()
    if batch is None:
        raise NotFound
    return batch
