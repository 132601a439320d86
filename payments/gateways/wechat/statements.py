"""The trade bill (交易账单): fetched in two steps, checked, and read line by line.

UTF-8 with a byte order mark, CRLF. A header row; data rows whose cells begin with a backtick; a summary header; one
summary row. Columns differ by type of bill and are found by name. Amounts are yuan.
"""

import hashlib
import hmac
import re
import zlib
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from io import BytesIO
from itertools import chain
from typing import IO
from urllib.parse import urlencode, urlsplit

from payments.gateways.abilities import StatementLine, StatementUnreadable
from payments.gateways.contract import GatewayConfiguration, GatewayOutcomeUnknown
from payments.gateways.wechat.client import WechatClient, refusal
from payments.gateways.wechat.words import NotUnderstood, read_beijing_time, text

MAX_DOWNLOAD_BYTES = 64 * 1024 * 1024
MAX_BILL_BYTES = 2 * 1024 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024
FREE_BYTES, MAX_RATIO = 4 * 1024 * 1024, 200
"""A bill shrinks to a tenth or a twentieth; what grows 200-fold is made to fill the memory."""
GZIP_MARK, ZIP_MARK = b"\x1f\x8b", b"PK"
BOM = "\ufeff"
_CHUNK = 64 * 1024
_AMOUNT_SHAPE = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,8})?")

_AT, _STATE, _CURRENCY, _FEE = "交易时间", "交易状态", "货币种类", "手续费"
_ORDER_NUMBER, _TRANSACTION = "商户订单号", "微信订单号"
_AMOUNT, _REFUNDED = "订单金额", "申请退款金额"
_REFUND_NUMBER, _REFUND_ID, _REFUND_STATE = "商户退款单号", "微信退款单号", "退款状态"
REQUIRED = (_AT, _TRANSACTION, _ORDER_NUMBER, _STATE, _CURRENCY, _AMOUNT, _FEE)
REQUIRED_FOR_REFUNDS = (_REFUND_ID, _REFUND_NUMBER, _REFUNDED)
_SUMS = {"订单总金额": _AMOUNT, "申请退款总金额": _REFUNDED, "手续费总金额": _FEE}
_COUNT = "总交易单数"
_HEADER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,"
    "代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
_SUMMARY_HEADER = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
NOTHING_HAPPENED = f"{BOM}{_HEADER}\r\n{_SUMMARY_HEADER}\r\n`0,`0.00,`0.00,`0.00,`0.00,`0.00,`0.00\r\n".encode()
"""For NO_STATEMENT_EXIST: WeChat gives no file for a day without trade. Written by us, readable like theirs."""


class Bills:
    """Fetches bills of one merchant."""

    def __init__(self, configuration: GatewayConfiguration, client: WechatClient) -> None:
        self._configuration = configuration
        self._client = client

    def fetch(self, day: date) -> bytes | None:
        """The gzip file as it came, its SHA-1 checked (the download itself is not signed); None: not ready."""
        asked = urlencode({"bill_date": day.isoformat(), "bill_type": "ALL", "tar_type": "GZIP"})
        answer = self._client.ask("GET", f"/v3/bill/tradebill?{asked}")
        if answer.code == "NO_STATEMENT_EXIST":
            return NOTHING_HAPPENED
        if answer.code == "STATEMENT_CREATING":
            return None
        if not answer.is_ok:
            raise refusal(answer)
        try:
            kind, expected = text(answer.words, "hash_type"), text(answer.words, "hash_value")
            path = self._path_of(text(answer.words, "download_url"))
        except NotUnderstood as problem:
            raise GatewayOutcomeUnknown(f"the answer is malformed: {problem}", code="malformed") from None
        response = self._client.send("GET", path, max_response_bytes=MAX_DOWNLOAD_BYTES)
        if response.status != 200:
            raise GatewayOutcomeUnknown(f"HTTP {response.status}", code=f"http_{response.status}")
        if kind != "SHA1" or not hmac.compare_digest(_sha1(response.body).encode(), expected.lower().encode()):
            raise GatewayOutcomeUnknown("the bill is not the one that was promised", code="wrong_hash")
        return response.body

    def _path_of(self, download_url: str) -> str:
        """Our signature goes to WeChat and nowhere else."""
        base, there = urlsplit(self._configuration.base_url), urlsplit(download_url.strip())
        if (there.scheme, there.netloc) != (base.scheme, base.netloc) or not there.path.startswith(base.path):
            raise NotUnderstood("download_url")
        path = there.path.removeprefix(base.path.rstrip("/"))
        return f"{path}?{there.query}" if there.query else path


def read_bill(file: IO[bytes]) -> Iterator[StatementLine]:
    """Gzip or plain. Raises StatementUnreadable; also after the last line, when the totals are wrong."""
    lines = _lines(_plain(file))
    reader = _Reader(_columns(lines))
    for position, line in enumerate(lines, start=2):
        if not line.startswith("`"):
            reader.check_totals(header=line, totals=next(lines, ""))
            break
        yield reader.read(line, position=position)
    else:
        raise StatementUnreadable("the bill ends before its summary")
    for line in lines:
        if line.strip():
            raise StatementUnreadable("something follows the summary")


class _Columns:
    """Where each column stands."""

    def __init__(self, header: str) -> None:
        self.names = [name.strip() for name in header.split(",")]
        self._places = {name: place for place, name in enumerate(self.names)}

    def split(self, line: str) -> list[str] | None:
        """The cells of a row; None when it has another number of them."""
        cells = line[1:].split(",`")
        return cells if len(cells) == len(self.names) else None

    def cell(self, cells: list[str], name: str) -> str:
        """Empty when there is no such column."""
        place = self._places.get(name)
        return cells[place].strip() if place is not None else ""


class _Reader:
    def __init__(self, columns: _Columns) -> None:
        self._columns = columns
        self._count = 0
        self._sums = {name: Decimal(0) for name in _SUMS.values() if name in columns.names}
        self._knows_refunds = all(name in columns.names for name in REQUIRED_FOR_REFUNDS)

    def read(self, line: str, *, position: int) -> StatementLine:
        cells = self._columns.split(line)
        if cells is None:
            raise StatementUnreadable(f"line {position} has another number of columns than the header")
        amounts = {name: _yuan(self._columns.cell(cells, name), position=position, column=name) for name in self._sums}
        for name, amount in amounts.items():
            self._sums[name] += amount
        self._count += 1
        return self._line(cells, amounts, position=position)

    def _line(self, cells: list[str], amounts: dict[str, Decimal], *, position: int) -> StatementLine:
        cell = self._columns.cell
        state = cell(cells, _STATE)
        is_refund = state == "REFUND" and self._knows_refunds
        kind = "give_back" if is_refund else {"SUCCESS": "take"}.get(state, "other")
        if is_refund and cell(cells, _REFUND_STATE) in ("FAIL", "CLOSED"):
            kind = "other"
        fen = abs(amounts[_REFUNDED if is_refund else _AMOUNT]) * 100
        if fen != fen.to_integral_value():
            raise StatementUnreadable(f"line {position}: less than a fen")
        at = read_beijing_time(cell(cells, _AT))
        if at is None:
            raise StatementUnreadable(f"line {position}: no time")
        return StatementLine(
            kind=kind,
            reference=cell(cells, _REFUND_NUMBER if is_refund else _ORDER_NUMBER),
            payment_reference=cell(cells, _ORDER_NUMBER),
            amount_minor=int(fen),
            fee_minor=int((amounts[_FEE] * 100).quantize(Decimal(1), ROUND_HALF_UP)),
            currency=cell(cells, _CURRENCY),
            gateway_reference=cell(cells, _REFUND_ID if is_refund else _TRANSACTION),
            occurred_at=at,
        )

    def check_totals(self, *, header: str, totals: str) -> None:
        summary = _Columns(header)
        cells = summary.split(totals) if totals.startswith("`") else None
        if cells is None or _COUNT not in summary.names:
            raise StatementUnreadable("the bill has no summary")
        stated_count = summary.cell(cells, _COUNT)
        if stated_count != str(self._count):
            raise StatementUnreadable(f"the summary counts {stated_count[:20]} lines, there are {self._count}")
        for name, column in _SUMS.items():
            if name not in summary.names or column not in self._sums:
                continue
            stated = _yuan(summary.cell(cells, name), position=0, column=name)
            # Fees have more decimals in the lines than in their sum.
            if abs(stated - self._sums[column]) >= (Decimal("0.01") if column == _FEE else Decimal("0.000001")):
                raise StatementUnreadable(f"{name} is not the sum of the lines")


def _columns(lines: Iterator[str]) -> _Columns:
    columns = _Columns(next(lines, "").removeprefix(BOM))
    missing = [name for name in REQUIRED if name not in columns.names]
    if missing or len(set(columns.names)) != len(columns.names):
        raise StatementUnreadable(f"not a trade bill: {missing[0] if missing else 'a column twice'}")
    return columns


def _yuan(written: str, *, position: int, column: str) -> Decimal:
    if not _AMOUNT_SHAPE.fullmatch(written):
        raise StatementUnreadable(f"line {position}: {column} is no amount")
    return Decimal(written)


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield _decoded(line)
        if len(rest) > MAX_LINE_BYTES:
            raise StatementUnreadable("a line is too long")
    if rest:
        yield _decoded(rest)


def _decoded(line: bytes) -> str:
    try:
        return line.rstrip(b"\r").decode()
    except UnicodeDecodeError:
        raise StatementUnreadable("not UTF-8") from None


def _plain(file: IO[bytes]) -> Iterator[bytes]:
    """The bill's own bytes, whichever way the file holds them."""
    first = file.read(_CHUNK)
    if first.startswith(ZIP_MARK):
        raise StatementUnreadable("a zip archive; WeChat's bills are gzip or plain")
    chunks = chain((first,), iter(lambda: file.read(_CHUNK), b""))
    return _inflated(chunks) if first.startswith(GZIP_MARK) else chunks


def _inflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpacked as it is read: as little of a bomb as it takes to see that it is one."""
    inflate, read, written = zlib.decompressobj(wbits=31), 0, 0
    for chunk in chunks:
        read, packed = read + len(chunk), chunk
        while packed and not inflate.eof:
            try:
                plain = inflate.decompress(packed, _CHUNK)
            except zlib.error:
                raise StatementUnreadable("torn gzip") from None
            written += len(plain)
            if written > min(MAX_BILL_BYTES, FREE_BYTES + MAX_RATIO * read):
                raise StatementUnreadable("it unpacks to far more than a bill")
            packed = inflate.unconsumed_tail
            yield plain
        if inflate.unused_data or packed:
            raise StatementUnreadable("something follows the gzip stream")
    if not inflate.eof:
        raise StatementUnreadable("torn gzip")


def _sha1(body: bytes) -> str:
    """Of the uncompressed bill; empty when it cannot be unpacked."""
    digest = hashlib.sha1(usedforsecurity=False)
    try:
        for chunk in _plain(BytesIO(body)):
            digest.update(chunk)
    except StatementUnreadable:
        return ""
    return digest.hexdigest()
