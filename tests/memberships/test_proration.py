"""Every part of a price is somewhere, to the smallest unit, in every currency."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memberships.subscriptions.calendar import zone_names
from memberships.subscriptions.proration import Rhythm, Span, price_of_span, split_unused, unused_of
from paycore.money import Money

START = datetime(2026, 1, 1, tzinfo=UTC)
amounts = st.builds(Money, st.integers(0, 10**12), st.sampled_from(["JPY", "USD", "KWD", "CNY"]))
spans = st.integers(1, 800 * 86_400)
examples = settings(max_examples=300, deadline=None)


def test_half_of_a_month_is_half_of_its_price() -> None:
    used, unused = split_unused(
        Money(1999, "USD"), starts_at=START, ends_at=START + timedelta(days=30), at=START + timedelta(days=15)
    )
    assert (used, unused) == (Money(1000, "USD"), Money(999, "USD"))


@examples
@given(amount=amounts, length=spans, at=st.integers(-10, 900 * 86_400))
def test_used_and_unused_are_the_whole(amount: Money, length: int, at: int) -> None:
    times = {"starts_at": START, "ends_at": START + timedelta(seconds=length), "at": START + timedelta(seconds=at)}
    used, unused = split_unused(amount, **times)
    assert used + unused == amount
    assert not used.is_negative
    assert not unused.is_negative
    if at <= 0:
        assert unused == amount
    if at >= length:
        assert unused.is_zero


@examples
@given(amount=amounts, length=spans, one=st.integers(0, 800 * 86_400), more=st.integers(0, 86_400))
def test_waiting_never_gives_more_back(amount: Money, length: int, one: int, more: int) -> None:
    ends_at = START + timedelta(seconds=length)
    early = split_unused(amount, starts_at=START, ends_at=ends_at, at=START + timedelta(seconds=one))[1]
    late = split_unused(amount, starts_at=START, ends_at=ends_at, at=START + timedelta(seconds=one + more))[1]
    assert late <= early


@examples
@given(
    amount=amounts,
    zone=st.sampled_from(sorted(zone_names())),
    rhythm=st.tuples(st.sampled_from(["day", "week", "month", "quarter", "year"]), st.integers(1, 6)),
    step=st.integers(-3, 30),
    share=st.floats(0, 1),
)
def test_a_whole_interval_costs_its_price_and_a_part_never_more(
    amount: Money, zone: str, rhythm: tuple[str, int], step: int, share: float
) -> None:
    calendar = Rhythm(datetime(2026, 1, 31, 9, 30, tzinfo=UTC), zone, *rhythm)
    since, until = calendar.at_step(step), calendar.at_step(step + 1)
    if since >= until:
        return  # a day that the zone skipped
    assert price_of_span(amount, starts_at=since, ends_at=until, rhythm=calendar) == amount
    middle = since + (until - since) * share
    rest = price_of_span(amount, starts_at=middle, ends_at=until, rhythm=calendar)
    assert Money.zero(amount.currency) <= rest <= amount
    assert rest == split_unused(amount, starts_at=since, ends_at=until, at=middle)[1]


def test_two_months_and_a_half_cost_two_and_a_half_prices() -> None:
    calendar = Rhythm(START, "UTC", "month", 1)
    price = price_of_span(
        Money(3000, "USD"),
        starts_at=datetime(2026, 4, 16, tzinfo=UTC),
        ends_at=datetime(2026, 7, 1, tzinfo=UTC),
        rhythm=calendar,
    )
    assert price == Money(7500, "USD")


def test_an_end_off_the_calendar_is_a_calendar_of_its_own() -> None:
    calendar = Rhythm(START, "UTC", "month", 1)
    price = price_of_span(
        Money(3100, "USD"),
        starts_at=datetime(2026, 7, 10, tzinfo=UTC),
        ends_at=datetime(2026, 8, 10, tzinfo=UTC),
        rhythm=calendar,
    )
    assert price == Money(3100, "USD")


@examples
@given(values=st.lists(st.tuples(st.integers(0, 10**9), spans), min_size=1, max_size=4), at=st.integers(0, 10**8))
def test_spans_together_are_worth_what_they_are_alone(values: list[tuple[int, int]], at: int) -> None:
    moment = START + timedelta(seconds=at)
    given_spans = [
        Span(START, START + timedelta(seconds=length), Money(minor, "KWD"), Money(minor // 2, "KWD"))
        for minor, length in values
    ]
    gross, net = unused_of(given_spans, at=moment, currency="KWD")
    alone = [
        split_unused(span.gross, starts_at=span.starts_at, ends_at=span.ends_at, at=moment)[1].minor
        for span in given_spans
    ]
    assert gross.minor == sum(alone)
    assert net <= gross


@pytest.mark.parametrize("currency", ["JPY", "USD", "KWD"])
def test_nothing_left_is_worth_nothing(currency: str) -> None:
    assert unused_of([], at=START, currency=currency) == (Money.zero(currency), Money.zero(currency))
