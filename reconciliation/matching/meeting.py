"""Lines and records that agree vanish while the file is read: only what is left over has to be joined.

Both sides come about in the order of time, so a line seldom waits long for its record. What waits too long is left
over as well; the join afterwards is right in any case, and only takes longer.
"""

from collections.abc import Iterator

from reconciliation.statements.reader import Stretch

MAX_WAITING = 50_000
"""On either side; a hundred bytes or two each."""

Row = tuple[str, ...]


class Meeting:
    """Feed it stretches of lines; take what is left over. A line meets a record once: one that comes again is left."""

    def __init__(self, pages: Iterator[list[str]]) -> None:
        self._pages = pages
        self._records_read = 0
        self._lines: dict[str, Row] = {}
        self._records: set[str] = set()
        self.lines_left: list[Row] = []
        self.records_left: list[str] = []

    def add(self, stretch: Stretch) -> None:
        """As many records are read as lines were: then the two sides are at about the same hour."""
        while self._records_read < stretch.lines and self._read_page():
            pass
        cells = (stretch.references, stretch.amounts, stretch.fees, stretch.currencies)
        keys = list(map("\t".join, zip(*cells, strict=True)))
        met = self._records.intersection(keys)
        self._records -= met
        alone = [position for position, key in enumerate(keys) if key not in met]
        if len(met) + len(alone) < len(keys):
            self._leave_repeats(stretch, keys, met)
        for position in alone:
            row = stretch.row(position)
            if self._lines.setdefault(keys[position], row) is not row:
                self.lines_left.append(row)
        self._leave_old()

    def finish(self) -> Iterator[None]:
        """No more lines: the other records are read, with a stop after each page; whatever waits is left over."""
        while self._read_page():
            self._leave_old()
            yield
        self.lines_left += self._lines.values()
        self.records_left += map(_number, self._records)
        self._lines, self._records = {}, set()
        yield

    def _leave_repeats(self, stretch: Stretch, keys: list[str], met: set[str]) -> None:
        """The first of them has met the record."""
        seen: set[str] = set()
        note = seen.add
        again = [position for position, key in enumerate(keys) if key in seen or note(key)]
        self.lines_left += [stretch.row(position) for position in again if keys[position] in met]

    def _read_page(self) -> bool:
        page = next(self._pages, None)
        if page is None:
            return False
        self._records_read += len(page)
        self._records.update(page)
        met = self._records.intersection(self._lines)
        self._records -= met
        for key in met:
            del self._lines[key]
        return True

    def _leave_old(self) -> None:
        if len(self._lines) > MAX_WAITING:
            self.lines_left += self._lines.values()
            self._lines = {}
        if len(self._records) > MAX_WAITING:
            self.records_left += map(_number, self._records)
            self._records = set()


def _number(key: str) -> str:
    return key.partition("\t")[0]
