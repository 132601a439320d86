import gzip
import hashlib
import io
import json
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import IO

import pytest

from payments.gateways.abilities import StatementLine, StatementUnreadable
from payments.gateways.contract import GatewayOutcomeUnknown, HttpResponse
from payments.gateways.wechat import statements
from payments.gateways.wechat.adapter import WechatGateway
from tests.payments.gateways.simulators.wechat.bills import HEADER, a_refund, a_take, packed, write_bill
from tests.payments.gateways.wechat_harness import WechatHarness, gateway_of

DAY = date(2026, 3, 2)
AT = datetime(2026, 3, 2, 15, 59, 58, tzinfo=UTC)  # 23:59:58 in Beijing
A_BILL = write_bill([a_take("pay_1", "12.34", fee="0.07404"), a_refund("pay_1", "ref_1", "2.34", fee="-0.01404")])


@pytest.fixture
def harness() -> WechatHarness:
    return WechatHarness()


def read(bill: bytes) -> list[StatementLine]:
    return list(statements.read_bill(io.BytesIO(bill)))


def unreadable(bill: bytes) -> str:
    with pytest.raises(StatementUnreadable) as problem:
        read(bill)
    return str(problem.value)


EXPECTED = [
    StatementLine("take", "pay_1", "pay_1", 1234, 7, "CNY", "42000pay_1", AT),
    StatementLine("give_back", "ref_1", "pay_1", 234, -1, "CNY", "50000ref_1", AT),
]


@pytest.mark.parametrize("pack", [packed, bytes], ids=["gzip", "plain"])
def test_bill_is_read_in_our_words(pack: Callable[[bytes], bytes]) -> None:
    assert read(pack(A_BILL)) == EXPECTED


def test_columns_are_found_by_name_in_any_order() -> None:
    names = HEADER.split(",")
    shuffled = ",".join([*reversed(names), "一列新的"])
    rows = [a_take("pay_1", "12.34", fee="0.07404") | {"一列新的": "x"}]
    assert read(write_bill(rows, header=shuffled)) == EXPECTED[:1]


def test_title_with_a_comma_and_a_backtick_does_not_shift_the_columns() -> None:
    assert read(write_bill([a_take("pay_1", "12.34", fee="0.07404", title="a, b ` c")])) == EXPECTED[:1]


def test_day_without_trade_is_an_empty_statement() -> None:
    assert read(write_bill([])) == []
    assert read(statements.NOTHING_HAPPENED) == []


@pytest.mark.parametrize(("state", "kind"), [("FAIL", "other"), ("CLOSED", "other"), ("PROCESSING", "give_back")])
def test_refund_that_moved_nothing_is_other(state: str, kind: str) -> None:
    (line,) = read(write_bill([a_refund("pay_1", "ref_1", "2.34", state=state)]))
    assert line.kind == kind


def test_reversed_payment_is_other() -> None:
    (line,) = read(write_bill([a_take("pay_1", "12.34") | {"交易状态": "REVOKED"}]))
    assert (line.kind, line.reference) == ("other", "pay_1")


@pytest.mark.parametrize(("yuan", "fen"), [("0.01", 1), ("1234567.89", 123456789), ("8", 800), ("0.10", 10)])
def test_yuan_become_fen_exactly(yuan: str, fen: int) -> None:
    (line,) = read(write_bill([a_take("pay_1", yuan)]))
    assert line.amount_minor == fen


@pytest.mark.parametrize(
    "yuan", ["12.345", "1e3", "NaN", "Infinity", "", "12,34", "+1", "1_0", "１２", "9" * 21, "1e99"]
)
def test_amount_that_is_none_is_unreadable(yuan: str) -> None:
    bill = write_bill([a_take("pay_1", "12.34")])
    changed = bill.decode().replace("`12.34,`0.00,`\r", f"`{yuan},`0.00,`\r").encode()
    assert changed != bill
    assert "no amount" in unreadable(changed) or "less than a fen" in unreadable(changed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"总交易单数": "3"},
        {"订单总金额": "12.35"},
        {"申请退款总金额": "2.33"},
        {"手续费总金额": "0.90"},
        {"订单总金额": "much"},
    ],
    ids=str,
)
def test_wrong_total_is_unreadable(wrong: dict[str, str]) -> None:
    rows = [a_take("pay_1", "12.34"), a_refund("pay_1", "ref_1", "2.34")]
    assert unreadable(write_bill(rows, **wrong))


def test_line_taken_out_is_noticed() -> None:
    lines = A_BILL.split(b"\r\n")
    assert unreadable(b"\r\n".join(lines[:1] + lines[2:]))


@pytest.mark.parametrize(
    "change",
    [
        lambda bill: bill[: bill.index("总交易单数".encode())],
        lambda bill: bill[:-30],
        lambda bill: bill + b"`1,`2\r\n",
        lambda bill: bill.replace("商户订单号,".encode(), b""),
        lambda bill: bill.replace("商户订单号".encode(), "交易时间".encode(), 1),
        lambda bill: bill.replace(b",`CNY", b""),
        lambda bill: bill.replace(b"2026-03-02 23:59:58", b"yesterday", 1),
        lambda bill: bill.decode("utf-8-sig").encode("gbk"),
        lambda bill: b"",
        lambda bill: b"\xff" * 100,
        lambda bill: b"x" * 200_000,
        lambda bill: b"<html>busy</html>",
        lambda bill: b"PK\x03\x04../../etc/passwd",
    ],
    ids=range(13),
)
def test_file_that_is_not_a_whole_bill_is_unreadable(change: Callable[[bytes], bytes]) -> None:
    assert unreadable(change(A_BILL))


@pytest.mark.parametrize(
    "pack",
    [
        lambda bill: packed(bill)[:-4],
        lambda bill: packed(bill) + b"more",
        lambda bill: packed(bill) + packed(bill),
        lambda bill: packed(bill)[:20] + b"\x00" * 10 + packed(bill)[30:],
        lambda bill: b"\x1f\x8b",
    ],
    ids=range(5),
)
def test_torn_gzip_is_unreadable(pack: Callable[[bytes], bytes]) -> None:
    assert unreadable(pack(A_BILL))


class CountingFile(io.BytesIO):
    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size)
        self.taken += len(chunk)
        return chunk


def test_bomb_is_seen_before_it_fills_the_memory() -> None:
    """A hundred megabytes packed into a hundredth: stopped after a few megabytes of it."""
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(pack.compress(b"`" * 1_000_000) for _ in range(100)) + pack.flush()
    assert len(bomb) < 200_000
    file: IO[bytes] = CountingFile(bomb)
    with pytest.raises(StatementUnreadable):
        list(statements.read_bill(file))
    assert file.taken < 70_000  # type: ignore[attr-defined]  # the counting file's


def test_bomb_of_short_lines_is_seen_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "FREE_BYTES", 100_000)
    monkeypatch.setattr(statements, "MAX_RATIO", 20)
    row = write_bill([a_take("pay_1", "12.34")]).split(b"\r\n")
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = pack.compress(row[0] + b"\r\n")
    bomb += b"".join(pack.compress((row[1] + b"\r\n") * 1000) for _ in range(30)) + pack.flush()
    with pytest.raises(StatementUnreadable, match="far more"):
        list(statements.read_bill(io.BytesIO(bomb)))


def test_long_bill_is_read_in_small_memory() -> None:
    rows = [
        a_take(f"pay_{number}", f"{number % 97 + 1}.{number % 100:02}", title=f"t{number}") for number in range(5_000)
    ]
    bill = packed(write_bill(rows))
    tracemalloc.start()
    count = sum(1 for _ in statements.read_bill(io.BytesIO(bill)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 5_000
    assert peak < 2_000_000


# --- fetching --------------------------------------------------------------------------------------------------


def test_bill_is_fetched_as_it_came_and_readable(harness: WechatHarness) -> None:
    harness.provider.bills[DAY.isoformat()] = A_BILL
    fetched = gateway_of(harness).fetch_statement(DAY)
    assert fetched is not None
    assert gzip.decompress(fetched) == A_BILL
    assert list(gateway_of(harness).read_statement(io.BytesIO(fetched))) == EXPECTED
    asked = harness.provider.requests[-2]
    assert asked.url.endswith("/v3/bill/tradebill?bill_date=2026-03-02&bill_type=ALL&tar_type=GZIP")


def test_bill_that_is_being_made_comes_later(harness: WechatHarness) -> None:
    harness.provider.bills[DAY.isoformat()] = None
    assert gateway_of(harness).fetch_statement(DAY) is None


def test_day_without_a_bill_is_an_empty_statement(harness: WechatHarness) -> None:
    fetched = gateway_of(harness).fetch_statement(DAY)
    assert fetched is not None
    assert read(fetched) == []


def changed_download(response: HttpResponse) -> HttpResponse:
    return replace(response, body=packed(A_BILL.replace(b"12.34", b"92.34")))


def torn_download(response: HttpResponse) -> HttpResponse:
    return replace(response, body=response.body[:50])


def html_download(response: HttpResponse) -> HttpResponse:
    return replace(response, body=b"<html>busy</html>")


def failed_download(response: HttpResponse) -> HttpResponse:
    return replace(response, status=500)


@pytest.mark.parametrize(
    "change", [changed_download, torn_download, html_download, failed_download], ids=lambda f: f.__name__
)
def test_download_that_is_not_what_was_promised_is_not_used(
    harness: WechatHarness, change: Callable[[HttpResponse], HttpResponse]
) -> None:
    harness.provider.bills[DAY.isoformat()] = A_BILL
    gateway_of(harness).probe()
    harness.provider.spoils += [lambda response: response, change]
    with pytest.raises(GatewayOutcomeUnknown):
        gateway_of(harness).fetch_statement(DAY)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v3/billdownload/file?token=x",
        "http://api.mch.weixin.qq.com/v3/billdownload/file?token=x",
        "https://api.mch.weixin.qq.com.evil.example/file",
        "file:///etc/passwd",
        "",
    ],
)
def test_our_signature_is_sent_to_wechat_only(harness: WechatHarness, url: str) -> None:
    harness.provider.bills[DAY.isoformat()] = A_BILL
    gateway_of(harness).probe()

    def elsewhere(response: HttpResponse) -> HttpResponse:
        body = json.dumps(json.loads(response.body) | {"download_url": url}).encode()
        return HttpResponse(200, harness.provider.signature(body), body)

    harness.provider.spoils.append(elsewhere)
    before = len(harness.provider.requests)
    with pytest.raises(GatewayOutcomeUnknown):
        gateway_of(harness).fetch_statement(DAY)
    assert len(harness.provider.requests) == before + 1


def test_hash_is_over_the_unpacked_bill(harness: WechatHarness) -> None:
    harness.provider.bills[DAY.isoformat()] = A_BILL
    gateway_of(harness).probe()

    def over_the_packed(response: HttpResponse) -> HttpResponse:
        digest = hashlib.sha1(packed(A_BILL)).hexdigest()
        body = json.dumps(json.loads(response.body) | {"hash_value": digest}).encode()
        return HttpResponse(200, harness.provider.signature(body), body)

    harness.provider.spoils.append(over_the_packed)
    with pytest.raises(GatewayOutcomeUnknown):
        gateway_of(harness).fetch_statement(DAY)


def test_days_are_beijings_and_ready_at_ten() -> None:
    assert WechatGateway.statement_zone == "Asia/Shanghai"
    assert WechatGateway.statement_ready_after_seconds == 36_000
