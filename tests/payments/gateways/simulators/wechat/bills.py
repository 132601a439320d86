"""Trade bills in the provider's layout."""

import gzip
import hashlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

HEADER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,"
    "代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
SUMMARY = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"


def a_take(number: str, yuan: str, *, fee: str = "0.06000", title: str = "Premium") -> dict[str, str]:
    return _row(
        商户订单号=number,
        微信订单号=f"42000{number}",
        交易状态="SUCCESS",
        应结订单金额=yuan,
        订单金额=yuan,
        手续费=fee,
        商品名称=title,
    )


def a_refund(number: str, refund: str, yuan: str, *, fee: str = "-0.06000", state: str = "SUCCESS") -> dict[str, str]:
    return _row(
        商户订单号=number,
        微信订单号=f"42000{number}",
        交易状态="REFUND",
        微信退款单号=f"50000{refund}",
        商户退款单号=refund,
        退款金额=yuan,
        申请退款金额=yuan,
        退款类型="ORIGINAL",
        退款状态=state,
        手续费=fee,
    )


def _row(**cells: str) -> dict[str, str]:
    usual = dict.fromkeys(HEADER.split(","), "")
    usual |= dict.fromkeys(
        ("应结订单金额", "代金券金额", "退款金额", "充值券退款金额", "订单金额", "申请退款金额"), "0.00"
    )
    return usual | {"交易时间": "2026-03-02 23:59:58", "货币种类": "CNY", "费率": "0.60%", "手续费": "0.00000"} | cells


def write_bill(rows: Iterable[dict[str, str]], *, header: str = HEADER, **summary: Any) -> bytes:
    """CRLF, a byte order mark, backticks before data; the summary is right unless told otherwise."""
    rows = list(rows)

    def total(name: str) -> str:
        return str(sum((Decimal(row[name]) for row in rows), Decimal("0.00")).quantize(Decimal("0.01")))

    sums = {
        "总交易单数": str(len(rows)),
        "应结订单总金额": total("应结订单金额"),
        "退款总金额": total("退款金额"),
        "充值券退款总金额": total("充值券退款金额"),
        "手续费总金额": total("手续费"),
        "订单总金额": total("订单金额"),
        "申请退款总金额": total("申请退款金额"),
    } | summary
    names = header.split(",")
    lines = [header, *(",".join(f"`{row[name]}" for name in names) for row in rows), SUMMARY]
    lines.append(",".join(f"`{sums[name]}" for name in SUMMARY.split(",")))
    return ("\ufeff" + "".join(f"{line}\r\n" for line in lines)).encode()


def packed(bill: bytes) -> bytes:
    return gzip.compress(bill, mtime=0)


def promise(bill: bytes, *, day: str, host: str) -> dict[str, str]:
    digest = hashlib.sha1(bill).hexdigest()
    return {"hash_type": "SHA1", "hash_value": digest, "download_url": f"{host}/v3/billdownload/file?token={day}"}
