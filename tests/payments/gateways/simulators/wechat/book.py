"""What the made-up WeChat Pay remembers, and the errors that it answers with."""

from dataclasses import dataclass, field
from typing import Any


class Refusal(Exception):
    """An error answer, by status and code as the documentation lists them."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        self.status, self.code, self.message = status, code, message or code
        super().__init__(code)


@dataclass
class Order:
    number: str
    words: dict[str, Any]
    scene: str
    total: int
    state: str = "NOTPAY"
    transaction_id: str = ""
    prepay_id: str = ""
    paid_at: float | None = None
    refunded: int = 0
    state_said: str = ""
    """What is said instead of the state."""
    contract_id: str = ""
    error_code: str = ""


@dataclass
class Refund:
    number: str
    refund_id: str
    order: Order
    amount: int
    state: str
    created_at: float
    notify_url: str = ""
    succeeded_at: float | None = None


@dataclass
class Contract:
    code: str
    contract_id: str
    plan_id: str
    serial: str
    openid: str
    notify_url: str
    state: str = "9"
    signed_at: float | None = None
    ended_at: float | None = None


@dataclass
class Book:
    orders: dict[str, Order] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    contracts: dict[str, Contract] = field(default_factory=dict)
    """By contract code."""
    announcements: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0

    def next_number(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count:018d}"

    def order(self, number: str) -> Order:
        if number not in self.orders:
            raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
        return self.orders[number]

    def contract_by_id(self, contract_id: str) -> Contract | None:
        return next((one for one in self.contracts.values() if one.contract_id == contract_id), None)
