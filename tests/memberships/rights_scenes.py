"""What gives people rights, written down without the services that would write it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from accounts.models import User
from memberships.models import Grant, Period, Plan, Price, Seat, Subscription
from paycore.clock import database_now

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MONTH = timedelta(days=30)


def subscribed(user: User, price: Price, status: str = "active", *, now: datetime = NOW, **more: Any) -> Subscription:
    """A subscription in the middle of its first, paid, period."""
    facts: dict[str, Any] = {
        "period_number": 1,
        "anchor_at": now - MONTH / 2,
        "period_started_at": now - MONTH / 2,
        "period_ends_at": now + MONTH / 2,
        "due_at": now + MONTH / 2,
    } | more
    if status == "ended":
        facts |= {"due_at": None, "ended_at": now}
    made = Subscription.objects.create(user=user, plan=price.plan, price=price, currency="USD", status=status, **facts)
    Period.objects.create(
        subscription=made,
        number=1,
        status="paid",
        plan_version=price.plan.versions.latest("number"),
        price=price,
        starts_at=facts["period_started_at"],
        ends_at=facts["period_ends_at"],
    )
    return made


def granted(user: User, plan: Plan, *, now: datetime = NOW, **more: Any) -> Grant:
    facts: dict[str, Any] = {"source": "gift", "starts_at": now - MONTH, "ends_at": now + MONTH} | more
    return Grant.objects.create(user=user, plan=plan, **facts)


def seated(user: User, subscription: Subscription, **more: Any) -> Seat:
    facts: dict[str, Any] = {"status": "active", "email": user.email, "email_index": b"i", "token_hash": b"t"} | more
    return Seat.objects.create(user=user, subscription=subscription, expires_at=NOW, accepted_at=NOW, **facts)


def next_period(subscription: Subscription) -> None:
    """The running period is over now, and another one paid: cut short, as when the plan is changed at once."""
    last = subscription.periods.latest("number")
    now = database_now()
    Period.objects.filter(id=last.id).update(ends_at=now)
    Period.objects.create(
        subscription=subscription, number=last.number + 1, status="paid", plan_version_id=last.plan_version_id,
        starts_at=now, ends_at=now + MONTH,
    )  # fmt: skip
    Subscription.objects.filter(id=subscription.id).update(
        period_number=last.number + 1, period_started_at=now, period_ends_at=now + MONTH
    )
