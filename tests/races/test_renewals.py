"""Whoever meets a renewal (another beat, the member, their new card, the provider's callbacks), it is charged once."""

import time
from collections.abc import Sequence

import pytest
from django.conf import LazySettings

from memberships.models import Price, Subscription
from memberships.renewals.opening import open_due_periods
from memberships.renewals.paying_now import retry_at_once
from memberships.renewals.stepping import renew_due, step_due
from memberships.subscriptions.cancelling import cancel_at_period_end
from memberships.subscriptions.changing import ChangeWish, change_now
from memberships.subscriptions.collection import Collecting, set_collection
from memberships.subscriptions.recording import Why
from merchants.models import Merchant
from paycore import outbox
from paycore.clock import database_now
from paycore.money import Money
from payments.errors import OrderNotOpen, PaymentInProgress
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders.charging import pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from tests.actors import assert_books_are_whole, post_callback, run_background
from tests.conftest import SANDBOX_SECRET
from tests.memberships.factories import make_catalogue
from tests.memberships.renewal_stage import Stage, assert_periods_tile, fresh, pass_until, periods_of, renewal_of
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 12


class ProviderClock:
    """The provider's time, in Unix seconds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        self.ahead += seconds


@pytest.fixture
def provider_clock() -> ProviderClock:
    return ProviderClock()


@pytest.fixture
def sandbox(provider_clock: ProviderClock) -> SandboxProvider:
    return SandboxProvider(secrets=[SANDBOX_SECRET], base_url="http://sandbox.test", clock=provider_clock)


@pytest.fixture
def stage(platform: Merchant, account: GatewayAccount, sandbox: SandboxProvider) -> Stage:
    return Stage(make_catalogue(), platform, account, sandbox)


def beat() -> str:
    renew_due()
    step_due()
    return "beat"


def settle_down(members: Sequence[Subscription]) -> None:
    for _round in range(3):
        run_background()
        ids = [member.id for member in members]
        rows = Subscription.objects.filter(id__in=ids, status__in=["active", "trialing"])
        for row in rows:
            now = database_now(subject=row.user_id)
            if row.period_ends_at is not None and row.period_ends_at <= now:
                rows.filter(id=row.id).update(due_at=now)
        beat()
    run_background()


def judge(stage: Stage, tally: Tally, members: Sequence[Subscription]) -> None:
    tally.assert_no_surprise()
    assert_periods_tile(members)
    assert max(stage.taken().values(), default=0) <= 1999, stage.taken()
    assert_books_are_whole()


def test_beats_at_once_renew_everybody_once(stage: Stage, crew: Crew, tally: Tally) -> None:
    members: list[Subscription] = []
    for _trial in range(4):
        new = [stage.member() for _number in range(6)]
        members += new
        tally.note(crew.at_once(*[beat] * 4))
        settle_down(new)
        assert [fresh(member).period_number for member in new] == [2] * 6
    assert stage.charges() == len(members)
    judge(stage, tally, members)


def test_a_renewal_and_a_cancellation_leave_one_truth(stage: Stage, crew: Crew, tally: Tally) -> None:
    members = []
    for _trial in range(TRIALS):
        member = stage.member()
        members.append(member)

        def cancel(member: Subscription = member) -> str:
            why = Why("cancel_planned", member.user_id, database_now())
            cancel_at_period_end(member.id, user_id=member.user_id, why=why)
            return "canceled"

        tally.note(crew.at_once(beat, cancel))
        settle_down([member])
        now = fresh(member)
        if now.status == "ended":
            assert periods_of(member)[0] == (1, "paid", "paid")
            assert renewal_count(member) == 0 or renewal_of(member).status in ("void", "uncollectible")
        else:
            assert (now.period_number, now.status) == (2, "active")
    judge(stage, tally, members)


def test_a_renewal_and_an_upgrade_charge_for_each_second_once(stage: Stage, crew: Crew, tally: Tally) -> None:
    dearer = Price.objects.get(plan__code="platinum")
    members = []
    for _trial in range(TRIALS):
        member = stage.member()
        members.append(member)

        def upgrade(member: Subscription = member) -> str:
            why = Why("changed", member.user_id, database_now())
            change_now(member.id, ChangeWish(price_id=dearer.id), user_id=member.user_id, why=why)
            return "asked"

        tally.note(crew.at_once(beat, upgrade))
        settle_down([member])
        assert (fresh(member).status, fresh(member).period_number) == ("active", 2)
    judge(stage, tally, members)


def test_paying_now_and_a_retry_take_the_money_once(
    stage: Stage, crew: Crew, tally: Tally, settings: LazySettings
) -> None:
    settings.PAYCORE_SANDBOX_MODE = True
    members = []
    for _trial in range(TRIALS):
        member = overdue(stage)
        members.append(member)
        stage.mend(member)
        due_at = fresh(member).due_at
        assert due_at is not None
        pass_until(member, due_at)
        order = renewal_of(member).order
        assert order is not None

        def pay(order: object = order) -> str:
            try:
                return pay_order(order, PayInstruction(method="card")).status  # type: ignore[arg-type]  # bound above
            except (PaymentInProgress, OrderNotOpen) as error:
                return error.code

        tally.note(crew.at_once(beat, pay))
        settle_down([member])
        assert (fresh(member).status, fresh(member).period_number) == ("active", 2)
        assert stage.taken()[order.id] == 1999
    judge(stage, tally, members)


def test_a_new_card_and_a_retry_take_the_money_once(
    stage: Stage, crew: Crew, tally: Tally, settings: LazySettings
) -> None:
    settings.PAYCORE_SANDBOX_MODE = True
    members = []
    for _trial in range(TRIALS):
        member = overdue(stage)
        members.append(member)
        card = stage.card(member.user)
        due_at = fresh(member).due_at
        assert due_at is not None
        pass_until(member, due_at)

        def change(member: Subscription = member, method_id: str = card.id) -> str:
            set_collection(
                member.id,
                Collecting("method", method_id),
                user_id=member.user_id,
                amount=Money(1999, "USD"),
                by=member.user_id,
                now=database_now(),
            )
            retry_at_once(member.id)
            beat()
            return "changed"

        tally.note(crew.at_once(beat, change))
        settle_down([member])
        assert (fresh(member).status, fresh(member).period_number) == ("active", 2)
    assert stage.charges() == len(members)
    judge(stage, tally, members)


def test_thirty_five_callbacks_of_a_renewal_move_it_once(
    provider_clock: ProviderClock, stage: Stage, crew: Crew, tally: Tally
) -> None:
    member = stage.member()
    open_due_periods()
    stage.script_next(member, "succeed_after(30)")
    Subscription.objects.filter(id=member.id).update(due_at=database_now())
    beat()
    assert Payment.objects.get().status in ("processing", "submitting")
    provider_clock.advance(60)
    (callback, *_rest) = stage.sandbox.take_callbacks()
    for _round in range(5):
        tally.note(crew.at_once(*[lambda: str(post_callback(*callback))] * 7, outbox_pass))
    settle_down([member])
    assert (fresh(member).status, fresh(member).period_number) == ("active", 2)
    assert member.changes.filter(kind="renewed").count() == 1
    judge(stage, tally, [member])


def outbox_pass() -> str:
    outbox.drain()
    return "drained"


def overdue(stage: Stage) -> Subscription:
    member = stage.member(script="decline(insufficient_funds)")
    beat()
    run_background()
    assert fresh(member).status == "past_due"
    return member


def renewal_count(member: Subscription) -> int:
    return member.invoices.filter(kind="renewal").count()
