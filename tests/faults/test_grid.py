"""The whole grid (make test-faults): crash point × gateway behaviour × who else acts."""

from typing import Any

import pytest

from tests.faults.grid import pay_cells, run_pay_cell
from tests.faults.world import World

pytestmark = pytest.mark.faults


@pytest.mark.parametrize(("cut", "behaviour", "actor"), pay_cells())
def test_a_killed_confirm_comes_to_one_end(world: World, cut: str, behaviour: str, actor: str) -> None:
    run_pay_cell(world, cut=cut, behaviour=behaviour, actor=actor)
