"""Time outside a subscription: grants of one plan follow each other."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from memberships.entitlements.freshness import touch
from memberships.events import MembershipChanged
from memberships.gifts.presentation import present_grant
from memberships.models import Grant
from memberships.subscriptions.calendar import boundary
from paycore.events import publish


@dataclass(frozen=True, slots=True)
class GrantDraft:
    """``interval_count`` intervals of a plan; ``by``: a redemption or who of the staff gives it."""

    user_id: str
    plan_id: str
    source: Grant.Source
    interval: str
    interval_count: int
    by: str
    reason: str = ""


def grant_time(draft: GrantDraft, *, now: datetime) -> Grant:
    """From now, or behind what the person has of this plan already. The caller holds the lock of the user's row."""
    starts_at = _behind(draft.user_id, draft.plan_id, now=now)
    grant = Grant.objects.create(
        user_id=draft.user_id,
        plan_id=draft.plan_id,
        source=draft.source,
        granted_by=draft.by,
        reason=draft.reason,
        starts_at=starts_at,
        ends_at=boundary(starts_at, zone="UTC", interval=draft.interval, interval_count=draft.interval_count, steps=1),
    )
    _tell(grant)
    return grant


def grant_rest(user_id: str, plan_id: str, *, length: timedelta, by: str, now: datetime) -> Grant:
    """Time that was paid for and is given back: so long from now, or behind what the person has of this plan already.
    The caller holds the lock of the user's row."""
    starts_at = _behind(user_id, plan_id, now=now)
    grant = Grant.objects.create(
        user_id=user_id,
        plan_id=plan_id,
        source=Grant.Source.PURCHASE,
        granted_by=by,
        starts_at=starts_at,
        ends_at=starts_at + length,
    )
    _tell(grant)
    return grant


def _behind(user_id: str, plan_id: str, *, now: datetime) -> datetime:
    running = Grant.objects.filter(user_id=user_id, plan_id=plan_id, revoked_at__isnull=True, ends_at__gt=now)
    return running.order_by("-ends_at").values_list("ends_at", flat=True).first() or now


def _tell(grant: Grant) -> None:
    publish(MembershipChanged(grant.id, grant.user_id, "granted", present_grant(grant)))
    touch([grant.user_id])
