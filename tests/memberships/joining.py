"""Members who came in by the front door: the public API, a paid order, and the background work that follows."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import transaction

from accounts.models import User
from memberships.models import Invoice, Pause, Period, PlanChange, Price, Subscription
from memberships.subscriptions.recording import Why, note_change
from paycore import clock
from tests.actors import AppUser, run_background
from tests.memberships.factories import make_plan, make_price
from tests.memberships.members import make_member


def subscribe(user: AppUser, price: Price, **more: Any) -> Any:
    response = user.post("/subscriptions", {"price": price.id, **more})
    assert response.status_code == 201, response.content
    return response.json()


def pay(user: AppUser, order: Any, *, scenario: str = "approve") -> Any:
    body = {"order": order["id"], "method": "card", "options": {"sandbox": {"scenario": scenario}}}
    payment = user.post("/payments", body).json()
    run_background()
    return payment


def join(user: AppUser, price: Price, **more: Any) -> Subscription:
    """A member of ``price`` who paid."""
    made = subscribe(user, price, **more)
    if made["order"]:
        assert pay(user, made["order"])["status"] == "succeeded"
    return Subscription.objects.get(id=made["id"])


def do(user: AppUser, subscription: Subscription, action: str, **body: Any) -> Any:
    """One of the member's own actions, which is accepted."""
    response = user.post(f"/subscriptions/{subscription.id}/{action}", body)
    assert response.status_code in (200, 201), response.content
    return response.json()


def travel(user: AppUser, **by: float) -> datetime:
    """Only this user's time moves, as a developer's would in the sandbox."""
    return clock.advance(subject=user.user.id, by=timedelta(**by))


def spans(subscription: Subscription) -> list[tuple[int, str, str]]:
    rows = Period.objects.filter(subscription=subscription).order_by("number")
    return [(row.number, row.kind, row.status) for row in rows]


def assert_tiled(subscription: Subscription) -> None:
    """Periods that count follow each other without overlap, and without a gap but for a pause."""
    rows = list(Period.objects.filter(subscription=subscription, status="paid").order_by("starts_at"))
    pauses = {(pause.paused_at, pause.ended_at) for pause in subscription.pauses.all()}
    for one, following in pairwise(rows):
        assert one.ends_at == following.starts_at or (one.ends_at, following.starts_at) in pauses, (one, following)


def fill_member_tables(user: User) -> None:
    """A row in every table about a member's life that nobody may delete; an invoice is there already."""
    member = make_member(user, make_price(make_plan("guarded", tier="platinum")))
    period = member.periods.get()
    now = clock.database_now()
    with transaction.atomic():
        note_change(member, Why("started", "system", now))
    Pause.objects.create(subscription=member, period=period, paused_at=now, unused_seconds=1, ended_at=now)
    PlanChange.objects.create(
        subscription=member, period=period, invoice=Invoice.objects.earliest("id"), plan_version=period.plan_version,
        price_id=member.price_id, quantity=1, effective_at=now, ends_at=now + timedelta(days=1), anchor_at=now,
    )  # fmt: skip
