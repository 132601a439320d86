"""Limits before a payment: which apply, how they add up, and what gives them back."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import Error, transaction
from hypothesis import given
from hypothesis import strategies as some

from merchants.models import Merchant
from paycore.clock import database_now
from paycore.database import call_function
from paycore.money import Money
from riskcontrol.decisions import (
    PaymentLimitReached,
    PaymentOverLimit,
    assess,
    journal_refusal,
    record,
    refusal_of,
)
from riskcontrol.limits import Limit, applying, check_amount
from riskcontrol.models import Decision, Outcome, PaymentLimit, Usage
from riskcontrol.outcomes import record_outcome
from tests.merchants.factories import make_merchant, make_user
from tests.riskcontrol.scenes import attempt, journal, limit, pay

pytestmark = pytest.mark.django_db


def is_over(merchant: Merchant, minor: int, **known: Any) -> bool:
    try:
        assess(attempt(merchant, minor, **known))
    except PaymentOverLimit:
        return True
    return False


def pay_or_refusal(merchant: Merchant, minor: int = 100, **known: Any) -> PaymentLimitReached | None:
    decision = assess(attempt(merchant, minor, **known))
    try:
        with transaction.atomic():
            journal(decision)
    except Error as error:
        refusal = refusal_of(error)
        assert isinstance(refusal, PaymentLimitReached)
        return refusal
    return None


def used() -> list[tuple[str, int, int]]:
    return list(Usage.objects.order_by("subject_id", "limit_id").values_list("subject_id", "used_minor", "used_count"))


def test_without_a_limit_everything_is_allowed(merchant: Merchant) -> None:
    limit(5, currency="EUR")
    decision = assess(attempt(merchant, 10**12))
    assert (decision.action, decision.reasons) == ("allow", ())


def test_a_limit_is_the_largest_amount_that_is_allowed(merchant: Merchant) -> None:
    limit(1_000)
    assert not is_over(merchant, 1_000)
    assert is_over(merchant, 1_001)


@pytest.mark.parametrize("own", [500, 2_000])
def test_a_merchants_own_limit_replaces_the_general_one(merchant: Merchant, own: int) -> None:
    limit(1_000)
    limit(own, merchant=merchant)
    limit(1, merchant=make_merchant())
    assert not is_over(merchant, own)
    assert is_over(merchant, own + 1)


def test_every_other_limit_that_matches_applies(merchant: Merchant) -> None:
    user = make_user()
    limit(1_000)
    limit(900, method="card")
    limit(300, kyc_level=0)
    limit(200, kyc_level=1)
    limit(100, is_active=False, method="sandbox_qr")

    assert not is_over(merchant, 300, user_id=user.id)
    assert is_over(merchant, 301, user_id=user.id)
    # A payer without an account has no level here: the merchant knows them, not we.
    assert not is_over(merchant, 900)
    assert is_over(merchant, 901)
    assert not is_over(merchant, 1_000, method="sandbox_qr")


def test_an_amount_limit_adds_up_per_payer_and_says_when_it_resets(merchant: Merchant) -> None:
    one, other = make_user(), make_user()
    made = limit(250, kind="day_sum")

    assert pay_or_refusal(merchant, 100, user_id=one.id) is None
    assert pay_or_refusal(merchant, 150, user_id=one.id) is None
    refusal = pay_or_refusal(merchant, 1, user_id=one.id)

    assert refusal is not None
    assert (refusal.code, refusal.http_status) == ("payment_limit_reached", 403)
    assert (refusal.extra["limit"], refusal.extra["kind"]) == (made.id, "day_sum")
    resets_at = datetime.fromisoformat(refusal.extra["resets_at"])
    assert resets_at.tzinfo is not None
    assert 0 < (resets_at - database_now()).total_seconds() <= 86_400
    assert resets_at.astimezone(UTC).hour == 0
    assert used() == sorted([(one.id, 250, 2)])
    assert Decision.objects.count() == 2
    assert pay_or_refusal(merchant, 250, user_id=other.id) is None
    assert pay_or_refusal(merchant, 10**9) is None


def test_a_first_payment_above_the_whole_limit_takes_nothing(merchant: Merchant) -> None:
    limit(250, kind="month_sum")
    assert pay_or_refusal(merchant, 251, user_id=make_user().id) is not None
    assert (used(), Decision.objects.count()) == ([], 0)


def test_a_limit_per_merchant_adds_up_over_all_payers(merchant: Merchant) -> None:
    limit(250, kind="month_sum", counted_per="merchant", merchant=merchant)
    assert pay_or_refusal(merchant, 200) is None
    assert pay_or_refusal(merchant, 51, user_id=make_user().id) is not None
    assert pay_or_refusal(make_merchant(), 51) is None
    assert used() == [(merchant.id, 200, 1)]


def test_a_number_of_payments_is_counted_in_any_currency_and_not_given_back(merchant: Merchant) -> None:
    user = make_user()
    limit(kind="hour_count", max_count=2)
    first = pay(attempt(merchant, user_id=user.id))
    record_outcome(decision_id=first, kind=Outcome.Kind.FAILED, occasion="pay_1")
    assert pay_or_refusal(merchant, user_id=user.id, currency="EUR") is None

    assert pay_or_refusal(merchant, user_id=user.id) is not None
    assert used() == [(user.id, 0, 2)]


def test_all_limits_of_a_payment_are_taken_or_none(merchant: Merchant) -> None:
    user = make_user()
    limit(1_000, kind="day_sum")
    limit(1_000, kind="month_sum")
    limit(100, kind="month_sum", counted_per="merchant")
    limit(kind="day_count", max_count=5)

    assert pay_or_refusal(merchant, 60, user_id=user.id) is None
    assert pay_or_refusal(merchant, 60, user_id=user.id) is not None
    assert {row[1:] for row in used()} == {(60, 1), (0, 1)}


def test_a_failed_payment_gives_back_what_it_took_once_and_a_late_success_takes_it_again(merchant: Merchant) -> None:
    user = make_user()
    limit(250, kind="day_sum")
    decision_id = pay(attempt(merchant, 200, user_id=user.id))

    for _time in range(2):
        record_outcome(decision_id=decision_id, kind=Outcome.Kind.FAILED, amount=Money(200, "USD"), occasion="pay_1")
    assert used() == [(user.id, 0, 1)]

    pay(attempt(merchant, 100, user_id=user.id))
    for _time in range(2):
        record_outcome(decision_id=decision_id, kind=Outcome.Kind.SUCCEEDED_LATE, occasion="pay_1")
    assert used() == [(user.id, 300, 2)]
    assert pay_or_refusal(merchant, 1, user_id=user.id) is not None

    record_outcome(decision_id=decision_id, kind=Outcome.Kind.REFUNDED, amount=Money(50, "USD"), occasion="ref_1")
    assert used() == [(user.id, 300, 2)]
    assert Outcome.objects.count() == 3


def test_an_outcome_that_comes_before_the_failure_ends_the_same(merchant: Merchant) -> None:
    user = make_user()
    limit(250, kind="day_sum")
    decision_id = pay(attempt(merchant, 200, user_id=user.id))
    record_outcome(decision_id=decision_id, kind=Outcome.Kind.SUCCEEDED_LATE, occasion="pay_1")
    record_outcome(decision_id=decision_id, kind=Outcome.Kind.FAILED, occasion="pay_1")
    assert used() == [(user.id, 200, 1)]


def test_a_limit_switched_off_in_between_is_neither_taken_nor_given_back(merchant: Merchant) -> None:
    user = make_user()
    made = limit(250, kind="day_sum")
    decision = assess(attempt(merchant, 200, user_id=user.id))
    PaymentLimit.objects.filter(id=made.id).update(is_active=False)

    journal(decision)
    record_outcome(decision_id=decision.id, kind=Outcome.Kind.FAILED, occasion="pay_1")

    assert used() == []
    assert Decision.objects.get().reserved == []


def test_what_does_not_go_on_is_kept_and_takes_nothing(merchant: Merchant) -> None:
    user = make_user()
    limit(250, kind="day_sum")
    waiting, refused = (assess(attempt(merchant, 200, user_id=user.id)) for _time in range(2))

    record(waiting)
    journal_refusal(refused, refusal=PaymentLimitReached(), reason="limit:lim_1")

    assert used() == []
    rows = dict(Decision.objects.values_list("id", "refusal"))
    assert rows == {waiting.id: "reauth_required", refused.id: "payment_limit_reached"}
    assert Decision.objects.get(id=refused.id).reasons == ["limit:lim_1"]


@pytest.mark.parametrize(
    ("kind", "at", "starts", "ends"),
    [
        ("day_sum", "2026-03-31 23:59:59.999999+00", "2026-03-31", "2026-04-01"),
        ("day_sum", "2026-04-01 01:30:00+02", "2026-03-31", "2026-04-01"),
        ("month_sum", "2024-02-29 12:00:00+00", "2024-02-01", "2024-03-01"),
        ("month_sum", "2026-12-31 23:00:00-05", "2027-01-01", "2027-02-01"),
        ("hour_count", "2026-03-29 01:59:00+00", "2026-03-29T01:00", "2026-03-29T02:00"),
        ("day_count", "2026-03-29 01:59:00+00", "2026-03-29", "2026-03-30"),
    ],
)
def test_periods_are_the_clocks_in_utc_wherever_the_session_is(kind: str, at: str, starts: str, ends: str) -> None:
    started = call_function("riskcontrol_period_start", kind, at)
    assert started == datetime.fromisoformat(starts).replace(tzinfo=UTC)
    assert call_function("riskcontrol_period_end", kind, started) == datetime.fromisoformat(ends).replace(tzinfo=UTC)


LIMITS = some.builds(
    Limit,
    id=some.uuids().map(str),
    kind=some.sampled_from(PaymentLimit.Kind.values),
    counted_per=some.sampled_from(["user", "merchant"]),
    merchant_id=some.sampled_from([None, "mer_1", "mer_2"]),
    kyc_level=some.sampled_from([None, 0, 1, 2]),
    method=some.sampled_from(["", "card", "qr"]),
    currency=some.sampled_from(["", "USD", "EUR"]),
    max_amount_minor=some.integers(1, 1_000),
)


@given(
    limits=some.lists(LIMITS, max_size=12, unique_by=lambda limit: (limit.same, limit.merchant_id)),
    minor=some.integers(1, 1_200),
    level=some.sampled_from([None, 0, 1, 2]),
)
def test_whatever_the_limits_their_order_does_not_matter_and_the_tightest_rules(
    limits: list[Limit], minor: int, level: int | None
) -> None:
    where = {"merchant_id": "mer_1", "method": "card", "currency": "USD", "kyc_level": level}
    chosen = applying(limits, **where)  # type: ignore[arg-type]  # the same words for both calls
    assert set(chosen) == set(applying(reversed(limits), **where))  # type: ignore[arg-type]  # as above

    for one in limits:
        fits = (
            one.merchant_id in (None, "mer_1")
            and one.method in ("", "card")
            and one.currency in ("", "USD")
            and one.kyc_level in (None, level)
        )
        own = any(other.same == one.same and other.merchant_id == "mer_1" for other in limits)
        assert (one in chosen) == (fits and (one.merchant_id == "mer_1" or not own))

    bounds = [one.max_amount_minor or 0 for one in chosen if one.kind == "payment"]
    refusal = check_amount(chosen, Money(minor, "USD"))
    assert (refusal is not None) == any(minor > bound for bound in bounds)
    if refusal:
        assert refusal.extra["limit_minor"] == min(bounds)
