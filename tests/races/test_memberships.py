"""Renewals beside what members and staff do in the same instant: one charge a period, no time lost or given twice."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from memberships.checks import run_all_checks
from memberships.models import Invoice, Period, Price, Subscription
from memberships.renewals.stepping import renew_due, step_due
from memberships.subscriptions import changing
from memberships.subscriptions.cancelling import cancel_now
from memberships.subscriptions.changing import ChangeWish, change_now
from memberships.subscriptions.pausing import pause
from memberships.subscriptions.recording import Why
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.money import Money
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders.charging import pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.models import Order, Payment
from payments.orders.refunds import RefundOrder, request_refund
from payments.routing.models import GatewayAccount
from tests.actors import assert_books_are_whole, run_background
from tests.memberships.factories import make_catalogue, make_price
from tests.memberships.renewal_stage import Stage, assert_periods_tile, fresh, renewal_of
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 20


@pytest.fixture
def stage(platform: Merchant, account: GatewayAccount, sandbox: SandboxProvider) -> Stage:
    return Stage(make_catalogue(), platform, account, sandbox)


def beat() -> str:
    renew_due()
    step_due()
    return "beat"


def settle_down() -> None:
    """Everything that is due now, and what a beat that met somebody else put off."""
    for _round in range(3):
        run_background()
        over = Subscription.objects.filter(status__in=["active", "trialing"], period_ends_at__lte=database_now())
        over.update(due_at=database_now())
        beat()
    run_background()


def judge(stage: Stage, tally: Tally, members: Sequence[Subscription]) -> None:
    tally.assert_no_surprise()
    for member in members:
        paid = Payment.objects.filter(order__user_id=member.user_id, status="succeeded", is_surplus=False)
        assert len({payment.order_id for payment in paid}) == len(paid)
    amounts = dict(Order.objects.values_list("id", "amount_minor"))
    assert {order: taken for order, taken in stage.taken().items() if taken != amounts[order]} == {}
    assert run_all_checks() == []
    assert_books_are_whole()


def why(kind: str, member: Subscription) -> Why:
    return Why(kind, member.user_id, database_now())


def nearly_over(stage: Stage, **more: Any) -> Subscription:
    """Over in the instant of the race: whoever looks first finds the period running, the others find it over."""
    return stage.member(ago=timedelta(milliseconds=-25), **more)


def due_at_once(member: Subscription) -> str:
    Subscription.objects.filter(id=member.id, status="active").update(due_at=database_now())
    return beat()


def test_a_renewal_and_a_pause_lose_no_time_and_charge_once(stage: Stage, crew: Crew, tally: Tally) -> None:
    members = []
    for _trial in range(TRIALS):
        member = nearly_over(stage)
        members.append(member)

        def wait(member: Subscription = member) -> str:
            return str(pause(member.id, until=None, user_id=member.user_id, why=why("paused", member)).status)

        tally.note(crew.at_once(beat, wait, beat))
        settle_down()
        now = fresh(member)
        open_time = now.pauses.filter(ended_at=None).count()
        assert (now.status, open_time) in {("paused", 1), ("active", 0)}
        assert stage.taken().get(order_of(member), 0) in (0, 1999)
        if now.status == "active":
            assert (now.period_number, stage.taken()[order_of(member)]) == (2, 1999)
    judge(stage, tally, members)


def test_a_renewal_and_a_cancel_now_keep_no_money_for_time_not_given(stage: Stage, crew: Crew, tally: Tally) -> None:
    members = []
    for _trial in range(TRIALS):
        member = stage.member()
        members.append(member)

        def end(member: Subscription = member) -> str:
            wish = why("canceled", member)
            return str(cancel_now(member.id, user_id=member.user_id, why=wish).subscription.status)

        tally.note(crew.at_once(beat, end, beat))
        settle_down()
        now = fresh(member)
        assert (now.status, now.period_number) in {("ended", 1), ("ended", 2), ("active", 2)}
        assert not Period.objects.filter(subscription=member, status="open").exists()
        if now.status == "ended" and now.period_number == 2:
            (payment,) = Payment.objects.filter(order_id=order_of(member), status="succeeded")
            assert payment.refunded_minor + payment.refund_pending_minor >= 1998, "time that was not used is given back"
        if now.status == "ended" and now.period_number == 1:
            assert stage.taken().get(order_of(member), 0) == 0
    judge(stage, tally, members)


def test_two_changes_at_once_leave_one_to_be_paid(stage: Stage, crew: Crew, tally: Tally) -> None:
    dearest = make_price(Price.objects.get(plan__code="platinum").plan, 49900, interval="year")
    wishes = [Price.objects.get(plan__code="platinum", interval="month").id, dearest.id]
    members = []
    for _trial in range(TRIALS):
        member = running(stage)
        members.append(member)
        tally.note(crew.at_once(*[partial(ask_for_change, member, price) for price in wishes * 2]))
        (invoice,) = open_changes(member)
        assert invoice.order is not None
        assert pay_order(invoice.order, PayInstruction(method="card")).status == "succeeded"
        settle_down()
        assert fresh(member).period_number == 2
        assert fresh(member).price_id in wishes
        assert_periods_tile([member])
    judge(stage, tally, members)


def test_a_refund_of_the_last_period_and_a_renewal_leave_one_truth(stage: Stage, crew: Crew, tally: Tally) -> None:
    """The running period's money goes back as the next one begins."""
    members = []
    for _trial in range(TRIALS):
        member = renewed(stage)
        members.append(member)
        (payment,) = Payment.objects.filter(order_id=order_of(member), status="succeeded")
        end_running_period(member)

        def refund(payment_id: str = payment.id) -> str:
            request_refund(RefundOrder(payment_id, Money(1999, "USD"), "kindness", "usr_staff"))
            run_background()
            return "asked"

        tally.note(crew.at_once(partial(due_at_once, member), refund))
        settle_down()
        now = fresh(member)
        assert (now.status, now.period_number) in {("ended", 2), ("ended", 3), ("active", 3)}
        assert not Period.objects.filter(subscription=member, status="open").exists()
        kept = sum(
            payment.captured_minor - payment.refunded_minor
            for payment in Payment.objects.filter(order__user_id=member.user_id)
        )
        assert kept == (1999 if now.status == "active" else 0)
    judge(stage, tally, members)


def test_paying_now_beside_two_retries_takes_the_money_once(stage: Stage, crew: Crew, tally: Tally) -> None:
    members = []
    for _trial in range(TRIALS):
        member = stage.member(script="decline(insufficient_funds)")
        members.append(member)
        beat()
        run_background()
        stage.mend(member)
        order = renewal_of(member).order
        assert order is not None
        member.dunnings.update(next_retry_at=database_now())
        Subscription.objects.filter(id=member.id).update(due_at=database_now())
        tally.note(crew.at_once(beat, lambda order=order: str(pay_order(order, PayInstruction("card")).status), beat))
        settle_down()
        assert (fresh(member).status, fresh(member).period_number) == ("active", 2)
        assert stage.taken()[order.id] == 1999
    judge(stage, tally, members)


def test_without_the_lock_two_changes_are_open_at_once(
    stage: Stage, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the tests above can fail: the same wishes, and nobody locks the subscription."""

    def only_read(subscription_id: str, **_more: Any) -> Subscription:
        return Subscription.objects.get(id=subscription_id)

    monkeypatch.setattr(changing, "lock_subscription", only_read)
    price = Price.objects.get(plan__code="platinum").id
    most = 0
    for _trial in range(TRIALS):
        member = running(stage)
        crew.at_once(*[partial(ask_for_change, member, price)] * 4)
        most = max(most, len(open_changes(member)))
        if most > 1:
            break
    assert most > 1, "no two changes met: the race is not one"


def order_of(member: Subscription) -> str:
    rows = Invoice.objects.filter(subscription=member, kind="renewal").order_by("id")
    return str(rows.values_list("order_id", flat=True).last())


def running(stage: Stage) -> Subscription:
    """In the middle of its first period."""
    return stage.member(started=database_now() - timedelta(days=10))


def renewed(stage: Stage) -> Subscription:
    member = stage.member()
    beat()
    run_background()
    assert fresh(member).period_number == 2
    return member


def end_running_period(member: Subscription) -> None:
    """Behind the services' back: its second period, which was bought, is over by now."""
    now = database_now()
    Period.objects.filter(subscription=member, number=2).update(ends_at=now)
    Subscription.objects.filter(id=member.id).update(period_ends_at=now)


def ask_for_change(member: Subscription, price_id: str) -> str:
    change_now(member.id, ChangeWish(price_id=price_id), user_id=member.user_id, why=why("changed", member))
    return "asked"


def open_changes(member: Subscription) -> list[Invoice]:
    rows = Invoice.objects.filter(subscription=member, kind="change", status="open")
    return list(rows.select_related("order"))
