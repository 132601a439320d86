"""The sandbox's statement of a day: what it took and gave back, by its own calendar (UTC)."""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta

from payments.gateways.sandbox.provider.book import Book
from payments.gateways.sandbox.provider.scripts import Script, ScriptRefused, parse_script


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
                script = parse_script(book.script_for(txn.reference, own=txn.script))
                timed += [(take.at, told) for told in _told(line, script)]
        for back in book.given_back_between(start, end):
            names = ("GIVE_BACK", back.reference, back.of, back.give_back, back.coin)
            line = StatementLine(*names, -back.amount, 0, -back.amount, _time(back.changed_at))
            script = parse_script(book.script_for(back.reference))
            timed += [(back.changed_at, told) for told in _told(line, script)]
    return [line for _, line in sorted(timed, key=lambda pair: pair[0])]


def _told(line: StatementLine, script: Script) -> list[StatementLine]:
    """The line as the statement has it: none, one or two, with the errors that the script plants."""
    errors = script.statement_errors
    if "statement_missing" in errors:
        return []
    fee = line.fee + errors.get("statement_wrong_fee", 0)
    gross = line.gross + errors.get("statement_wrong_amount", 0)
    line = replace(line, gross=gross, fee=fee, net=gross - fee)
    if "statement_wrong_currency" in errors:
        line = replace(line, coin="EUR" if line.coin != "EUR" else "USD")
    if "statement_other_reference" in errors:
        line = replace(line, reference=f"other_{line.reference}", payment_reference=f"other_{line.reference}")
    return [line, line] if "statement_duplicate" in errors else [line]


def plant_errors(book: Book, day: date, *, errors: object) -> None:
    """What is wrong with the whole statement of ``day``: names joined by ``+``; an empty text ends it."""
    if not isinstance(errors, str) or set(filter(None, errors.split("+"))) - DAY_ERRORS.keys():
        raise ScriptRefused(f"a text of these, joined by +: {', '.join(DAY_ERRORS)}")
    with book.transaction():
        book.set_script(_key(day), errors)


def planted_errors(book: Book, day: date) -> list[str]:
    with book.transaction():
        text = book.script_for(_key(day))
    return [name for name in text.split("+") if name]


def spoil_statement(body: bytes, day: date, *, errors: Iterable[str]) -> bytes:
    for name in errors:
        body = DAY_ERRORS[name](body, day)
    return body


def _unknown_line(body: bytes, day: date, *, reference: str = "nobody_knows_1") -> bytes:
    return body + f"TAKE,{reference},{reference},stx_unknown,USD,4200,152,4048,{day}T12:00:00.000Z\r\n".encode()


def _formulas(body: bytes, day: date) -> bytes:
    return _unknown_line(body, day, reference="=cmd|' /C calc'!A0")


def _without_fee_column(body: bytes, _day: date) -> bytes:
    return body.replace(b",fee,", b",cost,", 1)


def _reversed_columns(body: bytes, _day: date) -> bytes:
    rows = [row[::-1] for row in csv.reader(io.StringIO(body.decode(), newline=""))]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows([[*row, "more" if i else "extra"] for i, row in enumerate(rows)])
    return text.getvalue().encode()


DAY_ERRORS: dict[str, Callable[[bytes, date], bytes]] = {
    "not_ready": lambda body, _day: body,
    "unknown_line": _unknown_line,
    "formulas": _formulas,
    "truncated": lambda body, _day: body[:-20],
    "wrong_encoding": lambda body, _day: body.decode().encode("utf-16"),
    "byte_order_mark": lambda body, _day: b"\xef\xbb\xbf" + body,
    "no_fee_column": _without_fee_column,
    "reversed_columns": _reversed_columns,
}
"""What a whole statement may suffer from. ``not_ready`` is played where it is asked for."""


def _key(day: date) -> str:
    # No reference has a blank: the two cannot meet.
    return f"statement {day.isoformat()}"


def render_statement(lines: Iterable[StatementLine]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [column.name for column in fields(StatementLine)], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(asdict(line) for line in lines)
    return text.getvalue().encode()


def _time(unix_seconds: float) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
