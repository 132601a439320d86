"""Reading subscriptions: a member's own."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from memberships.catalogue.known import free_tier, plan_of
from memberships.models import Grant, Invoice, Period, Plan, Subscription, SubscriptionChange
from memberships.transitions import LIVE
from paycore.errors import NotFound


@dataclass(frozen=True, slots=True)
class Membership:
    """What counts for the user now: a subscription with access, or a grant, whichever is the higher tier; neither on
    the free tier. ``plan`` is None while nothing is for sale. ``subscription`` is the live one, also without access."""

    plan: Plan | None
    subscription: Subscription | None
    grant: Grant | None


def subscriptions_of(user_id: str) -> QuerySet[Subscription]:
    return Subscription.objects.filter(user_id=user_id)


def get_subscription(subscription_id: str, *, user_id: str) -> Subscription:
    """NotFound also for another's."""
    subscription = Subscription.objects.select_related("price").filter(id=subscription_id, user_id=user_id).first()
    if subscription is None:
        raise NotFound
    return subscription


def live_subscription(user_id: str) -> Subscription | None:
    """The one that is not over, whoever sold it; one that waits for its first payment is not live yet."""
    return Subscription.objects.filter(user_id=user_id, status__in=LIVE).first()


def unfinished_subscription(user_id: str) -> Subscription | None:
    return Subscription.objects.filter(user_id=user_id, status=Subscription.Status.INCOMPLETE).first()


def has_paid_before(user_id: str) -> bool:
    return Invoice.objects.filter(user_id=user_id, status=Invoice.Status.PAID, total_minor__gt=0).exists()


def periods_of(subscription: Subscription) -> QuerySet[Period]:
    return Period.objects.filter(subscription=subscription).select_related("plan_version__plan__tier")


def history_of(subscription: Subscription) -> QuerySet[SubscriptionChange]:
    return subscription.changes.all()


def membership_of(user_id: str, *, now: datetime) -> Membership:
    """By the user's clock."""
    subscription = live_subscription(user_id)
    running = Grant.objects.filter(user_id=user_id, revoked_at=None, starts_at__lte=now, ends_at__gt=now)
    grant = running.select_related("plan__tier").order_by("-plan__tier__rank", "-ends_at").first()
    own = plan_of(subscription.plan_id) if subscription and gives_access(subscription, now=now) else None
    if own is not None and (grant is None or own.tier.rank >= grant.plan.tier.rank):
        return Membership(own, subscription, None)
    if grant is not None:
        return Membership(grant.plan, subscription, grant)
    tier = free_tier()
    return Membership(tier.plans.filter(is_active=True).first() if tier else None, subscription, None)


def gives_access(subscription: Subscription, *, now: datetime) -> bool:
    """Access ends exactly when it was said to, also while no worker has noticed yet."""
    if not subscription.has_access:
        return False
    if subscription.status == Subscription.Status.PAST_DUE:
        return subscription.grace_until is None or now < subscription.grace_until
    is_over = subscription.period_ends_at is not None and subscription.period_ends_at <= now
    return not (subscription.cancel_at_period_end and is_over)
