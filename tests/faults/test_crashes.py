"""One cell for every crash point, in the ordinary suite. The whole grid is in test_grid.py (make test-faults)."""

import pytest

from tests.faults.cuts import CUTS
from tests.faults.grid import run_pay_cell
from tests.faults.grid_money import run_cancel_cell, run_capture_cell, run_refund_cell
from tests.faults.world import World


@pytest.mark.parametrize("cut", CUTS["pay"])
def test_a_confirm_killed_anywhere_is_finished_by_its_repeat(world: World, cut: str) -> None:
    run_pay_cell(world, cut=cut, behaviour="approves", actor="the_caller_repeats")


@pytest.mark.parametrize("cut", CUTS["refund"])
def test_a_refund_killed_anywhere_is_given_back_once(world: World, cut: str) -> None:
    run_refund_cell(world, cut=cut, behaviour="gives_back", actor="the_clock_comes_first")


@pytest.mark.parametrize("cut", CUTS["capture"])
def test_a_capture_killed_anywhere_takes_its_part_once(world: World, cut: str) -> None:
    run_capture_cell(world, cut=cut, behaviour="takes", actor="the_clock_comes_first")


@pytest.mark.parametrize("cut", CUTS["cancel"])
def test_a_cancellation_killed_anywhere_is_finished_by_its_repeat(world: World, cut: str) -> None:
    run_cancel_cell(world, cut=cut, behaviour="closes", actor="the_caller_repeats")
