"""Alipay's bill: what it says, and every way in which it must not be believed."""

import io
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from payments.gateways.abilities import StatementLine, StatementUnreadable
from payments.gateways.alipay.adapter import AlipayGateway
from payments.gateways.alipay.statements import read_bill
from payments.gateways.contract import GatewayConfiguration, GatewayOutcomeUnknown, HttpRequest, HttpResponse
from tests.payments.gateways.alipay_harness import SETTINGS, AlipayHarness, credentials
from tests.payments.gateways.simulators.alipay import wire
from tests.payments.gateways.simulators.alipay.bills import (
    DETAIL_NAME,
    SUMS_NAME,
    Row,
    bill_of,
    detail,
    packed,
    summary,
)

ROWS = [
    Row("2026112222001400001", "pay_1", "12.34", fee="-0.07"),
    Row("2026112222001400002", "pay_2", "100.00", fee="0.60", subject="一年"),
    Row("2026112222001400001", "pay_1", "-2.00", kind="退款", refund="ref_1", fee="0.01"),
]


def read(body: bytes) -> list[StatementLine]:
    return list(read_bill(io.BytesIO(body)))


def refusal(body: bytes) -> str:
    with pytest.raises(StatementUnreadable) as refused:
        read(body)
    return str(refused.value)


def with_detail(text: str) -> bytes:
    return packed([(DETAIL_NAME, text.encode("gbk")), (SUMS_NAME, summary(ROWS).encode("gbk"))])


def test_bill_is_read_by_content_whatever_its_members_are_called() -> None:
    lines = read(bill_of(ROWS))
    noon = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
    assert lines == [
        StatementLine("take", "pay_1", "pay_1", 1234, 7, "CNY", "2026112222001400001", noon),
        StatementLine("take", "pay_2", "pay_2", 10000, 60, "CNY", "2026112222001400002", noon),
        StatementLine("give_back", "ref_1", "pay_1", 200, -1, "CNY", "2026112222001400001", noon),
    ]
    swapped = packed([(SUMS_NAME, detail(ROWS).encode("gbk")), (DETAIL_NAME, summary(ROWS).encode("gbk"))])
    assert read(swapped) == lines


def test_bill_of_a_day_without_trades_is_empty_and_not_unreadable() -> None:
    assert read(bill_of([])) == []


def test_bill_without_its_summary_is_checked_by_its_own_sums() -> None:
    assert len(read(packed([(DETAIL_NAME, detail(ROWS).encode("gbk"))]))) == 3


def test_other_kinds_of_line_are_kept_as_such() -> None:
    [line] = read(packed([(DETAIL_NAME, detail([Row("1", "x", "5.00", kind="转账")]).encode("gbk"))]))
    assert (line.kind, line.amount_minor) == ("other", 500)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: text.replace("12.34,12.34", "12.35,12.35"), "sum of 交易"),
        (lambda text: text.replace("-2.00,-2.00", "-1.00,-1.00"), "sum of 退款"),
        (lambda text: text.replace("交易合计：2笔", "交易合计：3笔"), "sum of 交易"),
        (lambda text: text.replace("#退款合计", "#退款"), "sum of 退款"),
        (lambda text: text[: text.index("#" + "-" * 41 + "业务明细列表结束")], "without its end"),
        (lambda text: text.replace("列表结束", "列表", 1), "without its end"),
        (lambda text: text + "1,2,3\r\n", "follows the end"),
        (lambda text: text.replace(",0.60,", ","), "cells instead of"),
        (lambda text: text.replace("12.34,12.34", "12.345,12.34"), "an amount"),
        (lambda text: text.replace("12.34,12.34", "1e3,12.34"), "an amount"),
        (lambda text: text.replace("12.34,12.34", ",12.34"), "an amount"),
        (lambda text: text.replace("-2.00,-2.00", "2.00,2.00"), "sign"),
        (lambda text: text.replace("2026-11-22 12:00:00", "2026-02-30 12:00:00"), "a time"),
        (lambda text: text.replace("商户订单号", "订单号"), "header"),
        (lambda text: text.replace("商品名称", "商户订单号"), "header"),
        (lambda text: text.replace("一年", "年" * 70_000), "too long"),
        (lambda text: text.replace('"会员, 一个月"', '"会员'), "comma-separated"),
    ],
)
def test_line_or_sum_that_is_wrong_refuses_the_bill(change: Callable[[str], str], why: str) -> None:
    changed = change(detail(ROWS))
    assert changed != detail(ROWS)
    assert why in refusal(with_detail(changed))


@pytest.mark.parametrize(
    ("old", "new"),
    [(",2,1,112.34", ",3,1,112.34"), (",2,1,112.34", ",2,1,112.35"), (",2,1,112.34", ",2,x,112.34"), ("合计", "总")],
)
def test_summary_that_differs_refuses_the_bill(old: str, new: str) -> None:
    changed = summary(ROWS).replace(old, new)
    assert changed != summary(ROWS)
    body = packed([(DETAIL_NAME, detail(ROWS).encode("gbk")), (SUMS_NAME, changed.encode("gbk"))])
    assert "summary" in refusal(body)


@pytest.mark.parametrize(
    "name", ["../业务明细.csv", "a/../../b.csv", "/etc/passwd", "..\\b.csv", "C:\\b.csv", "a\\..\\b"]
)
def test_name_that_leads_elsewhere_refuses_the_bill(name: str) -> None:
    body = packed([(name, detail(ROWS).encode("gbk"))])
    assert "name" in refusal(body)


def test_backslash_inside_a_gbk_letter_is_a_letter() -> None:
    """The second byte of 乗 in GBK is the backslash's."""
    assert "乗".encode("gbk")[1:] == b"\\"
    assert len(read(packed([("乗/..乗.csv", detail(ROWS).encode("gbk"))]))) == 3


def test_bomb_refuses_the_bill_before_it_is_unpacked() -> None:
    bomb = packed([(DETAIL_NAME, b"#" * 40_000_000)])
    tracemalloc.start()
    assert "unpacks to far more" in refusal(bomb)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


def test_size_that_the_zip_lies_about_is_not_exceeded() -> None:
    """The directory says 1,000 bytes; the member holds more."""
    body = bytearray(packed([(DETAIL_NAME, detail(ROWS * 200).encode("gbk"))]))
    entry = body.index(b"PK\x01\x02")
    struct.pack_into("<I", body, entry + 24, 1000)
    struct.pack_into("<I", body, body.index(b"PK\x03\x04") + 22, 1000)
    assert refusal(bytes(body))


def test_encrypted_member_refuses_the_bill() -> None:
    body = bytearray(bill_of(ROWS))
    position = -1
    while (position := body.find(b"PK\x01\x02", position + 1)) >= 0:
        body[position + 8] |= 1
    assert "encrypted" in refusal(bytes(body))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>not found</html>", bill_of(ROWS)[:-30], bill_of(ROWS)[30:], packed([]), detail(ROWS).encode("gbk")],
)
def test_what_is_no_zip_file_refuses_the_bill(body: bytes) -> None:
    assert refusal(body)


def test_member_that_is_no_bill_and_two_bills_refuse_it() -> None:
    details = detail(ROWS).encode("gbk")
    assert "no bill" in refusal(packed([(DETAIL_NAME, details), ("readme.txt", b"hello")]))
    assert "exactly one" in refusal(packed([(DETAIL_NAME, details), ("again.csv", details)]))
    assert "exactly one" in refusal(packed([(SUMS_NAME, summary(ROWS).encode("gbk"))]))
    assert "too many" in refusal(packed([(f"{number}.csv", details) for number in range(65)]))
    assert "GBK" in refusal(packed([(DETAIL_NAME, details.replace("一年".encode("gbk"), b"\xff\xff"))]))


def test_changed_byte_in_a_member_is_noticed() -> None:
    with zipfile.ZipFile(io.BytesIO(bill_of(ROWS))) as bill:
        offset = bill.infolist()[1].header_offset
    body = bytearray(bill_of(ROWS))
    body[offset + 30 + len(DETAIL_NAME.encode("gbk")) + 200] ^= 0x10
    assert refusal(bytes(body))


def test_no_damage_makes_anything_but_a_refusal_or_the_same_lines() -> None:
    whole, chance = bill_of(ROWS), random.Random(20261122)  # damage, not a secret
    expected, refused = read(whole), 0
    for _round in range(200):
        body = bytearray(whole)
        for _byte in range(chance.randint(1, 4)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        try:
            assert read(bytes(body)) == expected
        except StatementUnreadable:
            refused += 1
    assert refused > 100


def test_long_bill_is_read_in_small_memory() -> None:
    body = bill_of(Row(f"{number:019d}", f"pay_{number}", "1.00") for number in range(10_000))
    tracemalloc.start()
    count = sum(1 for _line in read_bill(io.BytesIO(body)))
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (count, peak < 2 * 1024 * 1024) == (10_000, True)


# --- fetching it -------------------------------------------------------------------------------------------------


def test_bill_is_asked_for_by_beijings_day_and_downloaded() -> None:
    alipay = AlipayHarness()
    assert alipay.gateway.fetch_statement(date(2026, 11, 22)) is None  # not there yet
    alipay.provider.bills["2026-11-22"] = bill_of(ROWS)
    body = alipay.gateway.fetch_statement(date(2026, 11, 22))
    assert body is not None
    assert len(list(alipay.gateway.read_statement(io.BytesIO(body)))) == 3
    assert (alipay.gateway.statement_zone, alipay.gateway.statement_ready_after_seconds) == ("Asia/Shanghai", 36_000)


@pytest.mark.parametrize(
    ("told", "visited"),
    [
        ("http://dwbillcenter.alipay.com/bill?x=1", "https://dwbillcenter.alipay.com/bill?x=1"),
        ("https://dwbillcenter.alipaydev.com/bill", "https://dwbillcenter.alipaydev.com/bill"),
        ("https://alipay.com.evil.test/bill", ""),
        ("https://evilalipay.com/bill", ""),
        ("https://user@dwbillcenter.alipay.com/bill", ""),
        ("http://127.0.0.1/bill", ""),
        ("file:///etc/passwd", ""),
        ("", ""),
    ],
)
def test_only_alipays_own_addresses_are_visited(told: str, visited: str) -> None:
    seen = []

    def transport(request: HttpRequest) -> HttpResponse:
        seen.append(request.url)
        method = "alipay.data.dataservice.bill.downloadurl.query"
        words = {"code": "10000", "bill_download_url": told}
        return HttpResponse(200, {}, wire.answer(method, words, key=wire.key_pair("alipay")))

    address = "https://openapi.alipay.com/gateway.do"
    gateway = AlipayGateway(GatewayConfiguration("ga_1", address, credentials(), transport, SETTINGS))
    if visited:
        assert gateway.fetch_statement(date(2026, 11, 22))
        assert seen[1:] == [visited]
    else:
        with pytest.raises(GatewayOutcomeUnknown):
            gateway.fetch_statement(date(2026, 11, 22))
        assert seen[1:] == []
