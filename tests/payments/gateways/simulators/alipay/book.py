"""What Alipay remembers: trades with their refunds, and agreements."""

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass
class Trade:
    out_trade_no: str
    trade_no: str
    amount: Decimal
    subject: str
    notify_url: str
    expires: str
    made_at: str
    status: str = "WAIT_BUYER_PAY"
    paid_at: str = ""
    refunds: dict[str, tuple[Decimal, str]] = field(default_factory=dict)

    @property
    def refunded(self) -> Decimal:
        return sum((amount for amount, _at in self.refunds.values()), Decimal(0))


@dataclass
class Agreement:
    external_no: str
    agreement_no: str
    terms: dict[str, str]
    notify_url: str
    signed_at: str
    status: str = "NORMAL"
    ended_at: str = ""


def names_of(trade: Trade) -> dict[str, str]:
    return {
        "out_trade_no": trade.out_trade_no,
        "trade_no": trade.trade_no,
        "total_amount": str(trade.amount),
    }
