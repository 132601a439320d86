"""The cells of the grid: crash point × gateway behaviour × who else acts. Later issues add rows to these tables."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest

from payments.orders.models import Order
from tests.actors import MerchantServer
from tests.faults.cuts import CUTS
from tests.faults.recovery import ACTORS, expect_one_answer, settle
from tests.faults.world import Request, World


@dataclass(frozen=True)
class Behaviour:
    """What the gateway does, and how an order may end that nobody else touched."""

    scenario: str
    ends: frozenset[str]


_PAID, _OPEN = frozenset({"paid"}), frozenset({"open"})
_PAID_OR_EXPIRED = frozenset({"paid", "expired"})

PAY_BEHAVIOURS = {
    "approves": Behaviour("approve", _PAID),
    "approves_and_repeats_itself": Behaviour("approve+duplicate_callbacks(3)", _PAID),
    "tells_older_news_last": Behaviour("approve+out_of_order_callbacks", _PAID),
    "never_calls_back": Behaviour("approve+no_callback", _PAID),
    "declines": Behaviour("decline(insufficient_funds)", _OPEN),
    "wants_the_payer": Behaviour("require_action", _PAID),
    "takes_its_time": Behaviour("succeed_after(5)", _PAID),
    "declines_then_succeeds": Behaviour("decline_then_succeed(5)", _PAID),
    "hides_it_for_a_while": Behaviour("approve+not_found_for(15)", _PAID),
    "is_silent_after_effect": Behaviour("timeout_after_effect", _PAID),
    "is_silent_before_effect": Behaviour("timeout_before_effect", _PAID_OR_EXPIRED),
    "breaks_after_effect": Behaviour("error_5xx_after_effect", _PAID),
    "breaks_before_effect": Behaviour("error_5xx_before_effect", _PAID_OR_EXPIRED),
    "tears_its_answer": Behaviour("torn_answer", _PAID),
    "does_not_sign_its_answer": Behaviour("unsigned_answer", _PAID),
    "claims_another_amount": Behaviour("approve+wrong_amount_callback", _PAID),
    "refuses": Behaviour("reject", frozenset({"open", "expired"})),
    "is_unavailable": Behaviour("unavailable", frozenset({"open", "expired"})),
}
TOUCHING = frozenset({"another_key_pays", "the_order_is_canceled"})


CORE_PAY_BEHAVIOURS = ("approves", "wants_the_payer", "declines", "is_silent_after_effect", "hides_it_for_a_while")
CORE_ACTORS = ("the_caller_repeats", "the_clock_comes_first", "all_come_at_once", "the_order_is_canceled")


def pay_cells() -> list[Any]:
    return cells(product(CUTS["pay"], PAY_BEHAVIOURS, ACTORS), behaviours=CORE_PAY_BEHAVIOURS, actors=CORE_ACTORS)


def cells(
    all_cells: Iterable[tuple[str, str, str]], *, behaviours: Collection[str], actors: Collection[str]
) -> list[Any]:
    """Every pair with a core behaviour or a core actor: the rest repeats what these show."""
    return [pytest.param(*cell, id="-".join(cell)) for cell in all_cells if cell[1] in behaviours or cell[2] in actors]


def run_pay_cell(world: World, *, cut: str, behaviour: str, actor: str) -> None:
    """A confirm dies at ``cut``; somebody acts; all settles; the promises are checked."""
    about = PAY_BEHAVIOURS[behaviour]
    order = new_order(world.server)
    request = pay_request(world, order, scenario=about.scenario)
    kill_if_reached(request, cut, always_reached=cut != "answer_received" or has_an_answer(about.scenario))
    ACTORS[actor](world, request, order)
    settle(world, request, order)
    ended = world.judge(order.id)
    expect_one_answer(world, request)
    world.expect(ended.status in allowed_ends(about, cut=cut, actor=actor), f"the order ended {ended.status}")
    last_status, last_answer = request.answers[-1]
    refusal_is_fine = actor in TOUCHING or ended.status == "expired"
    world.expect(last_status == 201 or refusal_is_fine, f"the repeat was answered {last_status} {last_answer!r}")
    most = 2 if actor == "another_key_pays" else 1
    world.expect(order.payments.count() <= most, f"{order.payments.count()} payments")
    world.verdict()


def allowed_ends(about: Behaviour, *, cut: str, actor: str) -> frozenset[str]:
    if actor in TOUCHING:
        return about.ends | {"canceled", "paid", "open", "expired"}
    if actor == "the_gateway_is_down_for_the_repeat":
        if cut in ("before_begin", "in_begin"):
            return about.ends | {"open"}  # the repeat is the first question: refused connections, nothing happened
        if cut == "after_begin":
            return about.ends | {"expired"}  # nobody can tell that nothing was sent: unknown until its time is over
    return about.ends


def kill_if_reached(request: Request, cut: str, *, always_reached: bool) -> None:
    """``ask`` does not return where the gateway gives no usable answer: the process then simply comes through."""
    if always_reached:
        request.die_at(cut)
    else:
        request.cut = cut
        request.world.doomed.do(request.job(cut))


def has_an_answer(scenario: str) -> bool:
    unusable = ("timeout", "error_5xx", "torn", "unsigned", "reject", "unavailable")
    return not any(word in scenario for word in unusable)


def new_order(server: MerchantServer, **more: Any) -> Order:
    """Of 10.00 USD."""
    return Order.objects.get(id=server.create_order(amount_minor=1000, **more)["id"])


def pay_request(world: World, order: Order, *, scenario: str, server: MerchantServer | None = None) -> Request:
    body = {"order": order.id, "method": "card", "options": {"sandbox": {"scenario": scenario}}}
    return Request(
        world=world, kind="pay", path="/payments", body=body, key=f"pay-{order.id}", server=server or world.server
    )
