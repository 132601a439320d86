"""CSV that a spreadsheet program opens without running what a stranger typed into it."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse

_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_BYTE_ORDER_MARK = "\ufeff"  # or Excel takes UTF-8 for something else


class _Echo:
    """csv.writer writes to a file; this one hands the line back."""

    def write(self, line: str) -> str:
        return line


def csv_response(
    *, file_name: str, headers: Sequence[object], rows: Iterable[Sequence[object]]
) -> StreamingHttpResponse:
    """An attachment, written while it is sent. ``file_name`` is ours."""
    response = StreamingHttpResponse(_lines(headers, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    response["Cache-Control"] = "no-store"
    return response


def safe_cell(value: object) -> str:
    """Text that begins like a formula gets an apostrophe; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    text = str(value)
    if isinstance(value, str) and text.lstrip(" ").startswith(_FORMULA_BEGINS):
        return f"'{text}"
    return text


def _lines(headers: Sequence[object], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    writer: Any = csv.writer(_Echo())
    yield _BYTE_ORDER_MARK + writer.writerow([safe_cell(str(header)) for header in headers])
    for row in rows:
        yield writer.writerow([safe_cell(value) for value in row])
