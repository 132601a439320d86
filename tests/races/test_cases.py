"""Several people decide one case at once: one does."""

import pytest

from paycore.models import EventRecord
from riskcontrol.cases import decide_case, open_case
from riskcontrol.models import Case
from tests.merchants.factories import make_user
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 30


def test_one_of_many_verdicts_counts_and_is_told_once(crew: Crew, tally: Tally) -> None:
    staff = make_user(is_staff=True)

    def decide(case_id: str, verdict: str) -> str:
        return decide_case(case_id=case_id, verdict=verdict, note=verdict, by_id=staff.id).verdict

    for trial in range(TRIALS):
        open_case(kind=Case.Kind.RISK_REVIEW, object_id=f"pay_{trial}", facts={})
        case_id = Case.objects.get(object_id=f"pay_{trial}").id
        words = tally.note(
            crew.at_once(*[lambda v=v, c=case_id: decide(c, v) for v in ("approved", "rejected") * 4])  # type: ignore[misc]  # bound now
        )
        assert words.count("case_already_decided") == 7
        (told,) = EventRecord.objects.filter(object_id=case_id)
        assert told.payload["verdict"] == Case.objects.get(id=case_id).verdict
    tally.assert_no_surprise()
