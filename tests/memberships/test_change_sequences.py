"""Whatever a member does, at whatever second: periods tile, numbers are used once, money is somewhere."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from memberships.invoices.checks import run_checks
from memberships.invoices.paying import mark_paid
from memberships.models import Invoice, Pause, Period, Price, Subscription
from memberships.renewals.claiming import Span
from memberships.renewals.opening import open_due_periods
from memberships.renewals.stepping import drop_change
from memberships.subscriptions.calendar import zone_names
from memberships.subscriptions.cancelling import cancel_at_period_end, cancel_now, resume
from memberships.subscriptions.changing import ChangeWish, apply_paid_change, change_at_period_end, change_now
from memberships.subscriptions.ending import end_subscription
from memberships.subscriptions.pausing import pause, unpause
from memberships.subscriptions.recording import Why, lock_subscription
from memberships.subscriptions.settling_rows import settle_period
from memberships.subscriptions.starting import StartDraft, subscribe
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.errors import Conflict
from paycore.identifiers import new_id
from tests.actors import assert_books_are_whole
from tests.memberships.factories import make_catalogue, make_plan, make_price

pytestmark = pytest.mark.django_db
TERMS = [("week", 1), ("month", 1), ("quarter", 1), ("year", 1), ("month", 2)]
CURRENCIES = ["JPY", "USD", "KWD"]
ACTIONS = ["change", "change", "plan", "pause", "unpause", "cancel_later", "resume", "cancel_now", "wait"]
steps = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 19), st.integers(1, 40 * 86_400)), max_size=8)


class Life:
    """One member, whose time is told rather than passed."""

    def __init__(self, prices: list[Price], first: Price, *, zone: str) -> None:
        self.user = User.objects.create(email=f"{new_id('m')}@example.com", password="!")
        self.prices = prices
        self.now = database_now()
        draft = StartDraft(self.user, first.id, time_zone=zone)
        started = subscribe(draft, now=self.now)
        self.id = started.subscription.id
        if started.invoice is not None:
            self.settle(started.invoice)

    @property
    def row(self) -> Subscription:
        return Subscription.objects.get(id=self.id)

    def settle(self, invoice: Invoice) -> None:
        if invoice.status == "paid":
            return
        gives: Callable[..., bool] = apply_paid_change if invoice.kind == "change" else settle_period
        with transaction.atomic():
            if gives(invoice, now=self.now):
                mark_paid(invoice, now=self.now)

    def why(self, kind: str) -> Why:
        return Why(kind, self.user.id, self.now)

    def pass_time(self, seconds: int) -> None:
        until = self.now + timedelta(seconds=seconds)
        for _turn in range(60):
            row = self.row
            if row.due_at is None or row.due_at > until:
                break
            self.now = max(self.now, row.due_at)
            self.step(row)
        self.now = until

    def step(self, row: Subscription) -> None:
        if row.status == "paused":
            unpause(row.id, why=self.why("unpaused"))
        elif row.cancel_at_period_end:
            with transaction.atomic():
                end_subscription(lock_subscription(row.id), self.why("ended"), end_reason="canceled")
        else:
            opened = open_due_periods(span=Span(self.user.id, self.now))
            if opened.broken:
                raise ExceptionGroup("could not be renewed", opened.broken)
            for one in opened.to_clear:  # a change that nobody paid: its order goes before the next period comes
                drop_change(one, now=self.now)
            for invoice in Invoice.objects.filter(subscription_id=row.id, kind="renewal", status="open"):
                self.settle(invoice)

    def act(self, action: str, choice: int) -> None:
        who: dict[str, Any] = {"user_id": self.user.id}
        wish = ChangeWish(self.prices[choice % len(self.prices)].id)
        deeds: dict[str, Callable[[], object]] = {
            "change": lambda: self.change(wish, is_paid=choice % 4 != 0),
            "plan": lambda: change_at_period_end(self.id, wish, why=self.why("change_planned"), **who),
            "pause": lambda: pause(self.id, until=None, why=self.why("paused"), **who),
            "unpause": lambda: unpause(self.id, why=self.why("unpaused"), **who),
            "cancel_later": lambda: cancel_at_period_end(self.id, why=self.why("canceled"), **who),
            "resume": lambda: resume(self.id, why=self.why("resumed"), **who),
            "cancel_now": lambda: cancel_now(self.id, why=self.why("canceled"), policy="none", **who),
            "wait": lambda: None,
        }
        deeds[action]()

    def change(self, wish: ChangeWish, *, is_paid: bool) -> None:
        invoice = change_now(self.id, wish, user_id=self.user.id, why=self.why("changed")).invoice
        if invoice is not None and is_paid:
            self.settle(invoice)

    def check(self) -> None:
        row = self.row
        counted = list(Period.objects.filter(subscription=row, status="paid").order_by("starts_at"))
        paused = set(Pause.objects.filter(subscription=row).values_list("paused_at", "ended_at"))
        for one, following in pairwise(counted):
            gap = (one.ends_at, following.starts_at)
            assert one.ends_at == following.starts_at or gap in paused, (gap, paused)
            assert one.number < following.number
        assert Period.objects.filter(subscription=row, status="open").count() == 0
        if row.status in ("active", "trialing"):
            last: datetime = counted[-1].ends_at
            assert row.period_ends_at == last == row.due_at
            assert row.period_number == counted[-1].number
            assert [1 for one in counted if one.starts_at <= self.now < one.ends_at] == [1]
        invoices = Invoice.objects.filter(subscription=row)
        assert all(invoice.due_minor >= 0 for invoice in invoices)
        assert row.credit_minor >= 0


@pytest.fixture
def prices(platform: Merchant) -> dict[str, list[Price]]:
    make_catalogue()
    made: dict[str, list[Price]] = {currency: [] for currency in CURRENCIES}
    for number, (interval, count) in enumerate(TERMS):
        plan = make_plan(f"plan-{number}", tier="premium")
        for currency in CURRENCIES:
            terms = {"interval": interval, "interval_count": count}
            made[currency].append(make_price(plan, 1_999 * (number + 1), currency, **terms))
    return made


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    zone=st.sampled_from(sorted(zone_names())),
    currency=st.sampled_from(CURRENCIES),
    first=st.integers(0, len(TERMS) - 1),
    history=steps,
)
def test_any_sequence_of_wishes_leaves_whole_periods_and_whole_books(
    prices: dict[str, list[Price]], zone: str, currency: str, first: int, history: list[tuple[str, int, int]]
) -> None:
    life = Life(prices[currency], prices[currency][first], zone=zone)
    for action, choice, seconds in history:
        life.pass_time(seconds)
        life.check()
        with suppress(Conflict), transaction.atomic():  # an honest refusal; anything else fails the test
            life.act(action, choice)
        life.check()
    life.pass_time(70 * 86_400)
    life.check()
    assert run_checks() == []


def test_the_books_are_whole_after_a_long_life(prices: dict[str, list[Price]]) -> None:
    life = Life(prices["USD"], prices["USD"][1], zone="Europe/Berlin")
    for number in range(12):
        life.pass_time(17 * 86_400)
        life.act("change", 5 + 2 * (number % 2))  # never the one that it has
        life.check()
    assert_books_are_whole()
