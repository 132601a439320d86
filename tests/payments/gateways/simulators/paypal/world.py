"""What PayPal remembers, and the words it has for what it refuses."""

import itertools
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.payments.gateways.simulators.paypal.descriptions import DESCRIPTIONS

ADDRESS = "https://api-m.sandbox.paypal.com"
PAGES = "https://www.sandbox.paypal.com"
WITHOUT_DECIMALS = ("HUF", "JPY", "TWD")
Words = dict[str, Any]


class ApiError(Exception):
    """An answer in PayPal's error form."""

    def __init__(self, status: int, name: str, issue: str = "", *, links: list[Words] | None = None) -> None:
        self.status = status
        self.words: Words = {"name": name, "message": f"{name}.", "debug_id": "d1b2c3d4e5f60", "links": links or []}
        if issue:
            self.words["details"] = [{"issue": issue, "description": DESCRIPTIONS.get(issue, f"{issue}.")}]
        super().__init__(f"{status} {name} {issue}")


MESSAGE_422 = "The requested action could not be performed, semantically incorrect, or failed business validation."


def unprocessable(issue: str, *, links: list[Words] | None = None) -> ApiError:
    error = ApiError(422, "UNPROCESSABLE_ENTITY", issue, links=links)
    error.words["message"] = MESSAGE_422
    return error


def invalid(issue: str, field_name: str = "") -> ApiError:
    error = ApiError(400, "INVALID_REQUEST", issue)
    error.words["message"] = "Request is not well-formed, syntactically incorrect, or violates schema."
    error.words["details"][0] |= {"field": field_name or "/", "location": "body"}
    return error


def not_found() -> ApiError:
    error = ApiError(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID")
    error.words["message"] = "The specified resource does not exist."
    return error


@dataclass
class World:
    """All state, behind one lock. ``clock`` is seconds since 1970."""

    clock: Callable[[], float]
    client_id: str = "client-id"
    client_secret: str = "client-secret"
    webhook_id: str = "8PT597110X687430L"
    lock: threading.RLock = field(default_factory=threading.RLock)
    orders: dict[str, Words] = field(default_factory=dict)
    captures: dict[str, Words] = field(default_factory=dict)
    authorizations: dict[str, Words] = field(default_factory=dict)
    refunds: dict[str, Words] = field(default_factory=dict)
    order_of: dict[str, str] = field(default_factory=dict)
    """Which order a capture, authorization or refund belongs to."""
    setups: dict[str, Words] = field(default_factory=dict)
    tokens: dict[str, Words] = field(default_factory=dict)
    disputes: dict[str, Words] = field(default_factory=dict)
    evidence: list[tuple[str, bytes]] = field(default_factory=list)
    transactions: list[Words] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    seen: dict[tuple[str, str], str] = field(default_factory=dict)
    """What a PayPal-Request-Id made: by kind of call and id."""
    paid_invoices: set[str] = field(default_factory=set)
    access_tokens: dict[str, float] = field(default_factory=dict)
    tokens_given: int = 0
    declines: dict[str, str] = field(default_factory=dict)
    """By our reference: the issue with which the next capture or charge of it is refused."""
    states: dict[str, str] = field(default_factory=dict)
    """By our reference: what its order says of itself, whatever happens."""
    refund_states: dict[str, str] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def new_id(self, prefix: str = "") -> str:
        return f"{prefix}{next(self._numbers):017d}"[: 17 + len(prefix)].replace("0", "X")

    def now(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def tell(self, event_type: str, resource_type: str, resource: Words) -> None:
        event = {
            "id": self.new_id("WH-"),
            "event_version": "1.0",
            "create_time": self.now(),
            "resource_type": resource_type,
            "resource_version": "2.0",
            "event_type": event_type,
            "summary": f"{event_type}.",
            "resource": resource,
            "links": [],
        }
        self.events.append(json.dumps(event).encode())

    def record(self, *, kind: Words, code: str, amount: Words, fee: Decimal, sign: int) -> None:
        """A movement of money, as Transaction Search shows it."""
        currency = amount["currency_code"]
        self.transactions.append(
            {
                "transaction_info": {
                    "transaction_id": kind["id"],
                    "transaction_event_code": code,
                    "transaction_initiation_date": self.now().replace("Z", "+0000"),
                    "transaction_updated_date": self.now().replace("Z", "+0000"),
                    "transaction_amount": money(sign * Decimal(amount["value"]), currency),
                    "fee_amount": money(-fee, currency),
                    "transaction_status": "S",
                    "invoice_id": kind.get("invoice_id", ""),
                    "custom_field": kind.get("custom_id", ""),
                }
            }
        )


def money(value: Decimal, currency: str) -> Words:
    step = Decimal(1) if currency in WITHOUT_DECIMALS else Decimal("0.01")
    return {"currency_code": currency, "value": str(value.quantize(step, ROUND_HALF_UP))}


def fee_on(amount: Words) -> Decimal:
    step = Decimal(1) if amount["currency_code"] in WITHOUT_DECIMALS else Decimal("0.01")
    return (Decimal(amount["value"]) * Decimal("0.0349") + Decimal("0.49")).quantize(step, ROUND_HALF_UP)


def read_amount(words: Any) -> Words:
    """As PayPal checks it: a positive decimal string, and no decimals where the currency has none."""
    if not isinstance(words, dict) or not words.get("value") or not words.get("currency_code"):
        raise invalid("MISSING_REQUIRED_PARAMETER", "/amount")
    value = Decimal(words["value"])
    if value <= 0:
        raise unprocessable("CANNOT_BE_ZERO_OR_NEGATIVE")
    decimals = -int(value.as_tuple().exponent)
    if words["currency_code"] in WITHOUT_DECIMALS and decimals > 0:
        raise unprocessable("DECIMALS_NOT_SUPPORTED")
    if decimals > 2:
        raise unprocessable("DECIMAL_PRECISION")
    return {"currency_code": words["currency_code"], "value": words["value"]}


def link(rel: str, href: str, method: str = "GET") -> Words:
    return {"href": href, "rel": rel, "method": method}
