"""Alipay's trade bill (业务明细): a zip of GBK files, one with every trade and refund and one with their sums (汇总).

Member names are GBK too and differ, so a member is known by its content. Whatever cannot be believed refuses the file:
a name that leads elsewhere, a member that unpacks to more than it may, a line that is not as its header says, or sums
that differ from the lines.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, NamedTuple

from payments.gateways.abilities import StatementLine, StatementUnreadable
from payments.gateways.alipay import words

MAX_MEMBERS = 64
MAX_UNPACKED_BYTES = 4 * 1024**3
MAX_RATIO = 200
"""A real bill packs ten to twenty times; deflate itself stops at 1032."""
SMALL_BYTES = 1024 * 1024
MAX_LINE_CHARACTERS = 64 * 1024
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
"""What zipfile says of a bad file, beside its own error: negative offsets, names in no alphabet, unknown versions."""
_KINDS = {"交易": "take", "退款": "give_back"}
_NEEDED = ("支付宝交易号", "商户订单号", "业务类型", "完成时间", "订单金额(元)", "商家实收(元)")
_REFUND, _FEE = "退款批次号/请求号", "服务费(元)"
_SUMS_NEEDED = ("交易订单总笔数", "退款订单总笔数", "订单金额(元)")
_TOTAL = re.compile(r"#(交易|退款)合计:([0-9]{1,9})笔,[^,]*?共(-?[0-9.]{1,16})元")
_END = "业务明细列表结束"
_DETAIL, _SUMS = "业务明细列表", "业务汇总列表"


@dataclass(slots=True)
class _Sums:
    """Counted line by line, to be compared with what the bill says of itself. Amounts in fen, refunds negative."""

    takes: int = 0
    give_backs: int = 0
    taken_received: int = 0
    given_received: int = 0
    ordered: int = 0
    """Of takes alone."""
    given: int = 0
    told: dict[str, tuple[int, int]] = field(default_factory=dict)


class _Column(NamedTuple):
    """Where the header put it; -1: this bill has none."""

    trade: int
    order: int
    kind: int
    done_at: int
    amount: int
    received: int
    refund: int
    fee: int


def read_bill(file: IO[bytes]) -> Iterator[StatementLine]:
    """Lines as they come; :class:`StatementUnreadable` as soon as something is wrong, so nothing is to be used before
    the end was reached."""
    try:
        with zipfile.ZipFile(file) as bill:
            _refuse_traps(bill)
            detail, summary = _members(bill)
            sums = _Sums()
            yield from _lines(bill, detail, sums)
            _compare(sums)
            if summary is not None:
                _compare_summary(bill, summary, sums)
    except _ZIP_ERRORS as problem:
        raise StatementUnreadable(f"not a whole zip file: {problem}") from None


def _refuse_traps(bill: zipfile.ZipFile) -> None:
    members = bill.infolist()
    if not 0 < len(members) <= MAX_MEMBERS:
        raise StatementUnreadable("the zip file holds no bill, or too many")
    for member in members:
        name = _name(member)
        parts = re.split(r"[/\\]", name)
        if ".." in parts or name.startswith(("/", "\\")) or ":" in name or "\x00" in name:
            raise StatementUnreadable("a member's name leads out of the file")
        if member.flag_bits & 0x1:
            raise StatementUnreadable("a member is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise StatementUnreadable("a member is packed in an unknown way")
        if member.file_size > SMALL_BYTES and member.file_size > MAX_RATIO * member.compress_size:
            raise StatementUnreadable("a member unpacks to far more than it is")
    if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise StatementUnreadable("the file unpacks to too much")


def _name(member: zipfile.ZipInfo) -> str:
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("gbk")
    except UnicodeError:
        raise StatementUnreadable("a member's name is not GBK") from None


def _members(bill: zipfile.ZipFile) -> tuple[zipfile.ZipInfo, zipfile.ZipInfo | None]:
    details, sums = [], []
    for member in bill.infolist():
        if member.is_dir():
            continue
        head = ""
        for _number, line in zip(range(8), _texts(bill, member), strict=False):
            head += line
        if _SUMS in head:
            sums.append(member)
        elif _DETAIL in head:
            details.append(member)
        else:
            raise StatementUnreadable("a member is no bill")
    if len(details) != 1 or len(sums) > 1:
        raise StatementUnreadable("the zip file does not hold exactly one list of trades")
    return details[0], sums[0] if sums else None


def _texts(bill: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[str]:
    """Line by line; the size that the zip file declares is the most that is read."""
    read = 0
    with bill.open(member) as raw, io.TextIOWrapper(raw, encoding="gb18030", newline="") as text:
        while True:
            try:
                line = text.readline(MAX_LINE_CHARACTERS)
            except UnicodeDecodeError:
                raise StatementUnreadable("the bill is not in GBK") from None
            if not line:
                return
            read += len(line)
            if len(line) == MAX_LINE_CHARACTERS or read > member.file_size:
                raise StatementUnreadable("a line is too long")
            yield line.rstrip("\r\n")


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True))
    except (csv.Error, StopIteration):
        raise StatementUnreadable("a line is not comma-separated") from None


def _plain(line: str) -> str:
    """Full-width marks as plain ones: Alipay writes both."""
    return line.translate(str.maketrans("（）：，", "():,"))


def _lines(bill: zipfile.ZipFile, member: zipfile.ZipInfo, sums: _Sums) -> Iterator[StatementLine]:
    column: _Column | None = None
    width = number = 0
    has_ended = False
    for number, line in enumerate(_texts(bill, member), start=1):
        if line.startswith("#"):
            has_ended = has_ended or _END in line
            _note_total(line, sums)
        elif not line.strip():
            continue
        elif has_ended:
            raise StatementUnreadable(f"line {number} follows the end")
        elif column is None:
            header = [cell.strip() for cell in _cells(_plain(line))]
            width, column = len(header), _columns(header)
        else:
            cells = _cells(line)
            if len(cells) != width:
                raise StatementUnreadable(f"line {number} has {len(cells)} cells instead of {width}")
            yield _line(cells, column, number=number, sums=sums)
    if column is None or not has_ended:
        raise StatementUnreadable(f"the list ends at line {number} without its end")


def _columns(header: Sequence[str]) -> _Column:
    if len(set(header)) != len(header) or any(name not in header for name in _NEEDED):
        raise StatementUnreadable("the header is not that of a trade bill")
    places = {name: place for place, name in enumerate(header)}
    return _Column._make([*(places[name] for name in _NEEDED), places.get(_REFUND, -1), places.get(_FEE, -1)])


def _line(cells: Sequence[str], column: _Column, *, number: int, sums: _Sums) -> StatementLine:
    def cell(place: int) -> str:
        return cells[place].strip() if place >= 0 else ""  # numbers end in a TAB, to keep spreadsheets from them

    kind = _KINDS.get(cell(column.kind), "other")
    try:
        amount, received = words.minor(cell(column.amount)), words.minor(cell(column.received))
        fee = words.minor(cell(column.fee) or "0")
        done_at = words.moment(cell(column.done_at))
    except words.NotUnderstood as problem:
        raise StatementUnreadable(f"line {number}: {problem}") from None
    if (kind == "take" and amount < 0) or (kind == "give_back" and amount > 0):
        raise StatementUnreadable(f"line {number}: the amount's sign is not that of its kind")
    if kind == "take":
        sums.takes, sums.taken_received = sums.takes + 1, sums.taken_received + received
        sums.ordered += amount
    elif kind == "give_back":
        sums.give_backs, sums.given_received = sums.give_backs + 1, sums.given_received + received
        sums.given += amount
    order = cell(column.order)
    return StatementLine(
        kind=kind,
        reference=cell(column.refund) if kind == "give_back" else order,
        payment_reference=order,
        amount_minor=abs(amount),
        fee_minor=-abs(fee) if kind == "give_back" else abs(fee),  # whichever sign: a payment costs, a refund returns
        currency="CNY",
        gateway_reference=cell(column.trade),
        occurred_at=done_at,
    )


def _note_total(line: str, sums: _Sums) -> None:
    match = _TOTAL.match(_plain(line).replace(" ", ""))
    if match is None:
        return
    kind, count, amount = match.groups()
    try:
        sums.told[kind] = (int(count), words.minor(amount))
    except words.NotUnderstood:
        raise StatementUnreadable("a sum is no amount") from None


def _compare(sums: _Sums) -> None:
    counted = {
        "交易": (sums.takes, sums.taken_received),
        "退款": (sums.give_backs, sums.given_received),
    }
    for kind, values in counted.items():
        if sums.told.get(kind) != values:
            raise StatementUnreadable(f"the bill's own sum of {kind} is {sums.told.get(kind)}, its lines make {values}")


def _compare_summary(bill: zipfile.ZipFile, member: zipfile.ZipInfo, sums: _Sums) -> None:
    """The row 合计 (whatever stands before it) of the second file."""
    places: dict[str, int] = {}
    for line in _texts(bill, member):
        if line.startswith("#") or not line.strip():
            continue
        cells = [cell.strip() for cell in _cells(_plain(line))]
        if not places:
            places = {name: place for place, name in enumerate(cells)}
        elif "合计" in cells[:2]:
            _compare_row(
                [cells[places[name]] if places.get(name, 999) < len(cells) else "" for name in _SUMS_NEEDED], sums
            )
            return
    raise StatementUnreadable("the summary has no row of sums")


def _compare_row(told: Sequence[str], sums: _Sums) -> None:
    try:
        takes, give_backs, orders = int(told[0]), int(told[1]), words.minor(told[2])
    except ValueError:
        raise StatementUnreadable("the summary's sums cannot be read") from None
    # No document says whether the sum of orders has the refunds in it.
    is_sum = orders in (sums.ordered, sums.ordered + sums.given)
    if (takes, give_backs) != (sums.takes, sums.give_backs) or not is_sum:
        raise StatementUnreadable("the summary's sums differ from the lines")
