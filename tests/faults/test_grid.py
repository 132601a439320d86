"""The deep grid (make test-faults): crash point × gateway behaviour × who else acts."""

import pytest

from tests.faults.grid import pay_cells, run_pay_cell
from tests.faults.grid_money import (
    cancel_cells,
    capture_cells,
    refund_cells,
    run_cancel_cell,
    run_capture_cell,
    run_refund_cell,
)
from tests.faults.world import World

pytestmark = pytest.mark.faults
CELL = ("cut", "behaviour", "actor")


@pytest.mark.parametrize(CELL, pay_cells())
def test_a_killed_confirm_comes_to_one_end(world: World, cut: str, behaviour: str, actor: str) -> None:
    run_pay_cell(world, cut=cut, behaviour=behaviour, actor=actor)


@pytest.mark.parametrize(CELL, refund_cells())
def test_a_killed_refund_comes_to_one_end(world: World, cut: str, behaviour: str, actor: str) -> None:
    run_refund_cell(world, cut=cut, behaviour=behaviour, actor=actor)


@pytest.mark.parametrize(CELL, capture_cells())
def test_a_killed_capture_comes_to_one_end(world: World, cut: str, behaviour: str, actor: str) -> None:
    run_capture_cell(world, cut=cut, behaviour=behaviour, actor=actor)


@pytest.mark.parametrize(CELL, cancel_cells())
def test_a_killed_cancellation_comes_to_one_end(world: World, cut: str, behaviour: str, actor: str) -> None:
    run_cancel_cell(world, cut=cut, behaviour=behaviour, actor=actor)
