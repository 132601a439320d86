"""The one way a subscription's row changes: locked, saved, written into its history, told, its users' rights fresh."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from memberships.entitlements.freshness import touch
from memberships.events import MembershipChanged
from memberships.models import Subscription, SubscriptionChange
from memberships.subscriptions.presentation import present_subscription
from memberships.transitions import SUBSCRIPTION
from paycore.errors import NotFound
from paycore.events import publish

SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Why:
    """``kind`` is the word of the history and of the event (``started``, ``renewed``, ``canceled``, …), ``by`` a user's
    id, ``system`` or a store; ``details`` ids and numbers only."""

    kind: str
    by: str
    now: datetime
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def lock_subscription(subscription_id: str, *, user_id: str | None = None) -> Subscription:
    """The row, locked until the transaction ends. NotFound also when it is not ``user_id``'s."""
    rows = Subscription.objects.select_for_update(no_key=True).filter(id=subscription_id)
    if user_id is not None:
        rows = rows.filter(user_id=user_id)
    subscription = rows.first()
    if subscription is None:
        raise NotFound
    return subscription


def save_change(subscription: Subscription, why: Why, *, was: str, fields: Iterable[str]) -> None:
    """Save ``fields`` of the locked row, whose status was ``was``. :class:`IllegalTransition` when the table forbids
    the step; the database would refuse it as well."""
    if subscription.status != was:
        SUBSCRIPTION.require(was, subscription.status)
    subscription.save(update_fields=[*fields])
    note_change(subscription, why)


def note_change(subscription: Subscription, why: Why) -> None:
    """History, news and fresh rights for a change that is saved already, or is in another row (a seat, a period)."""
    SubscriptionChange.objects.create(
        subscription=subscription,
        kind=why.kind,
        status=subscription.status,
        by=why.by[:40],
        reason=why.reason[:300],
        details=dict(why.details),
        happened_at=why.now,
    )
    publish(MembershipChanged(subscription.id, subscription.user_id, why.kind, present_subscription(subscription)))
    touch([subscription.user_id])
