"""Promotions, their codes, and every use of them."""

from payments.promotions.models.promotions import CodeBatch, Promotion, PromotionCode
from payments.promotions.models.redemptions import FundingEntry, KnownCard, Redemption, RedemptionPerson

__all__ = [
    "CodeBatch",
    "FundingEntry",
    "KnownCard",
    "Promotion",
    "PromotionCode",
    "Redemption",
    "RedemptionPerson",
]
