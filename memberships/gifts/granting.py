"""Time outside a subscription: grants of one plan follow each other."""

from dataclasses import dataclass
from datetime import datetime

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
    running = Grant.objects.filter(
        user_id=draft.user_id, plan_id=draft.plan_id, revoked_at__isnull=True, ends_at__gt=now
    )
    last = running.order_by("-ends_at").values_list("ends_at", flat=True).first()
    starts_at: datetime = last or now
    grant = Grant.objects.create(
        user_id=draft.user_id,
        plan_id=draft.plan_id,
        source=draft.source,
        granted_by=draft.by,
        reason=draft.reason,
        starts_at=starts_at,
        ends_at=boundary(starts_at, zone="UTC", interval=draft.interval, interval_count=draft.interval_count, steps=1),
    )
    publish(MembershipChanged(grant.id, grant.user_id, "granted", present_grant(grant)))
    touch([grant.user_id])
    return grant
