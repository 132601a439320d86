"""The nightly judgement of users and merchants."""

from datetime import timedelta

import pytest
from django.db import Error, connection, transaction

from accounts.models import User
from merchants.models import Merchant
from paycore.clock import database_now
from riskcontrol import ratings
from riskcontrol.decisions import PaymentRefusedByRisk, assess
from riskcontrol.models import Outcome, Rating
from riskcontrol.outcomes import record_outcome
from riskcontrol.queries import hit_counts, latest_ratings
from riskcontrol.tasks import rate_everyone
from tests.merchants.factories import make_merchant, make_user
from tests.riskcontrol.scenes import attempt, journal, journal_row, pay, rule

pytestmark = pytest.mark.django_db
Kind = Outcome.Kind


def paid(merchant: Merchant, user: User, *, times: int = 1, outcome: Outcome.Kind | None = None) -> None:
    for _time in range(times):
        decision_id = pay(attempt(merchant, user_id=user.id))
        if outcome:
            record_outcome(decision_id=decision_id, kind=outcome, occasion="it")


def night(days: int = 0) -> int:
    return ratings.rate_everyone(now=database_now() + timedelta(days=days))


def test_who_pays_and_keeps_paying_is_no_risk(merchant: Merchant) -> None:
    user = make_user()
    paid(merchant, user, times=4)
    paid(merchant, user, times=2, outcome=Kind.REFUNDED)

    assert rate_everyone() == 2
    rating = Rating.objects.get(user=user)
    assert (rating.score, rating.grade, rating.reasons["attempts"], rating.reasons["refunds"]) == (0, "A", 6, 2)


@pytest.mark.parametrize(
    ("outcome", "times", "points", "score", "grade"),
    [
        (Kind.DISPUTED, 1, "disputes", 35, "C"),
        (Kind.DISPUTED, 3, "disputes", 60, "D"),
        (Kind.REFUNDED, 10, "refunds", 12, "B"),
        (Kind.FAILED, 10, "failures", 12, "B"),
        (Kind.FAILED, 4, "failures", 0, "A"),
    ],
)
def test_what_became_of_payments_makes_points_and_says_which(
    merchant: Merchant, outcome: Outcome.Kind, times: int, points: str, score: int, grade: str
) -> None:
    user = make_user()
    paid(merchant, user, times=times, outcome=outcome)
    paid(merchant, user, times=20 - times)

    night()

    rating = Rating.objects.get(user=user)
    assert (rating.score, rating.grade, rating.reasons["points"][points]) == (score, grade, score)
    assert rating.reasons[points] == times
    assert sum(rating.reasons["points"].values()) == score


def test_merchants_are_judged_by_their_rate_of_disputes(merchant: Merchant) -> None:
    quiet = make_merchant()
    paid(quiet, make_user(), times=3)
    paid(merchant, make_user(), times=99)
    paid(merchant, make_user(), outcome=Kind.DISPUTED)

    night()

    found = list(latest_ratings("merchant").values_list("merchant_id", "score", "grade"))
    assert found == [(merchant.id, 40, "C"), (quiet.id, 0, "A")]


def test_rules_that_matched_in_earnest_count_and_shadow_rules_do_not(merchant: Merchant) -> None:
    earnest = rule("amount_minor == 1000", "challenge")
    shadow = rule("amount_minor == 1000", "review", mode="shadow")
    user = make_user()
    paid(merchant, user, times=3)
    rule("amount_minor == 5", "reject")
    with pytest.raises(PaymentRefusedByRisk):
        assess(attempt(merchant, 5, user_id=user.id))

    night()

    rating = Rating.objects.get(user=user)
    assert (rating.reasons["hits"], rating.score, rating.reasons["attempts"]) == (4, 16, 4)
    counts = hit_counts([earnest.id, shadow.id, "rul_none"], now=database_now())
    assert (counts[earnest.id].day, counts[earnest.id].shadow_day) == (3, 0)
    assert (counts[shadow.id].quarter, counts[shadow.id].shadow_week) == (0, 3)
    assert counts["rul_none"].quarter == 0


def test_a_late_success_is_no_failure(merchant: Merchant) -> None:
    user = make_user()
    for _time in range(6):
        decision_id = pay(attempt(merchant, user_id=user.id))
        record_outcome(decision_id=decision_id, kind=Kind.FAILED, occasion="p")
        record_outcome(decision_id=decision_id, kind=Kind.SUCCEEDED_LATE, occasion="p")
    night()
    assert Rating.objects.get(user=user).reasons["failures"] == 0


def test_a_second_run_writes_nothing_and_history_keeps_only_changes(merchant: Merchant) -> None:
    user = make_user()
    paid(merchant, user)
    assert night() == 2
    assert night() == 0
    assert night(days=1) == 0

    record_outcome(decision_id=pay(attempt(merchant, user_id=user.id)), kind=Kind.DISPUTED, occasion="dis_1")
    assert night(days=1) == 2
    assert list(Rating.objects.filter(user=user).order_by("rated_on").values_list("score", flat=True)) == [0, 35]


def test_after_90_quiet_days_a_bad_rating_is_forgiven(merchant: Merchant) -> None:
    user = make_user()
    paid(merchant, user, outcome=Kind.DISPUTED)
    night()
    assert Rating.objects.get(user=user).score == 35

    assert night(days=91) == 2
    assert latest_ratings("user").get().score == 0
    assert night(days=92) == 0


def test_what_is_older_than_90_days_does_not_count(merchant: Merchant) -> None:
    user = make_user()
    journal_row(merchant, ago=timedelta(days=91), user_id=user.id)
    assert night() == 0


def test_a_rating_is_a_fact_for_rules(merchant: Merchant) -> None:
    user = make_user()
    paid(merchant, user, times=99)
    paid(merchant, user, outcome=Kind.DISPUTED)
    rule("user_rating >= 35 and merchant_rating >= 40", "review")
    assert assess(attempt(merchant, user_id=user.id)).action == "allow"

    night()

    decision = assess(attempt(merchant, user_id=user.id))
    assert decision.action == "review"
    assert (decision.journal["facts"]["user_rating"], decision.journal["facts"]["merchant_rating"]) == (35, 40)
    journal(decision)


def test_ratings_are_append_only(merchant: Merchant) -> None:
    paid(merchant, make_user())
    night()
    with pytest.raises(Error, match="append_only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE riskcontrol_rating SET score = 0")
    assert Rating.objects.count() == 2
