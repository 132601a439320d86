"""What memberships keep about a person (accounts/personal_data/sections.py)."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from accounts.personal_data.sections import Collected, Section, register_section
from memberships.models import Period, Purchase
from paycore.clock import database_now

ACTIVE_MEMBERSHIP = "active_membership"


def collect_memberships(user_id: str) -> Collected:
    purchases = Purchase.objects.filter(user_id=user_id).select_related("price__plan").order_by("id")
    periods = Period.objects.filter(user_id=user_id).select_related("plan").order_by("starts_at", "id")
    return Collected({"purchases": [_purchase(row) for row in purchases], "periods": [_period(row) for row in periods]})


def what_is_lost(user_id: str) -> Sequence[str]:
    """The rest of a paid month is given up with the account."""
    now = database_now(subject=user_id)
    running = Period.objects.filter(user_id=user_id, revoked_at=None, ends_at__gt=now)
    return (ACTIVE_MEMBERSHIP,) if running.exists() else ()


def _purchase(purchase: Purchase) -> dict[str, Any]:
    return {
        "id": purchase.id,
        "plan": purchase.price.plan.code,
        "order": purchase.order_id,
        "currency": purchase.price.currency,
        "amount_minor": purchase.price.amount_minor,
        "created_at": purchase.created_at,
    }


def _period(period: Period) -> dict[str, Any]:
    return {
        "plan": period.plan.code,
        "starts_at": period.starts_at,
        "ends_at": period.ends_at,
        "revoked_at": period.revoked_at,
    }


register_section(
    Section(
        name="memberships",
        collect=collect_memberships,
        warnings=what_is_lost,
        keeps=_("What you were a member of and when, without your name or address: it belongs to the orders above."),
    )
)
