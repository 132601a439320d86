"""Cases: opened by machines, closed by people (or by the machine when the cause has gone)."""

from typing import Any

from django.db.models.functions import Now

from riskcontrol.models import Case


def open_case(*, kind: Case.Kind, object_id: str, facts: dict[str, Any], merchant_id: str | None = None) -> None:
    """Make sure that an open case of this kind about this object exists. Repeats change nothing."""
    Case.objects.bulk_create(
        [Case(kind=kind, object_id=object_id, facts=facts, merchant_id=merchant_id)], ignore_conflicts=True
    )


def resolve_cases(*, kind: Case.Kind, object_id: str, resolution: str, resolved_by_id: str | None = None) -> int:
    """Close the open case of this kind about this object; how many there were (0 or 1)."""
    return Case.objects.filter(kind=kind, object_id=object_id, status=Case.Status.OPEN).update(
        status=Case.Status.RESOLVED,
        resolution=resolution[:300],
        resolved_by_id=resolved_by_id,
        resolved_at=Now(),
    )
