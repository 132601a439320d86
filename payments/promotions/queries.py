"""Reading about promotions."""

from datetime import date, timedelta

from django.db.models import Count, QuerySet, Sum

from paycore.errors import NotFound
from payments.promotions.models import CodeBatch, Promotion, PromotionCode, Redemption


def promotions_of(merchant_id: str) -> "QuerySet[Promotion]":
    return Promotion.objects.filter(merchant_id=merchant_id)


def get_promotion(promotion_id: str, *, merchant_id: str) -> Promotion:
    """NotFound for another merchant's."""
    promotion = promotions_of(merchant_id).filter(id=promotion_id).first()
    if promotion is None:
        raise NotFound
    return promotion


def get_batch(batch_id: str, *, promotion_id: str) -> CodeBatch:
    batch = CodeBatch.objects.filter(id=batch_id, promotion_id=promotion_id).first()
    if batch is None:
        raise NotFound
    return batch


def get_code(code_id: str, *, promotion_id: str) -> PromotionCode:
    code = PromotionCode.objects.filter(id=code_id, promotion_id=promotion_id).first()
    if code is None:
        raise NotFound
    return code


def uses_by_day(uses: "QuerySet[Redemption]", *, today: date, days: int) -> dict[date, tuple[int, int]]:
    """How many were taken on each of the last ``days`` days (UTC), and how many of those were given back."""
    first = today - timedelta(days=days - 1)
    rows = uses.filter(day__gte=first).values_list("day", "status").annotate(count=Count("id"))
    found = {first + timedelta(days=offset): (0, 0) for offset in range(days)}
    for day, status, count in rows:
        if day in found:
            kept, back = found[day]
            is_back = status == Redemption.Status.RELEASED
            found[day] = (kept + (0 if is_back else count), back + (count if is_back else 0))
    return found


def given_by_currency(uses: "QuerySet[Redemption]") -> dict[str, int]:
    """Minor units that payers were spared, given back ones left out."""
    rows = uses.exclude(status=Redemption.Status.RELEASED).values_list("currency").annotate(sum=Sum("given_minor"))
    return {currency: total for currency, total in rows if total}
