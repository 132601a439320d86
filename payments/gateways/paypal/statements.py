"""PayPal's two records of a day: Transaction Search v1, which we fetch, and the settlement report, which people bring.

https://developer.paypal.com/docs/api/transaction-search/v1/ and
https://developer.paypal.com/docs/reports/sftp-reports/settlement-report/
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import IO, Any, ClassVar

from payments.gateways.abilities import StatementLine, StatementUnreadable
from payments.gateways.contract import GatewayOutcomeUnknown
from payments.gateways.paypal.client import PayPalClient, PayPalRefused
from payments.gateways.paypal.money import NotAnAmount, read_money
from payments.gateways.paypal.orders import NotUnderstood, moment, text
from payments.gateways.paypal.settlement import read_settlement, statement_line

_PAGE_SIZE = 500
_MAX_PAGES = 400
_MAX_PAGE_BYTES = 8 * 1024 * 1024
_SHORTEST_WINDOW = timedelta(minutes=1)
_TOO_MANY = "RESULTSET_TOO_LARGE"
_SETTLED = frozenset({"S", "V"})
"""S: done; V: done, and given back later. P (pending) and D (denied) moved no money."""


class PayPalStatements:
    zone: ClassVar[str] = "UTC"
    ready_after_seconds: ClassVar[int] = 4 * 3600
    """A transaction takes up to three hours to appear."""

    def __init__(self, client: PayPalClient, *, zero_decimals: str, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._zero_decimals = zero_decimals
        self._clock = clock

    def fetch(self, day: date) -> bytes | None:
        """A JSON array of PayPal's own pages, each as it came, without the payers' names and addresses. None until
        PayPal knows the whole day."""
        start = datetime.combine(day, time_of_day(), UTC)
        end = start + timedelta(days=1)
        if self._clock() < end.timestamp():
            return None
        pages: list[bytes] = []
        is_whole = all(self._is_known_until(page, end) for page in self._pages(start, end, pages))
        return b"[" + b",\n".join(pages) + b"]" if is_whole else None

    def read(self, file: IO[bytes]) -> Iterator[StatementLine]:
        """Either file, told apart by its first character."""
        beginning = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
        if not beginning.startswith(b"["):
            yield from read_settlement(file, beginning=beginning, zero_decimals=self._zero_decimals)
            return
        for number, page in enumerate(_elements(file, beginning), start=1):
            yield from _page_lines(page, number)

    def _is_known_until(self, page: dict[str, Any], end: datetime) -> bool:
        known_until = moment(_with_colon(page.get("last_refreshed_datetime")))
        return known_until is None or known_until >= end

    def _pages(self, start: datetime, end: datetime, kept: list[bytes]) -> Iterator[dict[str, Any]]:
        """At most 10,000 transactions are found at once: a busier day is asked for in halves."""
        number, last = 1, 1
        while number <= last:
            try:
                raw, page = self._page(start, end, number)
            except PayPalRefused as refused:
                if refused.issue != _TOO_MANY or number > 1 or end - start <= _SHORTEST_WINDOW:
                    raise
                middle = start + (end - start) / 2
                yield from self._pages(start, middle.replace(microsecond=0), kept)
                yield from self._pages(middle.replace(microsecond=0), end, kept)
                return
            if len(kept) >= _MAX_PAGES:
                raise GatewayOutcomeUnknown("the day has too many pages", code="too_many_pages")
            kept.append(raw)
            yield page
            pages = page.get("total_pages")
            number, last = number + 1, pages if type(pages) is int else 1

    def _page(self, start: datetime, end: datetime, number: int) -> tuple[bytes, dict[str, Any]]:
        query = {
            "start_date": _stamp(start),
            "end_date": _stamp(end - timedelta(seconds=1)),
            "fields": "transaction_info",
            "balance_affecting_records_only": "Y",
            "page_size": str(_PAGE_SIZE),
            "page": str(number),
        }
        path = ("v1", "reporting", "transactions")
        response = self._client.get_raw(path, query=query, max_bytes=_MAX_PAGE_BYTES)
        page = _parsed(response.body) if response is not None else None
        if response is None or not isinstance(page, dict) or not isinstance(page.get("transaction_details"), list):
            raise GatewayOutcomeUnknown("the page is malformed", code="malformed")
        return response.body, page


def _page_lines(page: Any, number: int) -> Iterator[StatementLine]:
    details = page.get("transaction_details") if isinstance(page, dict) else None
    if not isinstance(details, list):
        raise StatementUnreadable(f"page {number}: no transaction_details")
    for place, detail in enumerate(details, start=1):
        try:
            line = _search_line(detail)
        except (NotAnAmount, NotUnderstood, AttributeError, TypeError) as problem:
            raise StatementUnreadable(f"page {number}, transaction {place}: {problem}") from None
        if line is not None:
            yield line


def _search_line(detail: Any) -> StatementLine | None:
    words = detail["transaction_info"] if isinstance(detail, dict) and "transaction_info" in detail else None
    if not isinstance(words, dict) or not text(words, "transaction_id"):
        raise NotUnderstood("transaction_info")
    if text(words, "transaction_status") not in _SETTLED:
        return None
    amount_minor, currency = read_money(words.get("transaction_amount"))
    fee_minor = 0
    if words.get("fee_amount") is not None:
        fee_minor, fee_currency = read_money(words["fee_amount"])
        if fee_currency != currency:
            raise NotUnderstood("fee_amount in another currency")
    return statement_line(
        code=text(words, "transaction_event_code"),
        amount_minor=amount_minor,
        fee_minor=-fee_minor,
        currency=currency,
        custom=text(words, "custom_field"),
        invoice=text(words, "invoice_id"),
        transaction_id=text(words, "transaction_id"),
        occurred_at=moment(_with_colon(words.get("transaction_initiation_date"))),
    )


def _elements(file: IO[bytes], beginning: bytes) -> Iterator[Any]:
    """One element of a JSON array after another, holding no more than one in memory."""
    decoder = json.JSONDecoder()
    left, is_over = _Utf8(file, beginning).chunks(), False
    buffer = next(left, "").lstrip()[1:].lstrip()
    while not is_over:
        if buffer.startswith("]"):
            is_over = True
            break
        try:
            element, end = decoder.raw_decode(buffer)
        except RecursionError:
            raise StatementUnreadable("the file is nested too deeply") from None
        except ValueError:
            more = next(left, "")
            if not more or len(buffer) > 2 * _MAX_PAGE_BYTES:
                raise StatementUnreadable("the file is cut off or not JSON") from None
            buffer = (buffer + more).lstrip()
            continue
        yield element
        buffer = _after(buffer[end:], left)
    if buffer[1:].strip() or any(rest.strip() for rest in left):
        raise StatementUnreadable("there is more after the file's end")


def _after(buffer: str, left: Iterator[str]) -> str:
    """What follows a comma, or the closing bracket."""
    while not (buffer := buffer.lstrip()) or buffer == ",":
        more = next(left, "")
        if not more:
            raise StatementUnreadable("the file is cut off")
        buffer += more
    if buffer.startswith(","):
        buffer = buffer[1:].lstrip()
        if not buffer.startswith("]"):
            return buffer
    elif buffer.startswith("]"):
        return buffer
    raise StatementUnreadable("the file is not a JSON array")


class _Utf8:
    """Text of a file in chunks, whose letters may be cut in two by the chunk's end."""

    def __init__(self, file: IO[bytes], beginning: bytes) -> None:
        self._file = file
        self._rest = beginning

    def chunks(self) -> Iterator[str]:
        while True:
            chunk = self._rest + self._file.read(1024 * 1024)
            is_last = len(chunk) == len(self._rest)
            if not chunk:
                return
            try:
                whole, self._rest = chunk.decode(), b""
            except UnicodeDecodeError as error:
                if is_last or error.start < len(chunk) - 4:
                    raise StatementUnreadable("the file is not UTF-8") from None
                whole, self._rest = chunk[: error.start].decode(), chunk[error.start :]
            if whole:
                yield whole


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _with_colon(value: Any) -> Any:
    """Reports write ``+0000``, RFC 3339 wants ``+00:00``."""
    if isinstance(value, str) and len(value) > 5 and value[-5] in "+-" and value[-4:].isdigit():
        return f"{value[:-2]}:{value[-2:]}"
    return value
