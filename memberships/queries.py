"""What a user has, and what is on sale."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch

from accounts.models import User
from memberships.models import Period, Plan, Price


@dataclass(frozen=True, slots=True)
class Membership:
    """``plan`` is None while no free plan exists. ``period`` is None on the free plan."""

    plan: Plan | None
    period: Period | None


def plans_on_sale() -> list[Plan]:
    active = Prefetch("prices", queryset=Price.objects.filter(is_active=True).order_by("currency"), to_attr="on_sale")
    return list(Plan.objects.filter(is_active=True).prefetch_related(active).order_by("rank"))


def membership_of(user: User, *, now: datetime) -> Membership:
    """The highest plan whose period runs now; else the free plan."""
    period = (
        Period.objects.filter(user=user, revoked_at=None, starts_at__lte=now, ends_at__gt=now)
        .select_related("plan")
        .order_by("-plan__rank", "-ends_at")
        .first()
    )
    if period is not None:
        return Membership(plan=period.plan, period=period)
    return Membership(plan=Plan.objects.filter(rank=0).first(), period=None)


def paid_until(user: User, *, plan: Plan, now: datetime) -> datetime | None:
    """The end of the user's unbroken time on ``plan``, renewals bought ahead included."""
    last = Period.objects.filter(user=user, plan=plan, revoked_at=None, ends_at__gt=now).order_by("-ends_at").first()
    return last.ends_at if last else None
