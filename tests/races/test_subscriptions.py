"""Two things at once to one membership: one wins, the other gets an honest answer, and nothing is between."""

from functools import partial
from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from memberships.invoices.checks import run_checks
from memberships.invoices.paying import mark_paid
from memberships.models import Invoice, Period, Price, Subscription
from memberships.settling import settle_order
from memberships.subscriptions.cancelling import cancel_now
from memberships.subscriptions.changing import ChangeWish, change_now
from memberships.subscriptions.pausing import pause
from memberships.subscriptions.recording import Why
from memberships.subscriptions.settling_rows import settle_period
from memberships.subscriptions.starting import StartDraft, subscribe
from memberships.transitions import LIVE
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.errors import PaycoreError
from tests.memberships.factories import make_catalogue
from tests.races.crew import Crew

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 8
CROWD = 8


@pytest.fixture
def premium(platform: Merchant) -> Price:
    return make_catalogue()


def person(number: int) -> User:
    return User.objects.create_user(email=f"p{number}@example.com")


def member_of(user: User, price: Price) -> Subscription:
    now = database_now()
    started = subscribe(StartDraft(user, price.id), now=now)
    assert started.invoice is not None
    with transaction.atomic():
        settle_period(started.invoice, now=now)
        mark_paid(started.invoice, now=now)
    return Subscription.objects.get(id=started.subscription.id)


def why(kind: str, user: User) -> Why:
    return Why(kind, user.id, database_now())


def test_one_of_many_tries_to_subscribe_is_left(premium: Price, crew: Crew) -> None:
    for trial in range(TRIALS):
        user = person(trial)
        draft = StartDraft(user, premium.id)
        deeds = crew.at_once(*[lambda draft=draft: subscribe(draft, now=database_now()) for _ in range(CROWD)])
        errors = {type(deed.error) for deed in deeds if deed.error}
        assert any(deed.error is None for deed in deeds)
        assert all(issubclass(error, PaycoreError) for error in errors), errors
        rows = Subscription.objects.filter(user=user)
        assert rows.filter(status="incomplete").count() == 1
        assert Invoice.objects.filter(user=user, status="open").count() == 1
        assert {error.http_status for error in errors} <= {409}


def test_the_news_of_one_payment_many_times_at_once_gives_one_period(premium: Price, crew: Crew) -> None:
    for trial in range(TRIALS):
        user = person(trial)
        started = subscribe(StartDraft(user, premium.id), now=database_now())
        assert started.invoice is not None
        order_id = str(started.invoice.order_id)
        deeds = crew.at_once(*[partial(settle_order, order_id, payment_id="") for _ in range(CROWD)])
        assert [deed.error for deed in deeds if deed.error] == []
        assert Period.objects.filter(subscription=started.subscription).count() == 1
    assert run_checks() == []


@pytest.mark.parametrize("other", ["pause", "change", "cancel"])
def test_a_cancel_beside_another_wish_leaves_one_state(premium: Price, crew: Crew, other: str) -> None:
    platinum = Price.objects.get(plan__code="platinum")
    for trial in range(TRIALS):
        user = person(trial)
        member = member_of(user, premium)
        wishes: dict[str, Any] = {
            "pause": lambda: pause(member.id, until=None, user_id=user.id, why=why("paused", user)),
            "change": lambda: change_now(
                member.id, ChangeWish(platinum.id), user_id=user.id, why=why("changed", user)
            ),
            "cancel": lambda: cancel_now(member.id, user_id=user.id, why=why("canceled", user)),
        }  # fmt: skip
        deeds = crew.at_once(wishes["cancel"], wishes[other])
        errors = [deed.error for deed in deeds if deed.error]
        assert all(isinstance(error, PaycoreError) and error.http_status == 409 for error in errors), errors
        row = Subscription.objects.get(id=member.id)
        is_live = row.status in LIVE
        assert is_live == all(deed.error is not None for deed in (deeds if other == "cancel" else deeds[:1]))
        assert Period.objects.filter(subscription=row, status="open").count() == 0
        assert Invoice.objects.filter(subscription=row, status="open").count() <= (1 if is_live else 0)
        if other == "cancel":
            assert len(errors) == 1
    assert run_checks() == []
