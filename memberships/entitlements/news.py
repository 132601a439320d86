"""What the platform's own server is told of its members: ``membership.changed``, with everything that holds now."""

from memberships.entitlements.presentation import present_entitlements
from memberships.entitlements.queries import entitlements_of
from memberships.events import MembershipChanged
from merchants.webhooks.feed import News, record_event
from paycore.clock import database_now
from paycore.events import current_occurrence

LANGUAGE = "en"


def record_change(event: MembershipChanged, *, merchant_id: str) -> None:
    """``subject`` is the subscription, seat or grant as it was after this change, ``entitlements`` what the user may do
    now: later changes may be in them already."""
    occurrence = current_occurrence()
    rows = entitlements_of(event.user_id, now=database_now(subject=event.user_id))
    record_event(
        News(
            merchant_id=merchant_id,
            type=event.name,
            object_id=event.subject_id,
            sequence=occurrence.sequence,
            occurred_at=occurrence.occurred_at,
            data={
                "object": "membership_change",
                "user": event.user_id,
                "why": event.why,
                "subject": event.state,
                "entitlements": present_entitlements(rows, language=LANGUAGE),
            },
        )
    )
