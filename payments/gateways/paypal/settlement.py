"""The settlement report ``STL-yyyymmdd``, and what PayPal's event codes and numbers mean in a line of a statement.

Rows are told by their first cell: RH, FH, SH (headers), CH (names of columns), SB (a transaction), SF, SC (a section's
totals and count), RF, RC, FF (footers). Amounts are whole smallest units without a sign beside CR or DR; whether
currencies without decimals are in units or in hundredths PayPal does not say clearly ("100,00 yen and $100.00 USD are
both represented as 10000"), so the account says it: ``settlement_zero_decimals`` is ``units`` or ``hundredths``.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO

from payments.gateways.abilities import StatementLine, StatementUnreadable
from payments.gateways.paypal.money import CURRENCIES, WITHOUT_DECIMALS, iso_decimals

_REQUIRED = (
    "Transaction ID",
    "Invoice ID",
    "Transaction Event Code",
    "Transaction Completion Date",
    "Transaction Debit or Credit",
    "Gross Transaction Amount",
    "Gross Transaction Currency",
    "Fee Debit or Credit",
    "Fee Amount",
    "Fee Currency",
    "Custom Field",
)
_REFUND = "T1107"
_MAX_AMOUNT_DIGITS = 18
_ENDS = frozenset({"SC", "RF", "RC", "FF"})
_KNOWN_ROWS = frozenset({"RH", "FH", "SH", "CH", "SB", "SF", "SC", "RF", "RC", "FF"})


@dataclass
class _Section:
    columns: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    totals: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By currency, ``gross`` or ``fee``, and CR or DR."""


def statement_line(
    *,
    code: str,
    amount_minor: int,
    fee_minor: int,
    currency: str,
    custom: str,
    invoice: str,
    transaction_id: str,
    occurred_at: datetime | None,
) -> StatementLine:
    """Our orders and their captures carry the payment's number as custom and their own as invoice; our refunds their
    own as custom and the payment's as invoice. ``amount_minor`` is signed, ``fee_minor`` positive when kept."""
    is_take = code.startswith("T00") and amount_minor > 0
    is_give_back = code == _REFUND and amount_minor < 0
    kind = "take" if is_take else "give_back" if is_give_back else "other"
    own, payment = (invoice or custom, custom or invoice) if kind == "take" else (custom, invoice)
    return StatementLine(
        kind=kind,
        reference=own,
        payment_reference=payment,
        amount_minor=abs(amount_minor),
        fee_minor=fee_minor,
        currency=currency,
        gateway_reference=transaction_id,
        occurred_at=occurred_at,
    )


def read_settlement(file: IO[bytes], *, beginning: bytes, zero_decimals: str) -> Iterator[StatementLine]:
    """Raises StatementUnreadable. Nothing may be used before the last line was read: totals come at the end."""
    lines = io.TextIOWrapper(io.BufferedReader(_Joined(beginning, file)), encoding="utf-8", newline="")
    section = _Section()
    is_ended = False
    try:
        for number, row in enumerate(csv.reader(lines, strict=True), start=1):
            kind = row[0].strip() if row else ""
            if kind not in _KNOWN_ROWS or (number == 1 and kind != "RH"):
                raise StatementUnreadable(f"line {number}: not a row of a settlement report")
            is_ended = kind in _ENDS
            if kind == "SB":
                yield _body_line(row, section, number, zero_decimals)
            else:
                section = _after_row(kind, row, section, number)
    except (csv.Error, UnicodeDecodeError) as problem:
        raise StatementUnreadable(f"not a CSV in UTF-8: {problem}") from None
    if not is_ended or section.rows:
        raise StatementUnreadable("the file is cut off: its last section has no count")


def _after_row(kind: str, row: Sequence[str], section: _Section, number: int) -> _Section:
    if kind == "CH":
        section.columns = _columns(row, number)
    elif kind == "SF":
        _check_totals(row, section, number)
    elif kind == "SC":
        _check_count(row, section, number)
        return _Section()
    return section


class _Joined(io.RawIOBase):
    """The beginning that was looked at, then the rest."""

    def __init__(self, beginning: bytes, rest: IO[bytes]) -> None:
        self._beginning = beginning
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]  # typeshed's buffer type is newer than 3.11
        chunk = self._beginning[: len(view)] or self._rest.read(len(view))
        self._beginning = self._beginning[len(view) :]
        view[: len(chunk)] = chunk
        return len(chunk)


def _columns(row: Sequence[str], number: int) -> dict[str, int]:
    """Some names have two spaces in a row."""
    columns = {" ".join(name.split()): place for place, name in enumerate(row)}
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        raise StatementUnreadable(f"line {number}: no column {missing[0]}")
    return columns


def _body_line(row: Sequence[str], section: _Section, number: int, zero_decimals: str) -> StatementLine:
    if not section.columns or len(row) <= max(section.columns.values()):
        raise StatementUnreadable(f"line {number}: too few cells, or no header before it")
    cells = {name: row[place].strip() for name, place in section.columns.items()}
    currency = cells["Gross Transaction Currency"]
    if currency not in CURRENCIES:
        raise StatementUnreadable(f"line {number}: a currency that is not known: {currency[:10]}")
    if cells["Fee Currency"] not in ("", currency):
        raise StatementUnreadable(f"line {number}: the fee is in another currency")
    gross = _signed(cells, "Transaction Debit or Credit", "Gross Transaction Amount", number)
    fee = _signed(cells, "Fee Debit or Credit", "Fee Amount", number)
    section.rows += 1
    for what, amount in (("gross", gross), ("fee", fee)):
        section.totals[currency, what, "CR" if amount > 0 else "DR"] += abs(amount)
    return statement_line(
        code=cells["Transaction Event Code"],
        amount_minor=_minor(gross, currency, zero_decimals, number),
        fee_minor=-_minor(fee, currency, zero_decimals, number),
        currency=currency,
        custom=cells["Custom Field"],
        invoice=cells["Invoice ID"],
        transaction_id=cells["Transaction ID"],
        occurred_at=_moment(cells["Transaction Completion Date"], number),
    )


def _signed(cells: dict[str, str], side: str, amount: str, number: int) -> int:
    """A credit is positive: it came to us."""
    digits = cells[amount] or "0"
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _MAX_AMOUNT_DIGITS:
        raise StatementUnreadable(f"line {number}: not an amount: {digits[:40]}")
    if cells[side] not in ("CR", "DR") and int(digits):
        raise StatementUnreadable(f"line {number}: neither credit nor debit")
    return int(digits) if cells[side] == "CR" else -int(digits)


def _minor(amount: int, currency: str, zero_decimals: str, number: int) -> int:
    if currency not in WITHOUT_DECIMALS or amount == 0:
        return amount
    if zero_decimals not in ("units", "hundredths"):
        raise StatementUnreadable(
            f"line {number}: set settlement_zero_decimals to units or hundredths to read amounts in {currency}"
        )
    hundredths = amount * 100 if zero_decimals == "units" else amount
    if iso_decimals(currency) == 2:
        return hundredths
    if hundredths % 100:
        raise StatementUnreadable(f"line {number}: {currency} has no hundredths")
    return hundredths // 100


def _moment(value: str, number: int) -> datetime:
    try:
        return datetime.strptime(value, "%Y/%m/%d %H:%M:%S %z")
    except ValueError:
        raise StatementUnreadable(f"line {number}: not a time: {value[:40]}") from None


def _check_totals(row: Sequence[str], section: _Section, number: int) -> None:
    """``SF, currency, gross totals, fee totals, …``: which of the two is credit is told differently in different
    versions of the specification, so either order is taken."""
    currency = row[1].strip() if len(row) > 5 else ""
    for what, cells in (("gross", row[2:4]), ("fee", row[4:6])):
        counted = sorted(section.totals[currency, what, side] for side in ("CR", "DR"))
        if not currency or not all(cell.isdigit() for cell in cells) or sorted(map(int, cells)) != counted:
            raise StatementUnreadable(f"line {number}: the {what} totals of {currency} do not agree with the rows")


def _check_count(row: Sequence[str], section: _Section, number: int) -> None:
    if len(row) < 2 or not row[1].strip().isdigit() or int(row[1]) != section.rows:
        raise StatementUnreadable(f"line {number}: the section should have {row[1:2]} rows and has {section.rows}")
