"""The counts as the journal tells them: while Redis is being filled, and to fill it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from django.db import connection

from paycore.clock import now as process_now
from paycore.identifiers import earliest_id
from riskcontrol.facts import WINDOWS
from riskcontrol.velocity import Counter, named

MOST_ROWS = 10_000
"""Rows of one dimension that an assessment reads at most, the newest: a merchant's week may be a million."""

COLUMNS = {
    "user": "user_id",
    "ip": "ip",
    "device": "device_id",
    "payment_method": "payment_method_key",
    "merchant": "merchant_id",
}
_ONE = """
    SELECT {filters} FROM (
        SELECT decided_at, amount_minor, currency FROM riskcontrol_decision
        WHERE {column} = %s AND id >= %s ORDER BY id DESC LIMIT {most}
    ) AS recent
"""
_ALL = """
    SELECT {column}, {currency}, {sums} FROM (
        SELECT {column}, currency, {amount} AS amount, extract(epoch FROM decided_at) AS at
        FROM riskcontrol_decision WHERE id >= %s AND {column} <> ''
    ) AS lately GROUP BY 1, 2
"""


def count_in_journal(counters: Sequence[Counter], *, amount_minor: int) -> dict[str, int]:
    """The facts of ``counters`` by the journal and, as the store counts, with this attempt (not written yet)."""
    numbers: list[int] = []
    since = earliest_id("rsk", process_now() - timedelta(seconds=max(WINDOWS.values())))
    with connection.cursor() as cursor:
        for counter in counters:
            is_count = counter.measure == "count"
            what, of_currency = ("count(*)", "") if is_count else ("sum(amount_minor)", " AND currency = %s")
            windows = (f"decided_at > clock_timestamp() - interval '{seconds} s'" for seconds in WINDOWS.values())
            filters = ", ".join(f"coalesce({what} FILTER (WHERE {window}{of_currency}), 0)" for window in windows)
            currencies = [] if is_count else [counter.currency] * len(WINDOWS)
            cursor.execute(
                _ONE.format(filters=filters, column=COLUMNS[counter.dimension], most=MOST_ROWS),
                [*currencies, counter.value, since],
            )
            this_one = 1 if is_count else amount_minor
            numbers += [int(number) + this_one for number in cursor.fetchone()]
    return named(counters, numbers)


def buckets_in_journal(dimension: str, measure: str, *, at: float) -> Iterator[tuple[Counter, list[int]]]:
    """Every counter of one kind with, per window, the value of the bucket that ``at`` (seconds since 1970) is in and of
    the one before."""
    is_count = measure == "count"
    sums, parameters = [], []
    for seconds in WINDOWS.values():
        for bucket in (int(at // seconds), int(at // seconds) - 1):
            sums.append("coalesce(sum(amount) FILTER (WHERE floor(at / %s) = %s), 0)")
            parameters += [seconds, bucket]
    statement = _ALL.format(
        column=COLUMNS[dimension],
        currency="''" if is_count else "currency",
        amount="1" if is_count else "amount_minor",
        sums=", ".join(sums),
    )
    oldest = datetime.fromtimestamp(at, UTC) - timedelta(seconds=2 * max(WINDOWS.values()))
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, [*parameters, earliest_id("rsk", oldest)])
        for value, currency, *numbers in cursor:
            yield Counter(dimension, measure, value, currency), [int(number) for number in numbers]
