"""Reads a statement's bytes in one pass: by header name, in stretches, with nothing guessed and nothing skipped.

The usual stretch has no quotes and is cut by C code; from the first quote on, the csv module reads. Either way each
line becomes ``line,reference,kind,payment,amount,fee,currency`` as CSV for COPY; whatever cannot be believed refuses
the whole file. A cell is data: a formula is a reference like any other.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat

from paycore.money import CURRENCIES
from reconciliation.errors import StatementRefused
from reconciliation.statements.layouts import OTHER, Layout

MAX_LINE_CHARACTERS = 64 * 1024
MAX_REFERENCE_CHARACTERS = 128
MAX_AMOUNT_CHARACTERS = 16
MAX_LINES = 20_000_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """Lines ready for COPY; ``lines`` counts those read so far, the header left out."""

    text: str
    lines: int


def read_statement(pieces: Iterable[bytes], layout: Layout) -> Iterator[Stretch]:
    """Raises :class:`StatementRefused` at the first thing that is wrong."""
    for cells in _Reader(layout).stretches(pieces):
        yield Stretch(_for_copy(cells, layout), cells.first_line + cells.count - 2)


def pick_lines(pieces: Iterable[bytes], layout: Layout, *, numbers: set[int]) -> dict[int, dict[str, str]]:
    """The whole lines with these numbers, by column name: for people, and as evidence."""
    picked: dict[int, dict[str, str]] = {}
    for cells in _Reader(layout).stretches(pieces):
        for number in numbers & set(range(cells.first_line, cells.first_line + cells.count)):
            picked[number] = cells.row(number - cells.first_line)
        if len(picked) == len(numbers):
            break
    return picked


@dataclass(frozen=True, slots=True)
class _Cells:
    """Some lines' cells, one after the other; ``stride`` of them a line, of which the header's come first."""

    header: list[str]
    flat: list[str]
    stride: int
    first_line: int
    count: int

    def column(self, name: str) -> list[str]:
        return self.flat[self.header.index(name) : self.count * self.stride : self.stride]

    def row(self, position: int) -> dict[str, str]:
        start = position * self.stride
        return dict(zip(self.header, self.flat[start : start + len(self.header)], strict=True))


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
        """All cells at once: a mark after each line must come at every place where a line ends, and nowhere else."""
        delimiter, width = self._layout.delimiter, len(self._header)
        count, stride = text.count("\n"), width + 1
        flat = text.replace("\n", f"{delimiter}\n{delimiter}").split(delimiter)
        if len(flat) != count * stride + 1 or flat[width::stride].count("\n") != count:
            wrong = next(i for i, line in enumerate(text.split("\n")) if line.count(delimiter) != width - 1)
            raise StatementRefused("wrong_number_of_fields", line=self._next_line + wrong)
        return self._counted(flat, stride=stride, count=count)

    def _counted(self, flat: list[str], *, stride: int, count: int) -> _Cells:
        first = self._next_line
        self._next_line += count
        if self._next_line > MAX_LINES + 2:
            raise StatementRefused("too_many_lines", line=self._next_line)
        return _Cells(self._header, flat, stride, first, count)

    def _read_header(self, names: list[str]) -> None:
        self._header, self._next_line = [name.strip() for name in names], 2
        for name in self._layout.required:
            if name not in self._header:
                raise StatementRefused("no_such_column", line=1, detail=name)
        if len(set(self._header)) != len(self._header):
            raise StatementRefused("column_twice", line=1)

    def _quoted(self, text: str, rest: Iterator[str]) -> Iterator[_Cells]:
        lines = chain.from_iterable(io.StringIO(part, newline="\n") for part in chain([text], rest))
        reader = csv.reader(lines, delimiter=self._layout.delimiter, strict=True)
        rows: list[list[str]] = []
        try:
            if not self._header:
                self._read_header(next(reader, []))
            while rows := list(islice(reader, 5_000)):
                yield self._counted(self._flattened(rows), stride=len(self._header), count=len(rows))
        except csv.Error as error:
            at = self._next_line + reader.line_num if self._next_line < 3 else self._next_line
            raise StatementRefused("not_csv", line=at, detail=str(error)[:100]) from error

    def _flattened(self, rows: list[list[str]]) -> list[str]:
        for position, row in enumerate(rows):
            if len(row) != len(self._header):
                raise StatementRefused("wrong_number_of_fields", line=self._next_line + position)
        return list(chain.from_iterable(rows))

    def _decoded(self, pieces: Iterable[bytes]) -> Iterator[str]:
        """A byte order mark is no text; what is not in the agreed encoding is refused, not repaired."""
        encoding = "utf-8-sig" if self._layout.encoding == "utf-8" else self._layout.encoding
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        try:
            for piece in pieces:
                yield _checked(decoder.decode(piece))
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
                whole = left + head + "\n"
                yield whole.replace("\r\n", "\n") if "\r" in whole else whole
                left = tail
            if len(left) > MAX_LINE_CHARACTERS:
                raise StatementRefused("line_too_long", line=self._next_line)
        if left:
            raise StatementRefused("truncated", line=self._next_line)


def _checked(text: str) -> str:
    if "\x00" in text:
        raise StatementRefused("wrong_encoding", detail="NUL")
    return text


def _for_copy(cells: _Cells, layout: Layout) -> str:
    first_line = cells.first_line
    references, payments, kinds, amounts, fees, currencies = map(cells.column, layout.required)
    _check(references, first_line=first_line, is_wrong=_is_bad_reference, code="bad_reference")
    _check(payments, first_line=first_line, is_wrong=_is_too_long, code="bad_reference")
    _check_numbers(amounts, first_line=first_line)
    _check_numbers(fees, first_line=first_line)
    unknown = set(currencies) - CURRENCIES.keys()
    if unknown:
        at = next(i for i, currency in enumerate(currencies) if currency in unknown)
        raise StatementRefused("bad_currency", line=first_line + at, detail=currencies[at][:20])
    codes = {word: layout.kinds.get(word, OTHER) for word in set(kinds)}
    others: Iterable[str] = repeat("", cells.count)
    if references != payments:
        others = ["" if payment == own else payment for payment, own in zip(payments, references, strict=True)]
    numbers = map(str, range(first_line, first_line + cells.count))
    columns = (numbers, references, map(codes.__getitem__, kinds), others, amounts, fees, currencies)
    lines = zip(*columns, strict=True)
    if _needs_quotes(references) or _needs_quotes(payments):
        return _written(lines)
    return "\n".join(map(",".join, lines)) + "\n"


def _check(values: Sequence[str], *, first_line: int, is_wrong: Callable[[str], bool], code: str) -> None:
    # The longest and the shortest tell of all of them.
    if is_wrong(max(values, key=len)) or is_wrong(min(values, key=len)):
        at = next(i for i, value in enumerate(values) if is_wrong(value))
        raise StatementRefused(code, line=first_line + at)


def _is_bad_reference(value: str) -> bool:
    return not 0 < len(value) <= MAX_REFERENCE_CHARACTERS


def _is_too_long(value: str) -> bool:
    return len(value) > MAX_REFERENCE_CHARACTERS


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


def _needs_quotes(values: Sequence[str]) -> bool:
    together = "".join(values)
    return any(mark in together for mark in ',"\n\r')


def _written(lines: Iterable[tuple[str, ...]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(lines)
    return text.getvalue()
