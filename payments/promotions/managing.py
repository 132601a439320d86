"""Writing promotions, letting them go live, and their codes. Who wrote a big one does not activate it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from paycore import bell
from paycore.clock import database_now
from paycore.code_batches import MOST_CODES, CodeMill
from paycore.errors import Conflict, NotFound
from paycore.identifiers import new_id
from payments.bells import PROMOTION_CODES
from payments.promotions.codes import made_up_code, normal_code
from payments.promotions.errors import (
    PromotionCodeTaken,
    PromotionHasEnded,
    PromotionIsYourOwn,
    PromotionNotDraft,
    PromotionTermsInvalid,
)
from payments.promotions.models import CodeBatch, Promotion, PromotionCode
from payments.promotions.models.promotions import TERMS
from payments.promotions.terms import fingerprint_of, settle_terms, wrong_terms
from payments.promotions.transitions import PROMOTION

_WORDS = ("name", "title", "title_zh")
_WRITABLE = frozenset({*TERMS, *_WORDS}) - {"authors", "needs_second_person"}


def create_promotion(terms: Mapping[str, Any], *, merchant_id: str | None, author_id: str) -> Promotion:
    """A draft of the seller's (None: the platform's, for every merchant). PromotionTermsInvalid."""
    return save_draft(Promotion(merchant_id=merchant_id, **_writable(terms)), author_id=author_id)


def change_promotion(promotion_id: str, terms: Mapping[str, Any], *, author_id: str) -> Promotion:
    """Of a draft any terms, later the words alone. PromotionNotDraft, PromotionTermsInvalid."""
    with transaction.atomic():
        promotion = lock_promotion(promotion_id)
        for name, value in _writable(terms).items():
            setattr(promotion, name, value)
        if promotion.status == Promotion.Status.DRAFT:
            return save_draft(promotion, author_id=author_id)
        if set(terms) - set(_WORDS):
            raise PromotionNotDraft
        promotion.save(update_fields=list(_WORDS))
    return promotion


def save_draft(promotion: Promotion, *, author_id: str) -> Promotion:
    """Store a new or changed draft; whoever changed it is one of its authors."""
    settle_terms(promotion)
    if wrong := wrong_terms(promotion):
        field, text = next(iter(wrong.items()))
        raise PromotionTermsInvalid(text, field=field)
    promotion.authors = [author_id] if promotion._state.adding else _with(promotion.authors, author_id)
    promotion.save()
    return promotion


def activate_promotion(promotion_id: str, *, by_id: str, seen: str = "") -> Promotion:
    """From now on its codes work. ``seen`` is :func:`fingerprint_of` what that person looked at.

    PromotionIsYourOwn above the limit, PromotionHasEnded, Conflict when it was changed meanwhile.
    """
    with transaction.atomic():
        promotion = lock_promotion(promotion_id)
        if promotion.status == Promotion.Status.DRAFT:
            if seen and seen != fingerprint_of(promotion):
                raise Conflict
            settle_terms(promotion)  # the limit may have been lowered since
            if promotion.needs_second_person and by_id in promotion.authors:
                raise PromotionIsYourOwn
            promotion.activated_by, promotion.activated_at = by_id, database_now()
        _move(promotion, Promotion.Status.ACTIVE)
        promotion.save(update_fields=["status", "needs_second_person", "activated_by", "activated_at"])
    return promotion


def pause_promotion(promotion_id: str) -> Promotion:
    """Its codes give nothing until it is activated again; what was promised stays promised."""
    with transaction.atomic():
        promotion = lock_promotion(promotion_id)
        _move(promotion, Promotion.Status.PAUSED)
        promotion.save(update_fields=["status"])
    return promotion


def end_promotion(promotion_id: str) -> Promotion:
    """For good. Batches of codes still being made stop."""
    with transaction.atomic():
        promotion = lock_promotion(promotion_id)
        _move(promotion, Promotion.Status.ENDED)
        promotion.ended_at = database_now()
        promotion.save(update_fields=["status", "ended_at"])
        promotion.batches.filter(status=CodeBatch.Status.MAKING).update(
            status=CodeBatch.Status.STOPPED, next_attempt_at=None, finished_at=Now()
        )
    return promotion


def lock_promotion(promotion_id: str) -> Promotion:
    promotion = Promotion.objects.select_for_update(no_key=True).filter(id=promotion_id).first()
    if promotion is None:
        raise NotFound
    return promotion


@dataclass(frozen=True, slots=True)
class CodeDraft:
    """One code in the seller's own word. None: no limit but the promotion's."""

    code: str
    max_uses: int | None = None
    max_per_person: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class BatchDraft:
    """``count`` codes of ``prefix`` and ``length`` characters of chance, each good ``max_uses`` times (None: any)."""

    count: int
    requested_by: str
    prefix: str = ""
    length: int = 10
    max_uses: int | None = 1
    note: str = ""


def add_code(promotion_id: str, draft: CodeDraft) -> PromotionCode:
    """PromotionTermsInvalid for what is no code, PromotionCodeTaken, PromotionHasEnded."""
    plain = normal_code(draft.code)
    if not plain:
        raise PromotionTermsInvalid(field="code")
    try:
        with transaction.atomic():
            promotion = _open(promotion_id)
            return PromotionCode.objects.create(
                promotion=promotion,
                merchant_id=promotion.merchant_id,
                code=plain,
                max_uses=draft.max_uses,
                max_per_person=draft.max_per_person,
                expires_at=draft.expires_at,
            )
    except IntegrityError as error:
        raise PromotionCodeTaken from error


def set_code_enabled(code_id: str, *, is_enabled: bool) -> PromotionCode:
    """A disabled code gives nothing; what it gave stays given."""
    with transaction.atomic():
        code = PromotionCode.objects.select_for_update(no_key=True).filter(id=code_id).first()
        if code is None:
            raise NotFound
        code.is_enabled = is_enabled
        code.save(update_fields=["is_enabled"])
    return code


def add_batch(promotion_id: str, draft: BatchDraft) -> CodeBatch:
    """Ask for many codes; the worker makes them. PromotionTermsInvalid, PromotionHasEnded."""
    prefix = normal_code(f"{draft.prefix}AAA")[: len(draft.prefix)] if draft.prefix else ""
    if draft.prefix and prefix != draft.prefix.upper():
        raise PromotionTermsInvalid(field="prefix")
    if not (1 <= draft.count <= MOST_CODES and 8 <= draft.length <= 20 and len(prefix) <= 12):
        raise PromotionTermsInvalid(field="count")
    with transaction.atomic():
        batch = CodeBatch.objects.create(
            promotion=_open(promotion_id),
            wanted=draft.count,
            prefix=prefix,
            length=draft.length,
            max_uses=draft.max_uses,
            note=draft.note[:120],
            requested_by=draft.requested_by,
            next_attempt_at=database_now(),
        )
        bell.ring_on_commit(PROMOTION_CODES)
    return batch


def _make_codes(batch: CodeBatch, numbers: range) -> int:
    """How many were new: by chance, or in another batch, the same code may have been there."""
    before = batch.codes.count()
    merchant_id = batch.promotion.merchant_id
    PromotionCode.objects.bulk_create(
        [
            PromotionCode(
                id=new_id("prc"),
                promotion_id=batch.promotion_id,
                merchant_id=merchant_id,
                code=made_up_code(prefix=batch.prefix, length=batch.length),
                batch=batch,
                max_uses=batch.max_uses,
            )
            for _number in numbers
        ],
        ignore_conflicts=True,
    )
    return batch.codes.count() - before


MILL = CodeMill(CodeBatch, _make_codes)
"""By chance, so that a lot that was repeated is other codes, and the count is what there is."""


def _open(promotion_id: str) -> Promotion:
    """Locked, so that it cannot end in between."""
    promotion = lock_promotion(promotion_id)
    if promotion.status == Promotion.Status.ENDED:
        raise PromotionHasEnded
    return promotion


def _move(promotion: Promotion, status: Promotion.Status) -> None:
    if promotion.status == Promotion.Status.ENDED:
        raise PromotionHasEnded
    PROMOTION.require(promotion.status, status)
    promotion.status = status


def _with(authors: list[str], author_id: str) -> list[str]:
    return authors if author_id in authors else [*authors, author_id]


def _writable(terms: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(terms) - _WRITABLE
    if unknown:
        raise TypeError(f"no such terms: {sorted(unknown)}")
    return dict(terms)
