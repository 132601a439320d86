"""The sandbox's statement of a day: what it took and gave back, by its own calendar (UTC)."""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta

from payments.gateways.sandbox.provider.book import Book


@dataclass(frozen=True, slots=True)
class StatementLine:
    """The CSV's columns, in this order; readers go by name. ``gross``, ``fee`` and ``net`` are minor units, signed."""

    kind: str
    reference: str
    payment_reference: str
    txn: str
    coin: str
    gross: int
    fee: int
    net: int
    at: str


def statement_lines(book: Book, day: date) -> list[StatementLine]:
    """TAKE (a capture; ``reference`` is the capture's) and GIVE_BACK (negative), in order of time."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    start, end = midnight.timestamp(), (midnight + timedelta(days=1)).timestamp()
    timed: list[tuple[float, StatementLine]] = []
    with book.transaction():
        for take in book.taken_between(start, end):
            txn = book.find_txn(take.reference)
            if txn is not None:
                names = ("TAKE", take.capture_reference, take.reference, txn.txn, txn.coin)
                line = StatementLine(*names, take.amount, take.fee, take.amount - take.fee, _time(take.at))
                timed.append((take.at, line))
        for back in book.given_back_between(start, end):
            names = ("GIVE_BACK", back.reference, back.of, back.give_back, back.coin)
            line = StatementLine(*names, -back.amount, 0, -back.amount, _time(back.changed_at))
            timed.append((back.changed_at, line))
    return [line for _, line in sorted(timed, key=lambda pair: pair[0])]


def render_statement(lines: Iterable[StatementLine]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [column.name for column in fields(StatementLine)], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(asdict(line) for line in lines)
    return text.getvalue().encode()


def _time(unix_seconds: float) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
