"""One cell for every crash point, in the ordinary suite. The whole grid is in test_grid.py (make test-faults)."""

import pytest

from tests.faults.cuts import CUTS
from tests.faults.grid import run_pay_cell
from tests.faults.world import World


@pytest.mark.parametrize("cut", CUTS["pay"])
def test_a_confirm_killed_anywhere_is_finished_by_its_repeat(world: World, cut: str) -> None:
    run_pay_cell(world, cut=cut, behaviour="approves", actor="the_caller_repeats")
