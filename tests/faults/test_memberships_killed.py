"""A process dies at each commit of what happens to a membership, of a transaction or of a statement that is one of its
own: just before it, and just after. Whoever comes next brings it to the same end as if nobody had died."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections

from memberships import tasks
from memberships.checks import run_all_checks
from memberships.models import Invoice, Period, Price, Subscription, SubscriptionChange
from memberships.renewals import collecting
from memberships.subscriptions.cancelling import cancel_now
from memberships.subscriptions.pausing import pause
from memberships.subscriptions.recording import Why
from merchants.models import Merchant
from paycore import outbox
from paycore.clock import database_now
from paycore.errors import PaycoreError
from paycore.fresh import forget_everything
from paycore.notifications.models import Notification
from payments import tasks as payment_tasks
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, assert_books_are_whole
from tests.faults.membership_clock import SimulatedClock
from tests.faults.membership_weather import Doom, Killed
from tests.memberships.factories import make_catalogue
from tests.memberships.renewal_stage import Stage

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
FEWEST_COMMITS, MOST_COMMITS = 3, 200
HEIRS_COME_AFTER = (0, 2, 5, 12, 25, 40)
"""Minutes: leases end, and lost payments are asked about."""


@dataclass
class Scene:
    stage: Stage
    clock: SimulatedClock
    starts_at: datetime

    def work(self) -> None:
        """What one worker does at one time."""
        tasks.renew_memberships()
        tasks.advance_memberships()
        while outbox.drain():
            pass
        payment_tasks.sync_pending_payments()
        payment_tasks.advance_refunds()
        tasks.advance_memberships()
        while outbox.drain():
            pass

    def come_after(self, act: Callable[[], object]) -> None:
        died_at = self.clock.at
        for minutes in HEIRS_COME_AFTER:
            self.clock.set(died_at + timedelta(minutes=minutes))
            act()
            self.work()

    def state(self, user_id: str) -> dict[str, Any]:
        """All that a person could notice."""
        (row,) = Subscription.objects.filter(user_id=user_id)
        periods = Period.objects.filter(subscription=row).order_by("number")
        payments = Payment.objects.filter(order__user_id=user_id)
        orders = {str(payment.order_id) for payment in payments}
        return {
            "row": (str(row.status), row.period_number, row.retries, row.credit_minor, row.end_reason),
            "plan": (row.plan.code, row.cancel_at_period_end, row.payment_method_id is None),
            "periods": [(one.number, str(one.kind), str(one.status), self._days(one)) for one in periods],
            "invoices": sorted(self._money(user_id)),
            "payments": sorted((str(one.status), one.captured_minor, one.refunded_minor) for one in payments),
            "taken": sorted(taken for order, taken in self.stage.taken().items() if order in orders),
            "history": sorted(SubscriptionChange.objects.filter(subscription=row).values_list("kind", flat=True)),
            "told": sorted(Notification.objects.filter(user_id=user_id).values_list("template", flat=True)),
        }

    def _days(self, period: Period) -> int:
        """How long; one that was cut lasted for as long as it took to cut it."""
        return round((period.ends_at - period.starts_at) / timedelta(days=1))

    def _money(self, user_id: str) -> list[tuple[str, str, int]]:
        rows = Invoice.objects.filter(user_id=user_id)
        return [(str(row.kind), str(row.status), row.total_minor) for row in rows]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def doom() -> Iterator[Doom]:
    made = Doom()
    with made.installed():
        yield made


@pytest.fixture
def scene(platform: Merchant, account: GatewayAccount, sandbox: SandboxProvider) -> Iterator[Scene]:
    forget_everything()
    starts_at = database_now().replace(microsecond=0)
    clock = SimulatedClock()
    clock.at = starts_at
    clock.install()
    yield Scene(Stage(make_catalogue(), platform, account, sandbox), clock, starts_at)
    clock.remove()
    connections.close_all()


def prove(
    scene: Scene, doom: Doom, prepare: Callable[[], str], act: Callable[[str], object], *, comes_to: tuple[str, int]
) -> None:
    """``prepare`` answers a new user's id; ``act`` is done to them by a process that dies at its nth commit, and then
    by whoever repeats it. ``comes_to`` is the status and the period that it ends with."""

    def play(fate: tuple[int, str] | None) -> tuple[bool, dict[str, Any]]:
        scene.clock.set(scene.starts_at)
        user_id = prepare()
        is_dead = False
        if fate:
            doom.await_death(nth=fate[0], moment=fate[1])
        try:
            act(user_id)
        except Killed:
            is_dead = True
        finally:
            doom.spare()
        scene.come_after(lambda: act(user_id) if is_dead else None)
        return is_dead, scene.state(user_id)

    _died, expected = play(None)
    assert expected["row"][:2] == comes_to
    for moment in ("before", "after"):
        for nth in count(1):
            is_dead, found = play((nth, moment))
            assert found == expected, f"killed {moment} commit {nth}"
            if not is_dead:
                assert FEWEST_COMMITS < nth < MOST_COMMITS
                break
    assert run_all_checks() == []
    assert_books_are_whole()


def test_joining_and_paying(scene: Scene, doom: Doom) -> None:
    people: dict[str, tuple[AppUser, str]] = {}
    numbers = count(1)

    def prepare() -> str:
        person = AppUser.signed_in(f"p{next(numbers)}@example.com")
        people[person.user.id] = (person, uuid4().hex)
        return person.user.id

    def join(user_id: str) -> None:
        """As an app does: the same keys when it does not know what became of a request."""
        person, key = people[user_id]
        made = person.post("/subscriptions", {"price": scene.stage.price.id}, key=f"{key}-1")
        if made.status_code != 201:
            return
        body = {"order": made.json()["order"]["id"], "method": "card"}
        person.post("/payments", body, key=f"{key}-2")
        scene.work()

    prove(scene, doom, prepare, join, comes_to=("active", 1))


def test_renewing(scene: Scene, doom: Doom) -> None:
    prove(scene, doom, lambda: scene.stage.member().user_id, lambda _user: scene.work(), comes_to=("active", 2))


def test_the_proof_can_fail(scene: Scene, doom: Doom, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody repeats what a dead process may never have asked for: killed after the statement that begins it, a charge
    is never made."""
    monkeypatch.setattr(collecting, "submit_again", lambda payment: payment)
    with pytest.raises(AssertionError, match=r"killed \w+ commit"):
        test_renewing(scene, doom)


@pytest.mark.parametrize("code", ["insufficient_funds", "lost_or_stolen"])
def test_failing_to_renew(scene: Scene, doom: Doom, code: str) -> None:
    prepare = member_declined(scene, code)
    prove(scene, doom, prepare, lambda _user: scene.work(), comes_to=("past_due", 1))


@pytest.mark.parametrize(("days", "comes_to"), [(3, ("suspended", 1)), (8, ("ended", 1))])
def test_falling_behind_to_the_end(scene: Scene, doom: Doom, days: int, comes_to: tuple[str, int]) -> None:
    """On the fourth day grace is over; on the ninth the last attempt was made, and the membership ends."""
    new = member_declined(scene, "insufficient_funds")

    def prepare() -> str:
        user_id = new()
        for day in range(days):
            scene.clock.set(scene.starts_at + timedelta(days=day))
            scene.work()
        scene.clock.move(timedelta(days=1))
        return user_id

    prove(scene, doom, prepare, lambda _user: scene.work(), comes_to=comes_to)


def test_changing_the_plan(scene: Scene, doom: Doom) -> None:
    dearer = Price.objects.get(plan__code="platinum")
    people: dict[str, tuple[AppUser, str]] = {}
    numbers = count(1)

    def prepare() -> str:
        person = AppUser.signed_in(f"c{next(numbers)}@example.com")
        scene.stage.member(user=person.user, started=scene.clock.at - timedelta(days=10))
        people[person.user.id] = (person, uuid4().hex)
        return person.user.id

    def change(user_id: str) -> None:
        person, key = people[user_id]
        member = Subscription.objects.get(user_id=user_id)
        answer = person.post(f"/subscriptions/{member.id}/change", {"price": dearer.id}, key=f"{key}-1")
        order = answer.json().get("order")
        if answer.status_code in (200, 201) and order:
            person.post("/payments", {"order": order["id"], "method": "card"}, key=f"{key}-2")
        scene.work()

    prove(scene, doom, prepare, change, comes_to=("active", 2))


@pytest.mark.parametrize("wish", ["cancel", "pause"])
def test_stopping(scene: Scene, doom: Doom, wish: str) -> None:
    """The wish is one transaction; what follows from it is the workers'."""

    def prepare() -> str:
        member = scene.stage.member()
        scene.work()
        return member.user_id

    def stop(user_id: str) -> None:
        member = Subscription.objects.get(user_id=user_id)
        why = Why(wish, user_id, database_now())
        try:
            if wish == "cancel":
                cancel_now(member.id, user_id=user_id, why=why)
            else:
                pause(member.id, until=None, user_id=user_id, why=why)
        except PaycoreError:
            pass  # it was heard before the process died
        scene.work()

    prove(scene, doom, prepare, stop, comes_to=("ended" if wish == "cancel" else "paused", 2))


def member_declined(scene: Scene, code: str) -> Callable[[], str]:
    return lambda: scene.stage.member(script=f"decline({code})").user_id
