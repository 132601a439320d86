"""Periods end by the member's own calendar: in every zone, over clock changes, leap years and short months."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memberships.subscriptions.calendar import boundary, day_of_notice, period_end, step_of, zone_names, zone_of

ZONES = sorted(zone_names())
INTERVALS = ["day", "week", "month", "quarter", "year"]
EPOCH = datetime(1990, 1, 1, tzinfo=UTC)
moments = st.integers(0, 100 * 365 * 86_400).map(lambda seconds: EPOCH + timedelta(seconds=seconds))
rhythms = st.tuples(st.sampled_from(INTERVALS), st.integers(1, 12))
examples = settings(max_examples=300, deadline=None)


def periods(anchor: datetime, *, zone: str, interval: str, count: int, number: int) -> list[tuple[datetime, datetime]]:
    spans, starts_at = [], anchor
    for _step in range(number):
        ends_at = period_end(starts_at, anchor_at=anchor, zone=zone, interval=interval, interval_count=count)
        spans.append((starts_at, ends_at))
        starts_at = ends_at
    return spans


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ("2026-01-31", ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("2028-01-31", ["2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31"]),
        ("2026-01-30", ["2026-02-28", "2026-03-30", "2026-04-30", "2026-05-30"]),
        ("2026-11-29", ["2026-12-29", "2027-01-29", "2027-02-28", "2027-03-29"]),
    ],
)
def test_the_anchors_day_comes_back_after_a_short_month(anchor: str, expected: list[str]) -> None:
    start = datetime.fromisoformat(anchor).replace(hour=9, tzinfo=ZoneInfo("Europe/Berlin"))
    spans = periods(start, zone="Europe/Berlin", interval="month", count=1, number=4)
    local = [end.astimezone(ZoneInfo("Europe/Berlin")) for _start, end in spans]
    assert [end.date().isoformat() for end in local] == expected
    assert {end.hour for end in local} == {9}


def test_a_leap_day_comes_back_every_fourth_year() -> None:
    start = datetime(2028, 2, 29, 12, tzinfo=UTC)
    spans = periods(start, zone="UTC", interval="year", count=1, number=4)
    assert [end.date().isoformat() for _start, end in spans] == ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]


def test_nine_in_the_morning_stays_nine_when_clocks_change() -> None:
    start = datetime(2026, 3, 28, 9, tzinfo=ZoneInfo("Europe/Berlin"))
    (_start, end), (_again, after) = periods(start, zone="Europe/Berlin", interval="day", count=1, number=2)
    assert end - start == timedelta(hours=23)
    assert after - end == timedelta(hours=24)


@examples
@given(anchor=moments, zone=st.sampled_from(ZONES), rhythm=rhythms, number=st.integers(1, 14))
@example(datetime(2026, 1, 31, 10, tzinfo=UTC), "Pacific/Apia", ("month", 1), 14)
@example(datetime(2011, 12, 30, 10, tzinfo=UTC), "Pacific/Apia", ("day", 1), 14)  # a day that was skipped
@example(datetime(2026, 3, 29, 1, 30, tzinfo=UTC), "Europe/Lisbon", ("week", 1), 14)
def test_periods_tile_and_none_is_a_scrap(anchor: datetime, zone: str, rhythm: tuple[str, int], number: int) -> None:
    interval, count = rhythm
    spans = periods(anchor, zone=zone, interval=interval, count=count, number=number)
    shortest = {"day": 0.45, "week": 6, "month": 26, "quarter": 87, "year": 363}[interval] * count
    longest = {"day": 2.1, "week": 8.1, "month": 33, "quarter": 94, "year": 368}[interval] * count
    for (start, end), (following, _end) in zip(spans, [*spans[1:], (spans[-1][1], anchor)], strict=True):
        assert end == following
        assert timedelta(days=shortest) <= end - start <= timedelta(days=longest)


@examples
@given(anchor=moments, zone=st.sampled_from(ZONES), months=st.integers(1, 12), number=st.integers(1, 24))
def test_the_anchors_day_returns_in_every_month_that_has_it(
    anchor: datetime, zone: str, months: int, number: int
) -> None:
    local_anchor = anchor.astimezone(zone_of(zone))
    for _start, end in periods(anchor, zone=zone, interval="month", count=months, number=number):
        wall = end.astimezone(zone_of(zone))
        following = (wall.replace(day=28) + timedelta(days=4)).replace(day=1)
        last_day = (following - timedelta(days=1)).day
        expected = min(local_anchor.day, last_day)
        # A wall time that does not exist that day is put forward, at most by the day that a zone once skipped.
        assert wall.day == expected or timedelta(0) < wall - wall.replace(day=expected, hour=0) <= timedelta(days=2)


@examples
@given(anchor=moments, zone=st.sampled_from(ZONES), rhythm=rhythms, steps=st.integers(-40, 40))
def test_a_boundarys_step_is_found_again(anchor: datetime, zone: str, rhythm: tuple[str, int], steps: int) -> None:
    interval, count = rhythm
    terms = {"zone": zone, "interval": interval, "interval_count": count}
    at = boundary(anchor, steps=steps, **terms)
    found = step_of(at, anchor_at=anchor, **terms)
    assert boundary(anchor, steps=found, **terms) == at
    assert boundary(anchor, steps=found - 1, **terms) < at


@examples
@given(moment=moments, zone=st.sampled_from(ZONES), days=st.integers(0, 30))
def test_a_notice_comes_by_daylight(moment: datetime, zone: str, days: int) -> None:
    local = day_of_notice(moment, zone=zone, days_before=days).astimezone(zone_of(zone))
    assert 9 <= local.hour <= 12  # eleven where ten does not exist that day


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "Europe", "x" * 500, "Europe/Berlin\x00"])
def test_there_are_no_other_zones(name: str) -> None:
    with pytest.raises(ValueError, match="no such time zone"):
        zone_of(name)


def test_the_machines_own_zone_is_nobodys() -> None:
    assert "Europe/Berlin" in zone_names()
    assert "localtime" not in zone_names()
