"""Who else acts after the crash. Each actor is a step of ordinary traffic; afterwards everything settles."""

from collections.abc import Callable

from payments.orders.models import Order, Payment
from tests.faults.world import Request, World

Actor = Callable[[World, Request, Order], None]


def nobody(world: World, request: Request, order: Order) -> None:
    """The client and the clock only (they come anyway, in ``settle``)."""


def the_caller_repeats(world: World, request: Request, order: Order) -> None:
    world.time_passes()
    request.repeat()


def an_impatient_caller_repeats(world: World, request: Request, order: Order) -> None:
    """While the dead process's lease still runs."""
    status, answer = request.repeat()
    world.expect(
        status == 201 or answer["code"] in ("idempotency_key_busy", "order_not_open", "payment_in_progress"),
        f"the impatient repeat was answered {status} {answer}",
    )


def the_repeat_dies_too(world: World, request: Request, order: Order) -> None:
    """At the same place, where it is reached again; otherwise the repeat comes through."""
    world.time_passes()
    world.doomed.do(request.job(request.cut))


def callbacks_come_first(world: World, request: Request, order: Order) -> None:
    world.deliver()
    world.workers_pass()


def the_clock_comes_first(world: World, request: Request, order: Order) -> None:
    world.time_passes()
    world.workers_pass()


def all_come_at_once(world: World, request: Request, order: Order) -> None:
    world.time_passes()
    world.at_once(request.repeat, world.workers_pass, world.deliver)


def the_gateway_is_down_for_the_repeat(world: World, request: Request, order: Order) -> None:
    world.time_passes()
    with world.gateway_down():
        request.repeat()


def another_key_pays(world: World, request: Request, order: Order) -> None:
    answer = request.server.pay(order.id, scenario="approve")
    world.expect(answer.status_code in (201, 409), f"another key was answered {answer.status_code}")


def the_order_is_canceled(world: World, request: Request, order: Order) -> None:
    answer = request.server.post(f"/orders/{order.id}/cancel")
    world.expect(answer.status_code in (200, 409), f"cancel was answered {answer.status_code}")


ACTORS: dict[str, Actor] = {
    actor.__name__: actor
    for actor in (
        nobody,
        the_caller_repeats,
        an_impatient_caller_repeats,
        the_repeat_dies_too,
        callbacks_come_first,
        the_clock_comes_first,
        all_come_at_once,
        the_gateway_is_down_for_the_repeat,
        another_key_pays,
        the_order_is_canceled,
    )
}


def settle(world: World, request: Request, order: Order) -> None:
    """The payer decides, time passes, callbacks and the clock come, the caller repeats until it has its answer."""
    all_pass(world, order, rounds=3)
    request.repeat()
    all_pass(world, order, rounds=2)
    if Payment.objects.filter(order_id=order.id, status="submitting").exists():
        # "Not found" stays unknown until the order's time is over and the gateway has closed it.
        world.orders_time_is_over(order.id)
        all_pass(world, order, rounds=1)
    request.repeat()


def all_pass(world: World, order: Order, *, rounds: int) -> None:
    for _round in range(rounds):
        approve_what_waits(world, order)
        world.time_passes()
        world.deliver()
        world.workers_pass()
    world.time_passes()


def approve_what_waits(world: World, order: Order) -> None:
    for payment in Payment.objects.filter(order_id=order.id, status="requires_action"):
        world.provider.approve(payment.id)


def expect_one_answer(world: World, request: Request) -> None:
    """From the first real answer on, every repeat is told the same, byte for byte."""
    answered = [answer for answer in request.answers if answer[0] == 201]
    world.expect(len(set(answered)) <= 1, f"repeats were told different things: {set(answered)}")
    if answered:
        first = request.answers.index(answered[0])
        world.expect(all(answer[0] == 201 for answer in request.answers[first:]), f"{request.answers[first:]}")
