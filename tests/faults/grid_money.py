"""Cells of what happens to money that was taken or is held: refunds, captures, cancellations."""

from collections.abc import Callable
from itertools import product
from typing import Any

from payments.orders.models import Capture, Order, Payment, Refund
from tests.faults.cuts import CUTS
from tests.faults.grid import cells, has_an_answer, kill_if_reached, new_order
from tests.faults.recovery import ACTORS, approve_what_waits, expect_one_answer
from tests.faults.world import Request, World

REFUND_BEHAVIOURS = {
    "gives_back": ("approve", "succeeded"),
    "repeats_itself": ("duplicate_callbacks(3)", "succeeded"),
    "takes_its_time": ("refund_pending_then_success(5)", "succeeded"),
    "declines": ("refund_decline", "failed"),
    "declines_late": ("refund_pending_then_decline(5)", "failed"),
    "is_silent_after_effect": ("refund_timeout_after_effect", "succeeded"),
    "is_silent_before_effect": ("refund_timeout_before_effect", "succeeded"),
    "breaks_after_effect": ("refund_error_5xx_after_effect", "succeeded"),
    "breaks_before_effect": ("refund_error_5xx_before_effect", "succeeded"),
    "tears_its_answer": ("refund_torn_answer", "succeeded"),
    "is_silent_when_asked": ("refund_timeout_after_effect+fetch_refund_timeout_before_effect(2)", "succeeded"),
}
CAPTURE_BEHAVIOURS = {
    "takes": "approve",
    "is_silent_after_effect": "capture_timeout_after_effect",
    "is_silent_before_effect": "capture_timeout_before_effect",
    "breaks_after_effect": "capture_error_5xx_after_effect",
    "tears_its_answer": "capture_torn_answer",
    "is_silent_about_the_rest": "void_timeout_after_effect",
    "breaks_about_the_rest": "void_error_5xx_before_effect",
}
CANCEL_BEHAVIOURS = {
    "closes": "require_action",
    "is_silent_after_effect": "require_action+close_timeout_after_effect",
    "is_silent_before_effect": "require_action+close_timeout_before_effect",
    "breaks_after_effect": "require_action+close_error_5xx_after_effect",
}
PART = 600


def the_gateway_is_down_for_all(world: World, request: Request, order: Order) -> None:
    world.time_passes()
    with world.gateway_down():
        request.repeat()
        world.workers_pass()


def all_is_refunded_otherwise(world: World, request: Request, order: Order) -> None:
    """Another refund of all that is left: together they must fit."""
    answer = request.server.post("/refunds", {"payment": latest(order).id, "reason": "all"})
    world.expect(answer.status_code in (201, 409), f"the other refund was answered {answer.status_code}")


def the_payment_is_voided(world: World, request: Request, order: Order) -> None:
    answer = request.server.post(f"/payments/{latest(order).id}/void")
    world.expect(answer.status_code in (200, 409), f"void was answered {answer.status_code}")


def the_payer_approves(world: World, request: Request, order: Order) -> None:
    approve_what_waits(world, order)


_COMMON = {
    name: ACTORS[name]
    for name in (
        "nobody",
        "the_caller_repeats",
        "an_impatient_caller_repeats",
        "the_repeat_dies_too",
        "callbacks_come_first",
        "the_clock_comes_first",
        "all_come_at_once",
    )
}
Acts = dict[str, Callable[[World, Request, Order], None]]
REFUND_ACTORS: Acts = _COMMON | {act.__name__: act for act in (the_gateway_is_down_for_all, all_is_refunded_otherwise)}
CAPTURE_ACTORS: Acts = _COMMON | {act.__name__: act for act in (the_gateway_is_down_for_all, the_payment_is_voided)}
CANCEL_ACTORS: Acts = {name: act for name, act in _COMMON.items() if name not in ("an_impatient_caller_repeats",)} | {
    "the_payer_approves": the_payer_approves
}


CORE_ACTORS = ("the_caller_repeats", "the_clock_comes_first", "all_come_at_once")


def refund_cells() -> list[Any]:
    core = ("gives_back", "is_silent_after_effect", "takes_its_time")
    return cells(product(CUTS["refund"], REFUND_BEHAVIOURS, REFUND_ACTORS), behaviours=core, actors=CORE_ACTORS)


def capture_cells() -> list[Any]:
    core = ("takes", "is_silent_after_effect")
    return cells(product(CUTS["capture"], CAPTURE_BEHAVIOURS, CAPTURE_ACTORS), behaviours=core, actors=CORE_ACTORS)


def cancel_cells() -> list[Any]:
    return cells(product(CUTS["cancel"], CANCEL_BEHAVIOURS, CANCEL_ACTORS), behaviours=("closes",), actors=CORE_ACTORS)


def run_refund_cell(world: World, *, cut: str, behaviour: str, actor: str) -> None:
    scenario, end = REFUND_BEHAVIOURS[behaviour]
    order, payment = taken_payment(world, scenario=scenario)
    request = Request(
        world=world,
        kind="refund",
        path="/refunds",
        body={"payment": payment.id, "amount_minor": PART, "reason": "broken"},
        key=f"refund-{payment.id}",
        server=world.server,
    )
    kill_if_reached(
        request,
        cut,
        always_reached=cut not in ("answer_received", "in_record", "after_record") or has_an_answer(scenario),
    )
    REFUND_ACTORS[actor](world, request, order)
    finish(world, request)
    ended = world.judge(order.id)
    expect_one_answer(world, request)
    refunds = list(Refund.objects.filter(payment=payment))
    statuses = {refund.status for refund in refunds}
    is_shared = actor == "all_is_refunded_otherwise"
    world.expect(len(refunds) == 1 or (is_shared and len(refunds) == 2), f"{len(refunds)} refunds")
    world.expect(statuses == {end}, f"refunds ended {statuses}")
    world.expect(ended.status == "paid" or is_shared, f"the order ended {ended.status}")
    world.expect(request.answers[-1][0] == 201 or is_shared, f"the repeat was answered {request.answers[-1]}")
    world.verdict()


def run_capture_cell(world: World, *, cut: str, behaviour: str, actor: str) -> None:
    """A part is taken, finally: the rest of the hold is let go by the same work."""
    scenario = CAPTURE_BEHAVIOURS[behaviour]
    order, payment = held_payment(world, scenario=scenario)
    request = Request(
        world=world,
        kind="capture",
        path=f"/payments/{payment.id}/capture",
        body={"amount_minor": PART},
        key=f"capture-{payment.id}",
        server=world.server,
    )
    early = ("in_request", "after_request", "in_mark", "after_mark", "bytes_sent")
    kill_if_reached(request, cut, always_reached=cut in early or has_an_answer(scenario))
    CAPTURE_ACTORS[actor](world, request, order)
    finish(world, request)
    ended = world.judge(order.id)
    expect_one_answer(world, request)
    payment.refresh_from_db()
    captures = [capture.status for capture in Capture.objects.filter(payment=payment)]
    if actor == "the_payment_is_voided" and payment.status == "canceled":
        world.expect("succeeded" not in captures, f"voided, yet captures are {captures}")
    else:
        found = (ended.status, payment.status, payment.captured_minor, captures)
        world.expect(found == ("paid", "succeeded", PART, ["succeeded"]), f"it ended {found}")
        world.expect(request.answers[-1][0] == 201, f"the repeat was answered {request.answers[-1]}")
    world.verdict()


def run_cancel_cell(world: World, *, cut: str, behaviour: str, actor: str) -> None:
    scenario = CANCEL_BEHAVIOURS[behaviour]
    order = new_order(world.server)
    answer = world.server.pay(order.id, scenario=scenario)
    assert answer.json()["status"] == "requires_action", answer.content
    request = Request(
        world=world,
        kind="cancel",
        path=f"/orders/{order.id}/cancel",
        body={},
        key=f"cancel-{order.id}",
        server=world.server,
    )
    kill_if_reached(request, cut, always_reached=cut == "bytes_sent" or has_an_answer(scenario))
    CANCEL_ACTORS[actor](world, request, order)
    finish(world, request)
    ended = world.judge(order.id)
    allowed = {"canceled", "paid"} if actor == "the_payer_approves" else {"canceled"}
    world.expect(ended.status in allowed, f"the order ended {ended.status}")
    world.verdict()


def finish(world: World, request: Request) -> None:
    """Time passes, callbacks and the clock come, the caller repeats until it has its answer."""
    for _round in range(4):
        world.time_passes()
        world.deliver()
        world.workers_pass()
        request.repeat()
    world.time_passes()
    world.deliver()
    world.workers_pass()


def taken_payment(world: World, *, scenario: str) -> tuple[Order, Payment]:
    order = new_order(world.server)
    answer = world.server.pay(order.id, scenario=scenario)
    assert answer.json()["status"] == "succeeded", answer.content
    settle_news(world)
    return order, latest(order)


def held_payment(world: World, *, scenario: str) -> tuple[Order, Payment]:
    order = new_order(world.server, capture_method="manual")
    answer = world.server.pay(order.id, scenario=scenario)
    assert answer.json()["status"] == "authorized", answer.content
    settle_news(world)
    return order, latest(order)


def settle_news(world: World) -> None:
    world.deliver()
    world.workers_pass()


def latest(order: Order) -> Payment:
    return order.payments.latest("id")
