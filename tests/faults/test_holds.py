"""Payments that risk control holds, killed between every two commits: held once, sent once or never."""

import pytest
from django.db.models.functions import Now

from paycore import outbox
from paycore.fresh import forget_everything
from payments.orders.models import Order, Payment
from riskcontrol.cases import decide_case
from riskcontrol.models import Case, Rule
from tests.faults.cuts import CUTS
from tests.faults.grid import PAY_BEHAVIOURS, has_an_answer, new_order, pay_request
from tests.faults.recovery import ACTORS, expect_one_answer, settle
from tests.faults.world import Request, World
from tests.merchants.factories import make_user


@pytest.fixture(autouse=True)
def _all_is_reviewed(world: World) -> None:
    rule = {"expression": f'merchant_id == "{world.merchant.id}"', "action": "review", "mode": "active"}
    Rule.objects.get_or_create(name="all of this shop", defaults=rule)
    forget_everything()


def request_for(world: World, scenario: str) -> tuple[Order, Request]:
    order = new_order(world.server)
    request = pay_request(world, order, scenario=scenario)
    request.kind = "hold"
    return order, request


def decide(payment: Payment, verdict: str) -> None:
    case = Case.objects.get(object_id=payment.id, status="open")
    decide_case(case_id=case.id, verdict=verdict, note="looked", by_id=make_user().id)


def held(world: World, order: Order, request: Request) -> Payment:
    """As it must be after the caller's repeat: one payment, one case."""
    world.time_passes()
    request.repeat()
    [payment] = order.payments.all()
    world.expect((payment.status, payment.hold) == ("created", "review"), f"{payment.status} {payment.hold}")
    cases = Case.objects.filter(object_id=payment.id, status="open").count()
    world.expect(cases == 1, f"{cases} cases")
    world.expect(not world.kept_for(order.id), "it left the house")
    return payment


@pytest.mark.parametrize("verdict", ["approved", "rejected"])
@pytest.mark.parametrize("cut", CUTS["hold"])
def test_a_hold_killed_anywhere_holds_once_and_waits_for_a_person(world: World, cut: str, verdict: str) -> None:
    order, request = request_for(world, "approve")
    request.die_at(cut)
    payment = held(world, order, request)
    decide(payment, verdict)
    settle(world, request, order)
    ended = world.judge(order.id)
    expect_one_answer(world, request)
    world.expect(ended.status == ("paid" if verdict == "approved" else "open"), f"the order ended {ended.status}")
    world.verdict()


def send_killed(world: World, *, cut: str, behaviour: str, actor: str) -> None:
    about = PAY_BEHAVIOURS[behaviour]
    order, request = request_for(world, about.scenario)
    decide(held(world, order, request), "approved")
    outbox.drain()
    if cut != "answer_received" or has_an_answer(about.scenario):
        world.doomed.die_doing({"kind": "send_held", "cut": cut})
    ACTORS[actor](world, request, order)
    settle(world, request, order)
    ended = world.judge(order.id)
    expect_one_answer(world, request)
    ends = about.ends | ({"canceled", "paid", "expired"} if actor == "the_order_is_canceled" else set())
    world.expect(ended.status in ends, f"the order ended {ended.status}")
    world.expect(order.payments.count() == 1, "more than one payment")
    world.verdict()


@pytest.mark.parametrize("cut", CUTS["send_held"])
def test_a_released_payment_killed_anywhere_is_sent_once(world: World, cut: str) -> None:
    send_killed(world, cut=cut, behaviour="approves", actor="the_clock_comes_first")


@pytest.mark.faults
@pytest.mark.parametrize("actor", ["the_clock_comes_first", "all_come_at_once", "the_order_is_canceled"])
@pytest.mark.parametrize("behaviour", PAY_BEHAVIOURS)
@pytest.mark.parametrize("cut", CUTS["send_held"])
def test_a_released_payment_comes_to_one_end(world: World, cut: str, behaviour: str, actor: str) -> None:
    send_killed(world, cut=cut, behaviour=behaviour, actor=actor)


@pytest.mark.parametrize("cut", CUTS["withdraw_held"])
def test_a_withdrawal_killed_anywhere_is_finished_by_the_clock(world: World, cut: str) -> None:
    order, request = request_for(world, "approve")
    payment = held(world, order, request)
    Payment.objects.filter(id=payment.id).update(held_until=Now(), next_attempt_at=Now())
    world.doomed.die_doing({"kind": "withdraw_held", "cut": cut})
    settle(world, request, order)
    ended = world.judge(order.id)
    payment.refresh_from_db()
    world.expect((payment.status, ended.status) == ("canceled", "open"), f"{payment.status}, order {ended.status}")
    world.expect(not Case.objects.filter(object_id=payment.id, status="open").exists(), "its case is open")
    world.verdict()
