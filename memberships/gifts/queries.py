"""Reading gifts."""

from typing import Any

from django.db.models import QuerySet

from memberships.gifts.presentation import present_redemption, present_to_buyer
from memberships.models import Gift, Redemption
from paycore.errors import NotFound


def gifts_of(buyer_id: str) -> "QuerySet[Gift]":
    return Gift.objects.filter(buyer_id=buyer_id).select_related("invoice").prefetch_related("codes")


def get_gift(gift_id: str, *, buyer_id: str) -> Gift:
    """NotFound for anybody else's."""
    gift = gifts_of(buyer_id).filter(id=gift_id).first()
    if gift is None:
        raise NotFound
    return gift


def gifts_for_export(buyer_id: str) -> list[dict[str, Any]]:
    """What a person bought for others, for the archive of their data."""
    return [present_to_buyer(gift) for gift in gifts_of(buyer_id).order_by("id")]


def redemptions_for_export(user_id: str) -> list[dict[str, Any]]:
    rows = Redemption.objects.filter(user_id=user_id).select_related("grant", "period__plan_version").order_by("id")
    return [present_redemption(row) for row in rows]
