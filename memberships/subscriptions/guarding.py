"""What every change of a subscription checks first."""

from memberships.models import Period, Subscription
from memberships.subscriptions.errors import (
    RenewalUnderWay,
    SoldElsewhere,
    SubscriptionEnded,
    SubscriptionNotStarted,
    SubscriptionOverdue,
    SubscriptionPaused,
)
from memberships.subscriptions.rails import manage_url_of
from paycore.errors import PaycoreError

_REFUSALS: dict[str, type[PaycoreError]] = {
    "ended": SubscriptionEnded,
    "incomplete": SubscriptionNotStarted,
    "past_due": SubscriptionOverdue,
    "suspended": SubscriptionOverdue,
    "paused": SubscriptionPaused,
}


def require_ours(subscription: Subscription) -> None:
    """SoldElsewhere: a store's subscription is changed at the store."""
    if subscription.rail != Subscription.Rail.WEB:
        raise SoldElsewhere(sold_by=str(subscription.rail), manage_url=manage_url_of(subscription))


def require_status(subscription: Subscription, *allowed: str) -> None:
    if subscription.status not in allowed:
        raise _REFUSALS[subscription.status](status=str(subscription.status))


def require_no_renewal(subscription: Subscription) -> None:
    """RenewalUnderWay while a period waits for its money: what is changed now would change what is being paid."""
    if Period.objects.filter(subscription=subscription, status=Period.Status.OPEN).exists():
        raise RenewalUnderWay
