"""Codes that staff make, up to 100,000 at once, in the background; exported once."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from memberships.gifts.codes import derived_code, hash_code
from memberships.gifts.errors import BatchExported, BatchIsYourOwn, BatchNotReady, BatchNotWaiting
from memberships.models import CodeBatch, Plan, RedeemCode
from paycore.code_batches import CodeMill, lock_batch

DAYS = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}
"""The longest that each interval can be."""
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
    """The worker makes its codes; above the limit, once another person agreed."""
    needs_second_person = may_cost_much(draft)
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
        needs_second_person=needs_second_person,
        status=Status.WAITING if needs_second_person else Status.MAKING,
        next_attempt_at=None if needs_second_person else now,
    )


def may_cost_much(draft: BatchDraft) -> bool:
    """By the limit of promotions that give free days: how many days there are in all."""
    days = DAYS[draft.interval] * draft.interval_count
    return days * draft.count * draft.uses_a_code > settings.PAYCORE_PROMOTION_SECOND_PERSON_ABOVE_DAYS


def approve_batch(batch_id: str, *, by: str, now: datetime) -> CodeBatch:
    """Its codes are made now. BatchIsYourOwn, BatchNotWaiting."""
    with transaction.atomic():
        batch = lock_batch(CodeBatch, batch_id)
        if batch.status != Status.WAITING:
            raise BatchNotWaiting(status=batch.status)
        if by == batch.created_by:
            raise BatchIsYourOwn
        batch.status, batch.next_attempt_at = Status.MAKING, now
        batch.approved_by, batch.approved_at = by, now
        batch.save(update_fields=["status", "next_attempt_at", "approved_by", "approved_at"])
    return batch


def _make_codes(batch: CodeBatch, numbers: range) -> int:
    codes = [derived_code(batch.secret or "", number) for number in numbers]
    RedeemCode.objects.bulk_create(
        [
            RedeemCode(batch=batch, digest=hash_code(code), last_four=code[-4:], uses_most=batch.uses_a_code)
            for code in codes
        ]
    )
    return len(codes)


MILL = CodeMill(CodeBatch, _make_codes)


def export_codes(batch_id: str, *, by: str, now: datetime) -> list[str]:
    """Every code in plain text: the one time that they can be read. BatchNotReady, BatchExported."""
    with transaction.atomic():
        batch = lock_batch(CodeBatch, batch_id)
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
        batch = lock_batch(CodeBatch, batch_id)
        if batch.status != Status.VOID:
            batch.status, batch.voided_at, batch.next_attempt_at, batch.secret = Status.VOID, now, None, None
            batch.save(update_fields=["status", "voided_at", "next_attempt_at", "secret"])
    return batch


def uses_of(batch: CodeBatch) -> int:
    """How often its codes were redeemed."""
    return RedeemCode.objects.filter(batch=batch).aggregate(uses=Sum("uses"))["uses"] or 0
