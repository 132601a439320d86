"""Reads a statement's bytes in one pass: by header name, in stretches, with nothing guessed and nothing skipped.

The usual stretch has no quotes and is cut by one split; from the first quote on, the csv module reads. Either way every
line is proved; whatever cannot be believed refuses the whole file. A cell is data: a formula is a reference like any
other.
"""

import codecs
import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from operator import contains

from paycore.money import CURRENCIES
from reconciliation.errors import StatementRefused
from reconciliation.statements.layouts import OTHER, Layout

MAX_LINE_CHARACTERS = 64 * 1024
MAX_REFERENCE_CHARACTERS = 128
MAX_AMOUNT_CHARACTERS = 16
MAX_LINES = 20_000_000
STRETCH_BYTES = 128 * 1024
"""So little that a stretch's cells stay in the processor's cache: a megabyte at a time took half as long again."""


class _Cells(ABC):
    """Some lines' cells, by the header's names. ``first_line`` is the number of the first of ``count`` lines."""

    def __init__(self, header: list[str], *, first_line: int, count: int) -> None:
        self.header, self.first_line, self.count = header, first_line, count

    @abstractmethod
    def column(self, index: int) -> list[str]: ...

    @abstractmethod
    def cell(self, position: int, index: int) -> str: ...

    def row(self, position: int) -> dict[str, str]:
        return {name: self.cell(position, index) for index, name in enumerate(self.header)}


class _CutCells(_Cells):
    """A text that was split at the delimiters only: the last cell of a line and the first of the next are one piece,
    with the line's end in it. Cutting those as well would cost as much as all the rest."""

    def __init__(self, header: list[str], flat: list[str], *, first_line: int) -> None:
        self._flat, self._step = flat, len(header) - 1
        super().__init__(header, first_line=first_line, count=(len(flat) - 1) // self._step)

    def column(self, index: int) -> list[str]:
        if 0 < index < self._step:
            return self._flat[index :: self._step]
        return [self.cell(position, index) for position in range(self.count)]

    def cell(self, position: int, index: int) -> str:
        text = self._flat[position * self._step + index]
        if index == 0 and position > 0:
            return text.partition("\n")[2]
        return text.partition("\n")[0].removesuffix("\r") if index == self._step else text


class _RowCells(_Cells):
    def __init__(self, header: list[str], rows: list[list[str]], *, first_line: int) -> None:
        self._rows = rows
        super().__init__(header, first_line=first_line, count=len(rows))

    def column(self, index: int) -> list[str]:
        return [row[index] for row in self._rows]

    def cell(self, position: int, index: int) -> str:
        return self._rows[position][index]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some proved lines, column by column; ``lines`` counts those read so far, the header left out."""

    references: list[str]
    amounts: list[str]
    fees: list[str]
    currencies: list[str]
    lines: int
    _cells: _Cells
    _layout: Layout

    def row(self, position: int) -> tuple[str, ...]:
        """Of one line its number, reference, kind, payment (empty: the reference is one), amount, fee, currency."""
        cells, layout, reference = self._cells, self._layout, self.references[position]
        payment = cells.cell(position, cells.header.index(layout.payment_reference))
        kind = cells.cell(position, cells.header.index(layout.kind))
        return (
            str(cells.first_line + position),
            reference,
            layout.kinds.get(kind, OTHER),
            "" if payment == reference else payment,
            self.amounts[position],
            self.fees[position],
            self.currencies[position],
        )


def read_statement(pieces: Iterable[bytes], layout: Layout) -> Iterator[Stretch]:
    """Raises :class:`StatementRefused` at the first thing that is wrong."""
    for cells in _Reader(layout).stretches(pieces):
        yield _proved(cells, layout)


def pick_lines(pieces: Iterable[bytes], layout: Layout, *, numbers: set[int]) -> dict[int, dict[str, str]]:
    """The whole lines with these numbers, by column name: for people, and as evidence."""
    return _picked(_Reader(layout).stretches(pieces), numbers=numbers)


def prove_rows(batches: Iterable[list[list[str]]], header: list[str], layout: Layout) -> Iterator[Stretch]:
    """The same proof for cells that somebody else cut out of a file. Raises :class:`StatementRefused`."""
    for cells in _counted_rows(batches, header):
        yield _proved(cells, layout)


def pick_rows(batches: Iterable[list[list[str]]], header: list[str], *, numbers: set[int]) -> dict[int, dict[str, str]]:
    """As :func:`pick_lines`; the first row is number 2, as if there were a header."""
    return _picked(_counted_rows(batches, header), numbers=numbers)


def _picked(stretches: Iterable[_Cells], *, numbers: set[int]) -> dict[int, dict[str, str]]:
    picked: dict[int, dict[str, str]] = {}
    for cells in stretches:
        for number in numbers & set(range(cells.first_line, cells.first_line + cells.count)):
            picked[number] = cells.row(number - cells.first_line)
        if len(picked) == len(numbers):
            break
    return picked


def _counted_rows(batches: Iterable[list[list[str]]], header: list[str]) -> Iterator[_Cells]:
    next_line = 2
    for rows in batches:
        yield _RowCells(header, rows, first_line=next_line)
        next_line += len(rows)
        if next_line > MAX_LINES + 2:
            raise StatementRefused("too_many_lines", line=next_line)


class _Reader:
    """Bytes to cells. Lines count from 1, the header being the first."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._header: list[str] = []
        self._next_line = 1

    def stretches(self, pieces: Iterable[bytes]) -> Iterator[_Cells]:
        texts = self._whole_lines(self._decoded(pieces))
        for text in texts:
            if '"' in text:
                yield from self._quoted(text, texts)
                break
            if not self._header:
                first, _feed, text = text.partition("\n")
                self._read_header(first.split(self._layout.delimiter))
            if text:
                yield self._cut(text)
        if not self._header:
            raise StatementRefused("empty_file")

    def _cut(self, text: str) -> _Cells:
        """There are as many line ends as lines: so when each piece that must have one has one, no other has."""
        delimiter, step = self._layout.delimiter, len(self._header) - 1
        count, flat = text.count("\n"), text.split(delimiter)
        if len(flat) != count * step + 1 or not all(map(contains, flat[step::step], repeat("\n"))):
            wrong = next(i for i, line in enumerate(text.split("\n")) if line.count(delimiter) != step)
            raise StatementRefused("wrong_number_of_fields", line=self._next_line + wrong)
        return self._counted(_CutCells(self._header, flat, first_line=self._next_line))

    def _counted(self, cells: _Cells) -> _Cells:
        self._next_line += cells.count
        if self._next_line > MAX_LINES + 2:
            raise StatementRefused("too_many_lines", line=self._next_line)
        return cells

    def _read_header(self, names: list[str]) -> None:
        self._header, self._next_line = [name.strip() for name in names], 2
        for name in self._layout.required:
            if name not in self._header:
                raise StatementRefused("no_such_column", line=1, detail=name)
        if len(set(self._header)) != len(self._header):
            raise StatementRefused("column_twice", line=1)

    def _quoted(self, text: str, rest: Iterator[str]) -> Iterator[_Cells]:
        parts = (part.replace("\r\n", "\n") for part in chain([text], rest))
        lines = chain.from_iterable(io.StringIO(part, newline="\n") for part in parts)
        reader = csv.reader(lines, delimiter=self._layout.delimiter, strict=True)
        rows: list[list[str]] = []
        try:
            if not self._header:
                self._read_header(next(reader, []))
            while rows := list(islice(reader, 5_000)):
                self._count_fields(rows)
                yield self._counted(_RowCells(self._header, rows, first_line=self._next_line))
        except csv.Error as error:
            at = self._next_line + reader.line_num if self._next_line < 3 else self._next_line
            raise StatementRefused("not_csv", line=at, detail=str(error)[:100]) from error

    def _count_fields(self, rows: list[list[str]]) -> None:
        for position, row in enumerate(rows):
            if len(row) != len(self._header):
                raise StatementRefused("wrong_number_of_fields", line=self._next_line + position)

    def _decoded(self, pieces: Iterable[bytes]) -> Iterator[str]:
        """A byte order mark is no text; what is not in the agreed encoding is refused, not repaired."""
        encoding = "utf-8-sig" if self._layout.encoding == "utf-8" else self._layout.encoding
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        try:
            for piece in pieces:
                for start in range(0, len(piece), STRETCH_BYTES):
                    yield _checked(decoder.decode(piece[start : start + STRETCH_BYTES]))
            yield _checked(decoder.decode(b"", final=True))
        except UnicodeDecodeError as error:
            raise StatementRefused("wrong_encoding", line=self._next_line) from error

    def _whole_lines(self, texts: Iterable[str]) -> Iterator[str]:
        """Stretches that end with a line feed. A file that ends without one was cut off."""
        left = ""
        for text in texts:
            head, feed, tail = text.rpartition("\n")
            if not feed:
                left += text
            else:
                yield left + head + feed
                left = tail
            if len(left) > MAX_LINE_CHARACTERS:
                raise StatementRefused("line_too_long", line=self._next_line)
        if left:
            raise StatementRefused("truncated", line=self._next_line)


def _checked(text: str) -> str:
    if "\x00" in text:
        raise StatementRefused("wrong_encoding", detail="NUL")
    return text


def _proved(cells: _Cells, layout: Layout) -> Stretch:
    first_line = cells.first_line
    references, payments, _kinds, amounts, fees, currencies = (
        cells.column(cells.header.index(name)) if name != layout.kind else [] for name in layout.required
    )
    if not all(references):
        raise StatementRefused("bad_reference", line=first_line + references.index(""))
    for values in (references, payments):
        _check_lengths(values, first_line=first_line)
    for values in (amounts, fees):
        _check_numbers(values, first_line=first_line)
    unknown = set(currencies) - CURRENCIES.keys()
    if unknown:
        at = next(i for i, currency in enumerate(currencies) if currency in unknown)
        raise StatementRefused("bad_currency", line=first_line + at, detail=currencies[at][:20])
    return Stretch(references, amounts, fees, currencies, first_line + cells.count - 2, cells, layout)


def _check_lengths(values: Sequence[str], *, first_line: int) -> None:
    if len(max(values, key=len)) > MAX_REFERENCE_CHARACTERS:
        at = next(i for i, value in enumerate(values) if len(value) > MAX_REFERENCE_CHARACTERS)
        raise StatementRefused("bad_reference", line=first_line + at)


def _is_bad_number(value: str) -> bool:
    digits = value.removeprefix("-")
    return not (digits.isascii() and digits.isdigit() and len(value) <= MAX_AMOUNT_CHARACTERS)


def _check_numbers(values: Sequence[str], *, first_line: int) -> None:
    # Those without a sign are judged all together; one by one only the others, and whatever looks wrong.
    together = "".join(values)
    suspects: Iterable[str] = values
    if all(values) and len(max(values, key=len)) <= MAX_AMOUNT_CHARACTERS and together.isascii():
        digits = together.replace("-", "")
        if digits.isdigit():
            suspects = [value for value in values if "-" in value] if len(digits) < len(together) else ()
    if any(map(_is_bad_number, suspects)):
        at, value = next((i, value) for i, value in enumerate(values) if _is_bad_number(value))
        raise StatementRefused("bad_amount", line=first_line + at, detail=value[:20])
