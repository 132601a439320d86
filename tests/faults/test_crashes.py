"""One cell for every crash point, in the ordinary suite. The whole grid is in test_grid.py (make test-faults)."""

import pytest

from tests.faults.cuts import CUTS
from tests.faults.grid import new_order, pay_request, run_pay_cell
from tests.faults.grid_money import run_cancel_cell, run_capture_cell, run_refund_cell
from tests.faults.recovery import expect_one_answer, settle
from tests.faults.world import World


@pytest.mark.parametrize("cut", CUTS["pay"])
def test_a_confirm_killed_anywhere_is_finished_by_its_repeat(world: World, cut: str) -> None:
    run_pay_cell(world, cut=cut, behaviour="approves", actor="the_caller_repeats")


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("cut", ["before_begin", "after_begin", "in_apply", "after_apply"])
def test_a_confirm_killed_while_it_fails_over_pays_once(world: World, cut: str, nth: int) -> None:
    """``nth``: at the account that refuses connections, or at the spare one."""
    server = world.shop_with_a_dead_first_account()
    order = new_order(server)
    request = pay_request(world, order, scenario="approve", server=server)

    request.die_at(cut, nth=nth)
    settle(world, request, order)

    ended = world.judge(order.id)
    expect_one_answer(world, request)
    world.expect(request.answers[-1][0] == 201, f"the repeat was answered {request.answers[-1]}")
    is_begun_there = nth == 2 and cut != "before_begin"
    world.expect(ended.status == "paid" or not is_begun_there, f"the order ended {ended.status}")
    world.verdict()


@pytest.mark.parametrize("cut", CUTS["refund"])
def test_a_refund_killed_anywhere_is_given_back_once(world: World, cut: str) -> None:
    run_refund_cell(world, cut=cut, behaviour="gives_back", actor="the_clock_comes_first")


@pytest.mark.parametrize("cut", CUTS["capture"])
def test_a_capture_killed_anywhere_takes_its_part_once(world: World, cut: str) -> None:
    run_capture_cell(world, cut=cut, behaviour="takes", actor="the_clock_comes_first")


@pytest.mark.parametrize("cut", CUTS["cancel"])
def test_a_cancellation_killed_anywhere_is_finished_by_its_repeat(world: World, cut: str) -> None:
    run_cancel_cell(world, cut=cut, behaviour="closes", actor="the_caller_repeats")
