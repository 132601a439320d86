"""The pages that the code writes say what the code says."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from paycore.errors import PaycoreError
from paycore.management.commands.draw_states import state_tables, states_page
from paycore.management.commands.list_errors import error_types, errors_page


@pytest.mark.parametrize(("name", "write"), [("errors.md", errors_page), ("states.md", states_page)])
def test_page_is_as_its_command_writes_it(name: str, write: Callable[[], str]) -> None:
    with translation.override("en"):
        expected = write()
    written = Path(settings.BASE_DIR, "docs", name).read_text("utf-8")
    assert written == expected, f"renew it: manage.py {'list_errors' if name == 'errors.md' else 'draw_states'}"


def test_refusals_of_every_layer_are_found() -> None:
    packages = {kind.__module__.partition(".")[0] for kind in error_types()}
    assert packages >= {"paycore", "merchants", "riskcontrol", "payments", "memberships"}
    assert PaycoreError not in error_types()


def test_state_tables_are_found_once_each() -> None:
    names = [table.name for _place, table in state_tables()]
    assert len(names) == len(set(names))
    assert {"merchant", "order", "payment", "capture", "refund"} <= set(names)
