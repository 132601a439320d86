"""Cases: opened by machines, closed by people (or by the machine when the cause has gone)."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, NotFound
from paycore.events import publish
from riskcontrol.events import CaseDecided
from riskcontrol.models import Case


class CaseAlreadyDecided(Conflict):
    code = "case_already_decided"
    title = _("Somebody decided this case already.")


class CaseTaken(Conflict):
    code = "case_taken"
    title = _("Somebody else works on this case.")


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


def decide_case(*, case_id: str, verdict: str, note: str, by_id: str) -> Case:
    """Close an open case with a person's verdict and publish it, once. Raises :class:`CaseAlreadyDecided`, NotFound."""
    chosen = Case.Verdict(verdict)
    with transaction.atomic():
        case = _lock_open(case_id)
        Case.objects.filter(id=case_id).update(
            status=Case.Status.RESOLVED,
            verdict=chosen,
            resolution=note[:300],
            resolved_by_id=by_id,
            resolved_at=Now(),
        )
        publish(
            CaseDecided(
                case_id=case.id, kind=case.kind, about=case.object_id, verdict=chosen.value, decided_by_id=by_id
            )
        )
    case.refresh_from_db()
    return case


def take_case(*, case_id: str, by_id: str, now: datetime) -> None:
    """Say that one works on it, so that others choose another. Raises :class:`CaseTaken`, CaseAlreadyDecided."""
    with transaction.atomic():
        case = _lock_open(case_id)
        if case.assignee_id not in (None, by_id):
            raise CaseTaken
        Case.objects.filter(id=case_id).update(assignee_id=by_id, assigned_at=now)


def release_case(*, case_id: str) -> None:
    """Give it back to whoever comes next. Raises :class:`CaseAlreadyDecided`."""
    with transaction.atomic():
        _lock_open(case_id)
        Case.objects.filter(id=case_id).update(assignee_id=None, assigned_at=None)


def _lock_open(case_id: str) -> Case:
    case = Case.objects.select_for_update(no_key=True, of=("self",)).filter(id=case_id).first()
    if case is None:
        raise NotFound
    if case.status != Case.Status.OPEN:
        raise CaseAlreadyDecided
    return case
