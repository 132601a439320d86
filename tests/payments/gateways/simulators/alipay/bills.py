"""A day's trade bill as Alipay packs it: two GBK files in a zip, with GBK names and no flag that says so."""

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

HEADER = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,"
    "商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,"
    "卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)
SUMS_HEADER = (
    "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,商家优惠（元）,"
    "卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）"
)
LINE, SUMS_LINE = "-" * 41 + "业务明细列表" + "-" * 40, "-" * 41 + "业务汇总列表" + "-" * 40
DETAIL_NAME, SUMS_NAME = (
    "20881021757948990156_20261122_业务明细.csv",
    "20881021757948990156_20261122_业务明细(汇总).csv",
)


@dataclass(frozen=True)
class Row:
    """``amount`` as the bill writes it: a refund's is negative."""

    trade_no: str
    out_trade_no: str
    amount: str
    kind: str = "交易"
    refund: str = ""
    fee: str = "0.00"
    subject: str = "会员, 一个月"
    done_at: str = "2026-11-22 12:00:00"

    def written(self) -> str:
        subject = f'"{self.subject}"' if "," in self.subject else self.subject
        cells = [
            f"{self.trade_no}\t", f"{self.out_trade_no}\t", self.kind, subject, self.done_at, self.done_at, "\t", "",
            "", "\t", "*某(j***@example.com)", self.amount, self.amount, "0.00", "0.00", "0.00", "0.00", "0.00", "",
            "0.00", "0.00", f"{self.refund}\t", self.fee, "0.00", "",
        ]  # fmt: skip # a row of cells
        return ",".join(cells)


def detail(rows: Iterable[Row]) -> str:
    rows = list(rows)
    takes = [Decimal(row.amount) for row in rows if row.kind == "交易"]
    refunds = [Decimal(row.amount) for row in rows if row.kind == "退款"]
    head = [
        "#支付宝业务明细查询",
        "#账号：[20881021757948990156]",
        "#起始日期：[2026年11月22日 00:00:00]   终止日期：[2026年11月23日 00:00:00]",
        f"#{LINE}",
        HEADER,
    ]
    tail = [
        f"#{LINE.replace('列表', '列表结束')}",
        f"#交易合计：{len(takes)}笔，商家实收共{_sum(takes)}元，商家优惠共0.00元",
        f"#退款合计：{len(refunds)}笔，商家实收退款共{_sum(refunds)}元，商家优惠退款共0.00元",
        "#导出时间：[2026年11月23日 06:27:10]",
    ]
    return "\r\n".join([*head, *(row.written() for row in rows), *tail, ""])


def summary(rows: Iterable[Row]) -> str:
    rows = list(rows)
    takes = [Decimal(row.amount) for row in rows if row.kind == "交易"]
    refunds = [Decimal(row.amount) for row in rows if row.kind == "退款"]
    net = _sum([*takes, *refunds])
    return "\r\n".join(
        [
            "#支付宝业务汇总查询",
            "#账号：[20881021757948990156]",
            "#起始日期：[2026年11月22日 00:00:00]   终止日期：[2026年11月23日 00:00:00]",
            f"#{SUMS_LINE}",
            SUMS_HEADER,
            f"合计\t,,{len(takes)},{len(refunds)},{_sum(takes)},{net},0.00,0.00,0.00,0.00,0.00,{net}",
            f"#{SUMS_LINE.replace('列表', '列表结束')}",
            "#导出时间：[2026年11月23日 06:27:10]",
            "",
        ]
    )


def _sum(amounts: Iterable[Decimal]) -> str:
    return f"{sum(amounts, Decimal(0)):.2f}"


def packed(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Names as GBK bytes under the old code page, as Alipay's packer leaves them."""
    file = io.BytesIO()
    names: dict[bytes, bytes] = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bill:
        for number, (name, content) in enumerate(members):
            # Python writes a name that is not ASCII as UTF-8 with a flag, so the real one is put in afterwards.
            stand_in = f"@{number}".ljust(len(name.encode("gbk")), "@")
            names[stand_in.encode()] = name.encode("gbk")
            info = zipfile.ZipInfo(stand_in, (2026, 11, 23, 6, 27, 10))
            info.compress_type = zipfile.ZIP_DEFLATED
            bill.writestr(info, content)
    data = file.getvalue()
    for written, real in names.items():
        data = data.replace(written, real)
    return data


def bill_of(rows: Iterable[Row]) -> bytes:
    rows = list(rows)
    # The sums first: nobody may go by the order.
    return packed([(SUMS_NAME, summary(rows).encode("gbk")), (DETAIL_NAME, detail(rows).encode("gbk"))])
