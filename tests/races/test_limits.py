"""Many payments at the edge of a limit: exactly as many go on as it allows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import Error, connection
from django.db.models import Sum

from merchants.models import Merchant
from riskcontrol.decisions import assess, refusal_of
from riskcontrol.models import Decision, Outcome, Usage
from riskcontrol.outcomes import record_outcome
from tests.merchants.factories import make_user
from tests.races.crew import Tally, crew_of
from tests.riskcontrol.scenes import attempt, journal, limit

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
PAYERS = 32
TRIALS = 20


def pay(merchant: Merchant, user_id: str | None, minor: int = 10) -> str:
    try:
        return journal(assess(attempt(merchant, minor, user_id=user_id)))
    except Error as error:
        raise refusal_of(error) from error


def test_32_payments_at_the_edge_of_an_amount_take_exactly_what_it_allows(merchant: Merchant, tally: Tally) -> None:
    limit(75, kind="day_sum")
    with crew_of(PAYERS) as crew:
        for _trial in range(TRIALS):
            user_id = make_user().id
            words = tally.note(crew.at_once(*[lambda user_id=user_id: pay(merchant, user_id)] * PAYERS))
            assert words.count("payment_limit_reached") == PAYERS - 7
            assert Usage.objects.get(subject_id=user_id).used_minor == 70
            assert Decision.objects.filter(user_id=user_id).count() == 7
    tally.assert_no_surprise()


def test_32_payments_at_the_edge_of_a_number_are_exactly_as_many(merchant: Merchant, tally: Tally) -> None:
    limit(kind="hour_count", max_count=5)
    with crew_of(PAYERS) as crew:
        for _trial in range(TRIALS):
            user_id = make_user().id
            words = tally.note(crew.at_once(*[lambda user_id=user_id: pay(merchant, user_id)] * PAYERS))
            assert words.count("payment_limit_reached") == PAYERS - 5
    tally.assert_no_surprise()


def test_payers_of_many_limits_in_common_never_deadlock(merchant: Merchant, tally: Tally) -> None:
    limit(10**9, kind="day_sum")
    limit(10**9, kind="month_sum")
    limit(PAYERS * TRIALS * 10 - 50, kind="month_sum", counted_per="merchant")
    limit(10**9, kind="day_sum", counted_per="merchant", method="card")
    users = [make_user().id for _number in range(4)]
    with crew_of(PAYERS) as crew:
        for _trial in range(TRIALS):
            tally.note(
                crew.at_once(*[lambda user=users[n % 4]: pay(merchant, user) for n in range(PAYERS)])  # type: ignore[misc]  # bound now
            )
    tally.assert_no_surprise()
    assert tally.outcomes["payment_limit_reached"] == 5
    total = Usage.objects.filter(limit__counted_per="user", limit__kind="day_sum").aggregate(sum=Sum("used_minor"))
    assert total["sum"] == (PAYERS * TRIALS - 5) * 10


def test_a_failure_told_by_many_at_once_gives_back_once(merchant: Merchant, tally: Tally) -> None:
    limit(1_000, kind="day_sum")
    user_id = make_user().id

    def fail(decision_id: str) -> str:
        record_outcome(decision_id=decision_id, kind=Outcome.Kind.FAILED, occasion="pay_1")
        return "told"

    with crew_of(8) as crew:
        for _trial in range(TRIALS):
            kept, failing = pay(merchant, user_id), pay(merchant, user_id)
            tally.note(crew.at_once(*[lambda failing=failing: fail(failing)] * 8))
            assert kept
    tally.assert_no_surprise()
    assert Usage.objects.get().used_minor == TRIALS * 10


@pytest.fixture
def without_the_condition() -> Iterator[None]:
    """The same function, but for the condition under which it takes."""
    text = (Path(settings.BASE_DIR) / "riskcontrol/journal.sql").read_text(encoding="utf-8")
    condition = (
        "WHERE usage.used_minor <= v_limit.max_minor - excluded.used_minor AND usage.used_count < v_limit.max_count"
    )
    assert condition in text
    with connection.cursor() as cursor:
        cursor.execute(text.replace(condition, ""))
        yield
        cursor.execute(text)


@pytest.mark.usefixtures("without_the_condition")
def test_the_detector_sees_a_limit_taken_without_its_condition(merchant: Merchant, tally: Tally) -> None:
    limit(75, kind="day_sum")
    user_id = make_user().id
    with crew_of(PAYERS) as crew:
        tally.note(crew.at_once(*[lambda: pay(merchant, user_id)] * PAYERS))
    assert tally.outcomes["payment_limit_reached"] == 0
    assert Usage.objects.get().used_minor == PAYERS * 10
