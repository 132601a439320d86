"""What ``take.sql``'s refusals mean to the caller."""

from django.db import Error, IntegrityError

from paycore.errors import PaycoreError
from payments.promotions.errors import PromotionAlreadyUsed, PromotionCodeNotValid, PromotionNotCombinable

_BY_CODE: dict[str, type[PaycoreError]] = {
    "PC021": PromotionCodeNotValid,
    "PC022": PromotionAlreadyUsed,
    "PC023": PromotionNotCombinable,
    "PC024": PromotionCodeNotValid,
}


def promotion_refusal(error: Error) -> PaycoreError | None:
    """None: the database refused something else."""
    if isinstance(error, IntegrityError) and "promotion_use_on" in str(error):
        return PromotionNotCombinable()
    refusal = _BY_CODE.get(getattr(error.__cause__, "pgcode", None) or "")
    return refusal() if refusal else None
