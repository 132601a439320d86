"""Entitlements as the API and ``membership.changed`` show them."""

from collections.abc import Iterable
from typing import Any

from memberships.catalogue.known import features
from memberships.entitlements.queries import Entitlement
from memberships.models import UsageCounter


def present_entitlements(rows: Iterable[Entitlement], *, language: str) -> list[dict[str, Any]]:
    return [present_entitlement(row, language=language) for row in rows]


def present_entitlement(row: Entitlement, *, language: str) -> dict[str, Any]:
    feature = features().get(row.feature)
    return {
        "feature": row.feature,
        "object": "entitlement",
        "name": feature.name(language) if feature else row.feature,
        "kind": row.kind,
        "limit": row.limit,
        "used": row.used,
        "remaining": row.remaining,
        "until": row.until,
        "resets_at": row.resets_at,
        "source": row.source,
        "source_id": row.source_id,
        "plan": row.plan,
        "reason": row.reason,
    }


def usage_for_export(user_id: str) -> list[dict[str, Any]]:
    """What was ever counted of a person's uses."""
    rows = UsageCounter.objects.filter(user_id=user_id).order_by("id")
    return [
        {"feature": row.feature, "from": row.starts_at, "until": row.ends_at, "used": row.used, "for": row.subject}
        for row in rows
    ]
