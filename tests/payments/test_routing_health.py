"""What an account's latest payments say of it: circuits that open and close, chances of success, and no flapping."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.routing.conditions import Conditions, sighting_of
from payments.routing.deciding import order
from payments.routing.health import (
    COOL_OFF_SECONDS,
    LONGEST_COOL_OFF,
    Breaker,
    Evidence,
    Health,
    Seen,
    Sighting,
    cool_off,
    issuer_prior,
    judge,
    replay,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(seconds: float, seen: Seen = Seen.TECHNICAL, *, lasts: float = 0.0) -> Sighting:
    began = NOW + timedelta(seconds=seconds)
    return Sighting(seen, began, began + timedelta(seconds=lasts))


def state(sightings: list[Sighting], *, seconds: float, elsewhere: int = 99) -> str:
    now = NOW + timedelta(seconds=seconds)
    return replay(sightings, now=now)[0].state(now, went_elsewhere=elsewhere)


def test_three_technical_failures_in_a_row_open_the_circuit_and_two_do_not() -> None:
    assert state([at(0), at(1)], seconds=2) == "closed"
    assert state([at(0), at(1), at(2)], seconds=3) == "open"


@pytest.mark.parametrize("between", [Seen.SUCCEEDED, Seen.ANSWERED, Seen.ISSUER])
def test_any_answer_in_between_begins_the_count_anew(between: Seen) -> None:
    assert state([at(0), at(1), at(2, between), at(3), at(4)], seconds=5) == "closed"


def test_declines_by_the_issuer_never_open_a_circuit() -> None:
    assert state([at(second, Seen.ISSUER) for second in range(50)], seconds=60) == "closed"


def test_after_the_cool_off_it_is_half_open_and_an_answer_closes_it() -> None:
    failures = [at(0), at(1), at(2)]
    assert state(failures, seconds=2 + COOL_OFF_SECONDS - 0.1) == "open"
    assert state(failures, seconds=2 + COOL_OFF_SECONDS) == "half_open"
    assert state([*failures, at(13, Seen.ANSWERED)], seconds=14) == "closed"


def test_a_quiet_shop_does_not_spend_every_payment_on_trying() -> None:
    failures = [at(0), at(1), at(2)]
    assert state(failures, seconds=60, elsewhere=0) == "open"
    assert state(failures, seconds=60, elsewhere=1) == "half_open"
    again = [*failures, at(60)]
    assert state(again, seconds=120, elsewhere=1) == "open"
    assert state(again, seconds=120, elsewhere=2) == "half_open"
    assert state(again, seconds=60 + 300, elsewhere=0) == "half_open", "nobody paid elsewhere for five minutes"


def test_each_failed_probe_doubles_the_cool_off_up_to_five_minutes() -> None:
    assert [cool_off(n).total_seconds() for n in range(1, 8)] == [10, 20, 40, 80, 160, 300, 300]
    sightings, probe_at = [at(0), at(1), at(2)], 12.0
    for expected in (20, 40, 80, 160, 300, 300):
        sightings.append(at(probe_at))
        assert state(sightings, seconds=probe_at + expected - 0.5) == "open"
        probe_at += expected
        assert state(sightings, seconds=probe_at) == "half_open"


def test_payments_that_were_on_their_way_when_it_opened_do_not_prolong_it() -> None:
    crowd = [at(number / 100, lasts=8) for number in range(50)]
    breaker, _evidence = replay(crowd, now=NOW)
    assert breaker.openings == 1
    assert breaker.opened_at == crowd[2].ended_at


def test_an_outage_counts_as_one_failure_however_many_met_it() -> None:
    good = [at(second, Seen.SUCCEEDED) for second in range(30)]
    long = [*good, *(at(40 + second) for second in range(10)), at(900, Seen.SUCCEEDED)]
    short = [*good, *(at(40 + second) for second in range(3)), at(900, Seen.SUCCEEDED)]
    assert replay(long, now=NOW)[1].broke == replay(short, now=NOW)[1].broke
    assert 0 < replay(long, now=NOW)[1].broke < 1


@pytest.mark.parametrize(
    ("status", "code", "age", "seen"),
    [
        ("succeeded", "", 1, Seen.SUCCEEDED),
        ("authorized", "", 1, Seen.SUCCEEDED),
        ("failed", "gateway_unavailable", 1, Seen.TECHNICAL),
        ("failed", "processing_error", 1, Seen.TECHNICAL),
        ("failed", "card_declined", 1, Seen.ISSUER),
        ("failed", "a word nobody listed", 1, Seen.ISSUER),
        ("failed", "insufficient_funds", 1, Seen.ANSWERED),
        ("failed", "suspected_fraud", 1, Seen.ANSWERED),
        ("failed", "gateway_rejected", 1, Seen.ANSWERED),
        ("requires_action", "", 1, Seen.ANSWERED),
        ("processing", "", 1, Seen.ANSWERED),
        ("submitting", "", 3, None),
        ("submitting", "", 30, Seen.TECHNICAL),
        ("created", "", 300, None),
        ("canceled", "", 300, None),
        ("expired", "", 300, None),
    ],
)
def test_what_a_payment_says_of_its_account(status: str, code: str, age: int, seen: Seen | None) -> None:
    began = NOW - timedelta(seconds=age)
    sighting = sighting_of(status, code, began_at=began, changed_at=NOW, now=NOW)
    assert (sighting.seen if sighting else None) == seen


def test_a_few_declines_move_the_careful_guess_little_and_many_move_it_far() -> None:
    def success(declines: int, approvals: int = 0) -> int:
        seen = [at(n, Seen.ISSUER) for n in range(declines)] + [at(n, Seen.SUCCEEDED) for n in range(approvals)]
        breaker, evidence = replay(seen, now=NOW + timedelta(minutes=2))
        return judge(breaker, evidence, prior=issuer_prior(())).success_per_mille

    assert success(0) - success(1) < 50
    assert success(60) < success(0) - 250
    assert success(0, approvals=60) > success(0)


sightings_of_any_kind = st.lists(
    st.tuples(st.sampled_from(list(Seen)), st.floats(0, 30), st.floats(0, 10)), max_size=60
).map(lambda rows: _in_order(rows))


def _in_order(rows: list[tuple[Seen, float, float]]) -> list[Sighting]:
    made, second = [], 0.0
    for seen, pause, lasts in rows:
        second += pause
        made.append(at(second, seen, lasts=lasts))
    return made


@settings(max_examples=300, deadline=None)
@given(sightings_of_any_kind)
def test_whatever_happened_the_judgement_stays_within_bounds(sightings: list[Sighting]) -> None:
    now = NOW + timedelta(hours=1)
    breaker, evidence = replay(sightings, now=now)
    health = judge(breaker, evidence, prior=issuer_prior([evidence]))
    assert 0 <= health.success_per_mille <= health.probe_per_mille <= 1000
    assert evidence.samples <= len(sightings)
    assert (breaker.opened_at is None) == (breaker.openings == 0)
    if breaker.opened_at is not None:
        assert sightings[-1].seen is Seen.TECHNICAL
        assert breaker.state(breaker.opened_at + LONGEST_COOL_OFF, went_elsewhere=0) == "half_open"
        assert breaker.state(breaker.opened_at, went_elsewhere=99) == "open"


@settings(max_examples=200, deadline=None)
@given(sightings_of_any_kind, st.sampled_from([Seen.SUCCEEDED, Seen.ANSWERED, Seen.ISSUER]))
def test_an_answer_always_leaves_the_circuit_closed(sightings: list[Sighting], answer: Seen) -> None:
    last = sightings[-1].began_at if sightings else NOW
    breaker, _evidence = replay([*sightings, Sighting(answer, last, last)], now=last)
    assert breaker == Breaker()


@settings(max_examples=200, deadline=None)
@given(sightings_of_any_kind)
def test_a_failure_never_raises_the_guess_and_a_success_never_lowers_it(sightings: list[Sighting]) -> None:
    now = NOW + timedelta(hours=1)
    last = sightings[-1].began_at if sightings else NOW

    def guess(more: list[Sighting]) -> int:
        breaker, evidence = replay([*sightings, *more], now=now)
        return judge(breaker, evidence, prior=0.85).success_per_mille

    assert guess([Sighting(Seen.ISSUER, last, last)]) <= guess([Sighting(Seen.SUCCEEDED, last, last)])


# One payment a minute, two accounts, the real rules of health and order; the database is the only thing missing.


class Street:
    """``does(account, minute)`` says how a payment there would end."""

    def __init__(self, fees: dict[str, int], does: Any) -> None:
        self.fees, self.does = fees, does
        self.seen: dict[str, list[Sighting]] = {account: [] for account in fees}
        self.newest = dict.fromkeys(fees, "")
        self.began: dict[str, list[datetime]] = {account: [] for account in fees}
        self.first: list[str] = []

    def health(self, now: datetime) -> Conditions:
        replayed = {account: replay(seen[-60:], now=now) for account, seen in self.seen.items()}
        prior = issuer_prior(evidence for _breaker, evidence in replayed.values())
        judged: dict[tuple[str, str], Health] = {
            (account, "card"): judge(*found, prior=prior, newest_payment=self.newest[account])
            for account, found in replayed.items()
        }
        return Conditions(judged)

    def pay(self, minute: int) -> str:
        now = NOW + timedelta(minutes=minute)
        known = self.health(now)
        candidates = []
        for account, fee in self.fees.items():
            health = known.of(account, "card")
            since = [moment for other in self.began if other != account for moment in self.began[other]]
            opened = health.breaker.opened_at
            standing = health.breaker.state(now, went_elsewhere=sum(opened is not None and m > opened for m in since))
            candidates.append(
                {
                    "account": account,
                    "excluded": "circuit_open" if standing == "open" else "",
                    "expected_fee_minor": fee,
                    "success_per_mille": health.probe_per_mille
                    if standing == "half_open"
                    else health.success_per_mille,
                    "priority": 100,
                }
            )
        incumbent = max(self.newest, key=lambda account: self.newest[account])
        trace = {
            "amount_minor": 10_000, "failure_cost_basis_points": 500, "subject": str(minute), "rules": [],
            "incumbent": incumbent if self.newest[incumbent] else "", "candidates": candidates,
        }  # fmt: skip
        first = order(trace)[0]
        self.first.append(first)
        self.newest[first] = f"pay_{minute:06}"
        self.began[first] = [*self.began[first][-59:], now]
        seen = self.does(first, minute)
        lasts = 8 if seen is Seen.TECHNICAL else 1
        self.seen[first].append(Sighting(seen, now, now + timedelta(seconds=lasts)))
        return first

    def changes(self) -> int:
        return sum(a != b for a, b in zip(self.first, self.first[1:], strict=False))


def noise(*, success: float, seed: int) -> Any:
    dice = random.Random(seed)
    return lambda _account, _minute: Seen.SUCCEEDED if dice.random() < success else Seen.ISSUER


def test_an_outage_at_one_payment_a_minute_moves_traffic_within_three_failures() -> None:
    def does(account: str, minute: int) -> Seen:
        return Seen.TECHNICAL if account == "cheap" and 60 <= minute < 180 else Seen.SUCCEEDED

    street = Street({"cheap": 100, "dear": 250}, does)
    for minute in range(600):
        street.pay(minute)

    assert set(street.first[:60]) == {"cheap"}
    during = street.first[60:180]
    assert during[:3] == ["cheap"] * 3
    assert during[3:10] == ["dear", "cheap", "dear", "dear", "cheap", "dear", "dear"]  # one at a time tries
    assert during.count("cheap") <= 3 + 24
    assert street.first[190:].count("dear") == 0, "once it works again it has its old place"


@pytest.mark.parametrize("seed", range(5))
def test_two_accounts_that_are_alike_do_not_swap_by_noise(seed: int) -> None:
    street = Street({"one": 200, "two": 200}, noise(success=0.9, seed=seed))
    for minute in range(12 * 60):
        street.pay(minute)
    assert street.changes() <= 12


@pytest.mark.parametrize("seed", range(4))
def test_an_account_whose_issuers_decline_far_more_loses_its_place_though_it_is_cheaper(seed: int) -> None:
    dice = random.Random(seed)

    def does(account: str, _minute: int) -> Seen:
        return Seen.SUCCEEDED if dice.random() < (0.35 if account == "cheap" else 0.93) else Seen.ISSUER

    street = Street({"cheap": 100, "dear": 180}, does)
    for minute in range(12 * 60):
        street.pay(minute)
    assert street.first[-300:].count("dear") > 200


def test_nothing_known_is_the_prior() -> None:
    assert judge(Breaker(), Evidence(), prior=0.85).samples == 0
    assert Conditions().of("gwa_new", "card") == judge(Breaker(), Evidence(), prior=issuer_prior(()))
