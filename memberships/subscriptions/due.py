"""When something must next happen to a subscription by itself. Pure."""

from datetime import datetime

from memberships.models import Subscription

_BY_PERIOD = ("trialing", "active")
_AS_SET = ("incomplete", "past_due", "suspended")


def next_due(subscription: Subscription) -> datetime | None:
    """By the user's clock; None when only a person can move it on.

    An incomplete one has its order's end and an overdue one what dunning set: those stay as they are. A store's
    subscription is moved by the store.
    """
    if subscription.rail != Subscription.Rail.WEB and subscription.status != "ended":
        return subscription.due_at
    if subscription.status in _AS_SET:
        return subscription.due_at
    if subscription.status in _BY_PERIOD:
        return subscription.period_ends_at
    if subscription.status == "scheduled":
        return subscription.starts_at
    return subscription.resumes_at if subscription.status == "paused" else None
