"""What a promotion is called to people, and how its rows look in answers."""

from typing import Any

from django.utils.translation import get_language, gettext, ngettext

from paycore.money import Money
from payments.promotions.models import CodeBatch, Promotion, PromotionCode, Redemption


def describe(promotion: Promotion, *, currency: str) -> str:
    """The seller's title in the reader's language, or what is off: ``20% off``, ``$5.00 off``, ``14 days free``."""
    language = get_language() or "en"
    if title := (promotion.title_zh if language.startswith("zh") else promotion.title) or promotion.title:
        return title
    if promotion.kind == Promotion.Kind.PERCENT:
        percent = f"{promotion.percent_basis_points / 100:g}"
        return gettext("%(percent)s%% off") % {"percent": percent}
    if promotion.kind == Promotion.Kind.FREE_DAYS:
        days = promotion.free_days
        return ngettext("%(days)d day free", "%(days)d days free", days) % {"days": days}
    off = Money(int(promotion.amounts.get(currency, 0)), currency)
    return gettext("%(amount)s off") % {"amount": off.format(language)}


def present_promotion(promotion: Promotion) -> dict[str, Any]:
    return {
        "id": promotion.id,
        "object": "promotion",
        "name": promotion.name,
        "title": promotion.title,
        "title_zh": promotion.title_zh,
        "status": promotion.status,
        "kind": promotion.kind,
        "percent_basis_points": promotion.percent_basis_points or None,
        "amounts": promotion.amounts,
        "most_off": promotion.most_off,
        "least": promotion.least,
        "currencies": promotion.currencies,
        "is_first_only": promotion.is_first_only,
        "starts_at": promotion.starts_at,
        "ends_at": promotion.ends_at,
        "stacking": promotion.stacking,
        "position": promotion.position,
        "max_uses": promotion.max_uses,
        "max_per_person": promotion.max_per_person,
        "max_per_day": promotion.max_per_day,
        "budget_minor": promotion.budget_minor,
        "budget_currency": promotion.budget_currency or None,
        "funded_by": promotion.funded_by,
        "needs_second_person": promotion.needs_second_person,
        "used": promotion.used,
        "reserved_minor": promotion.reserved_minor,
        "activated_at": promotion.activated_at,
        "ended_at": promotion.ended_at,
        "created_at": promotion.created_at,
    }


def present_code(code: PromotionCode) -> dict[str, Any]:
    return {
        "id": code.id,
        "object": "promotion_code",
        "promotion": code.promotion_id,
        "code": code.code,
        "is_enabled": code.is_enabled,
        "max_uses": code.max_uses,
        "max_per_person": code.max_per_person,
        "expires_at": code.expires_at,
        "used": code.used,
        "batch": code.batch_id,
        "created_at": code.created_at,
    }


def present_batch(batch: CodeBatch) -> dict[str, Any]:
    return {
        "id": batch.id,
        "object": "promotion_code_batch",
        "promotion": batch.promotion_id,
        "status": batch.status,
        "count": batch.wanted,
        "made": batch.made,
        "prefix": batch.prefix,
        "length": batch.length,
        "max_uses": batch.max_uses,
        "created_at": batch.created_at,
        "finished_at": batch.finished_at,
    }


def present_redemption(redemption: Redemption) -> dict[str, Any]:
    return {
        "id": redemption.id,
        "object": "promotion_use",
        "promotion": redemption.promotion_id,
        "code": redemption.code.code,
        "subject": redemption.subject_id,
        "status": redemption.status,
        "currency": redemption.currency,
        "amount_minor": redemption.amount_minor,
        "given_minor": redemption.given_minor,
        "free_days": redemption.free_days,
        "periods_left": redemption.periods_left,
        "is_suspect": redemption.is_suspect,
        "taken_at": redemption.taken_at,
        "used_at": redemption.used_at,
        "released_at": redemption.released_at,
    }
