"""When a card becomes known only after a code was used: is it somebody who used the promotion before?"""

from django.db.models import Q

from payments.promotions.models import KnownCard, Redemption, RedemptionPerson
from riskcontrol.cases import open_case
from riskcontrol.models import Case


def note_card(user_id: str, *, key: bytes) -> list[str]:
    """``user_id`` saved the card ``key`` (a saved method's fingerprint). Their uses whose limit per person is broken by
    it are marked and go to a person, who decides; nothing is taken away. The ids of the marked uses. Twice is once."""
    KnownCard.objects.bulk_create([KnownCard(user_id=user_id, key=key)], ignore_conflicts=True)
    mine = Redemption.objects.filter(user_id=user_id).exclude(status=Redemption.Status.RELEASED)
    marked = []
    for use in mine.select_related("promotion", "code").order_by("promotion_id", "id"):
        person = RedemptionPerson(
            redemption=use, promotion_id=use.promotion_id, kind=RedemptionPerson.Kind.CARD, key=key
        )
        RedemptionPerson.objects.bulk_create([person], ignore_conflicts=True)
        if not use.is_suspect and (others := _uses_by_others(use, key=key)):
            marked.append(_mark(use, others))
    return marked


def _uses_by_others(use: Redemption, *, key: bytes) -> list[str]:
    """Of the same promotion with the same card, when together they are more than one person may have."""
    most = [limit for limit in (use.promotion.max_per_person, use.code.max_per_person) if limit is not None]
    if not most:
        return []
    seen = RedemptionPerson.objects.filter(promotion_id=use.promotion_id, key=key).exclude(
        Q(redemption__status=Redemption.Status.RELEASED) | Q(redemption_id=use.id)
    )
    others = list(seen.values_list("redemption_id", flat=True).distinct()[:20])
    return others if len(others) >= min(most) else []


def _mark(use: Redemption, others: list[str]) -> str:
    Redemption.objects.filter(id=use.id).update(is_suspect=True)
    facts = {"promotion": use.promotion_id, "for": use.subject_id, "same_card": others}
    open_case(kind=Case.Kind.PROMOTION_ABUSE, object_id=use.id, facts=facts, merchant_id=use.merchant_id)
    return use.id
