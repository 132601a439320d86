"""What the demo shows of memberships besides plans: a tax, codes, and members who have been here for a while.

The members pay nothing (their code takes everything off), so no gateway is asked while the demo data is made, and the
books say what happened. Their past is made by the services themselves, each call with its own ``now``.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from dateutil.relativedelta import relativedelta

from accounts.models import User
from memberships.catalogue.known import forget_catalogue
from memberships.models import Subscription, TaxRate
from memberships.renewals.stepping import step_user
from memberships.reports.counting import count_due_months
from memberships.subscriptions.cancelling import cancel_at_period_end
from memberships.subscriptions.changing import ChangeWish, change_at_period_end
from memberships.subscriptions.offers import find_price
from memberships.subscriptions.recording import Why
from memberships.subscriptions.starting import StartDraft, subscribe
from merchants.models import Merchant
from paycore.clock import database_now
from payments.promotions.managing import CodeDraft, activate_promotion, add_code, create_promotion, end_promotion
from payments.promotions.models import Promotion

WELCOME, FOUNDERS = "WELCOME20", "FOUNDERS"
_FOUNDERS_NAME = "Founding members: on the house"
_TAXES = (("DE", "VAT", 1_900), ("FR", "VAT", 2_000), ("GB", "VAT", 2_000))
_MOVED_ON = timedelta(days=9)
"""After the last renewal of a month: when a member thinks better of it."""


@dataclass(frozen=True)
class _DemoMember:
    """Joined ``joined`` months ago; ``left`` and ``moved`` are months after that."""

    name: str
    plan: str
    joined: int
    interval: str = "month"
    currency: str = "USD"
    country: str = "US"
    zone: str = "UTC"
    left: int | None = None
    moved: int | None = None
    moved_to: str = "platinum"


_MEMBERS = (
    _DemoMember("Alma", "premium", 11, currency="EUR", country="DE", zone="Europe/Berlin"),
    _DemoMember("Bruno", "family", 11, left=4),
    _DemoMember("Carla", "platinum", 10, interval="year"),
    _DemoMember("Deniz", "premium", 9, moved=3),
    _DemoMember("Emre", "premium", 8, left=0),
    _DemoMember("Fang", "premium", 7, currency="CNY", country="CN", zone="Asia/Shanghai"),
    _DemoMember("Greta", "family", 6, currency="EUR", country="DE", zone="Europe/Berlin", left=3),
    _DemoMember("Hugo", "platinum", 5, currency="EUR", country="FR", zone="Europe/Paris", moved=2, moved_to="premium"),
    _DemoMember("Ines", "premium", 4, interval="year"),
    _DemoMember("Jonas", "family", 3, left=1),
    _DemoMember("Kumi", "premium", 2),
    _DemoMember("Lars", "platinum", 1, currency="EUR", country="DE", zone="Europe/Berlin"),
    _DemoMember("Mona", "premium", 0),
)


def seed_terms(*, seller: Merchant, author: User, second: User) -> None:
    """Taxes and codes. Safe to repeat; what somebody changed stays as it is."""
    for country, name, rate in _TAXES:
        if not TaxRate.objects.filter(country=country).exists():
            first = date(2021, 1, 1)
            TaxRate.objects.create(country=country, name=name, rate_basis_points=rate, starts_on=first)
    welcome = {"percent_basis_points": 2_000, "duration": "periods", "periods": 3, "is_first_only": True}
    _code(WELCOME, "Welcome: 20 % off the first three months", welcome, seller=seller, author=author, second=second)
    founders = {"percent_basis_points": 10_000, "duration": "forever"}
    _code(FOUNDERS, _FOUNDERS_NAME, founders, seller=seller, author=author, second=second)


def _code(code: str, name: str, terms: dict[str, object], *, seller: Merchant, author: User, second: User) -> None:
    if Promotion.objects.filter(merchant=seller, name=name).exists():
        return
    draft = {"kind": "percent", "applies_to": "membership", "name": name, "title": name, **terms}
    made = create_promotion(draft, merchant_id=seller.id, author_id=author.id)
    add_code(made.id, CodeDraft(code))
    activate_promotion(made.id, by_id=second.id)


def seed_members(*, seller: Merchant) -> None:
    """Once: their code ends with it, so that nobody else is on the house. Goes on where it was killed. No transaction
    may be open."""
    founders = Promotion.objects.filter(merchant=seller, name=_FOUNDERS_NAME, status=Promotion.Status.ACTIVE).first()
    if founders is None:
        return
    forget_catalogue()
    now = database_now()
    for member in _MEMBERS:
        user, _is_new = User.objects.get_or_create(
            email=f"{member.name.lower()}.member@demo.example", defaults={"name": member.name}
        )
        if not Subscription.objects.filter(user=user).exists():
            _live_through(member, user, now=now)
    count_due_months(now=now)
    end_promotion(founders.id)


def _live_through(member: _DemoMember, user: User, *, now: datetime) -> None:
    joined = now - relativedelta(months=member.joined) - timedelta(hours=1)
    price = find_price(member.plan, currency=member.currency, interval=member.interval)
    draft = StartDraft(user, price.id, country=member.country, time_zone=member.zone, promotion_code=FOUNDERS)
    subscription = subscribe(draft, now=joined.astimezone(UTC)).subscription
    if member.moved is not None:
        at = _day(joined, member.moved)
        step_user(user.id, until=at)
        wanted = find_price(member.moved_to, currency=member.currency, interval=member.interval)
        why = Why("change_planned", user.id, at)
        change_at_period_end(subscription.id, ChangeWish(wanted.id), user_id=user.id, why=why)
    if member.left is not None:
        at = _day(joined, member.left)
        step_user(user.id, until=at)
        cancel_at_period_end(subscription.id, user_id=user.id, why=Why("canceled", user.id, at, reason="Too dear"))
    step_user(user.id, until=now)


def _day(joined: datetime, months: int) -> datetime:
    day: datetime = joined + relativedelta(months=months) + _MOVED_ON
    return day
