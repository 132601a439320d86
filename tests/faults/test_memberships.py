"""400 days of memberships, lived twice: the same members, other accidents, and the same books to the cent."""

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.membership_lives import LAST_DAY, life_of
from tests.faults.membership_runs import Outcome, live
from tests.faults.membership_weather import Luck

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
MEMBERS = int(os.environ.get("SIMULATION_MEMBERS", "30"))
DAYS = int(os.environ.get("SIMULATION_DAYS", str(LAST_DAY)))
LUCKS = (Luck("a"), Luck("b", restored_on=frozenset((31, 62, 150))))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run of the tests see."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.mark.parametrize("luck", LUCKS, ids=lambda luck: luck.name)
def test_the_same_members_with_other_accidents_have_the_same_books(
    monkeypatch: pytest.MonkeyPatch, shared: Path, luck: Luck
) -> None:
    """Two lives on two workers where there are two; who is done last compares."""
    lives = [life_of(number, seed="one seed") for number in range(MEMBERS)]
    outcome = live(monkeypatch, lives=lives, luck=luck, days=DAYS)
    assert outcome.books, "nothing was booked"
    (shared / f"{luck.name}.json").write_text(as_text(outcome))
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        compare([json.loads(path.read_text()) for path in sorted(shared.glob("[ab].json"))])


def as_text(outcome: Outcome) -> str:
    lives = {number: repr(life) for number, life in outcome.lives.items()}
    return json.dumps({"lives": lives, "books": {" ".join(key): minor for key, minor in outcome.books.items()}})


def compare(outcomes: list[dict[str, dict[str, object]]]) -> None:
    first, last = outcomes[0], outcomes[-1]
    different = {number: (life, last["lives"].get(number)) for number, life in first["lives"].items()}
    different = {number: (one, other) for number, (one, other) in different.items() if one != other}
    assert not different, f"{len(different)} lives, the first: {next(iter(different.items()))}"
    assert first["books"] == last["books"]
