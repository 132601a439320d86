"""The simulated providers as the grid sees them: what a request is, what was taken, what a payer does, callbacks."""

import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import urlsplit

from payments.gateways.contract import HttpRequest, HttpResponse, HttpTransport
from payments.gateways.paypal.order_words import CLOSED_PREFIX
from tests.payments.gateways import alipay_harness, wechat_harness
from tests.payments.gateways.paypal_harness import CERTIFICATE_URL
from tests.payments.gateways.simulators.alipay import wire
from tests.payments.gateways.simulators.alipay.provider import AlipaySimulator
from tests.payments.gateways.simulators.paypal import orders as paypal_orders
from tests.payments.gateways.simulators.paypal import signing
from tests.payments.gateways.simulators.paypal.api import PayPalTransport
from tests.payments.gateways.simulators.paypal.world import World as PayPalWorld
from tests.payments.gateways.simulators.stripe import StripeSimulator
from tests.payments.gateways.simulators.wechat.keyring import stranger
from tests.payments.gateways.simulators.wechat.provider import WechatSimulator

Callback = tuple[Mapping[str, str], bytes]
Change = Callable[[Any], None]


class Side(ABC):
    """One provider. Amounts are minor units; ``number`` is our payment's id."""

    name: ClassVar[str]
    methods: ClassVar[tuple[str, ...]]
    currency: ClassVar[str] = "USD"
    content_type: ClassVar[str] = "application/json"
    signs_answers: ClassVar[bool] = False
    transport: HttpTransport
    credentials: Mapping[str, str]
    settings: Mapping[str, str]

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.transport(request)

    def is_served_at(self, address: str) -> None:  # noqa: B027 most need not know
        """Instead of in this process."""

    def options(self, method: str) -> dict[str, Any]:
        """Of the request to pay."""
        return {}

    @abstractmethod
    def kind_of(self, request: HttpRequest) -> str: ...

    def rewritten(self, response: HttpResponse, change: Change) -> HttpResponse:
        words = json.loads(response.body) if response.body else {}
        change(words)
        return HttpResponse(response.status, response.headers, json.dumps(words).encode())

    def unsigned(self, response: HttpResponse) -> HttpResponse:
        raise NotImplementedError

    def missigned(self, response: HttpResponse) -> HttpResponse:
        raise NotImplementedError

    def begins_to_pay(self, number: str) -> None:  # noqa: B027 most know of it before
        """The payer opens what they were shown, and does no more."""

    @abstractmethod
    def approve(self, number: str) -> None:
        """The payer does what they were shown, if that is still possible."""

    def time_is_over(self, number: str) -> None:  # noqa: B027 most hold a payer to no time
        """What the payer was shown has expired at the provider as well."""

    @abstractmethod
    def taken(self, number: str) -> list[int]:
        """What was taken under this number, once for each time."""

    @abstractmethod
    def given_back(self, number: str) -> list[int]: ...

    @abstractmethod
    def callbacks(self) -> list[Callback]: ...


class StripeSide(Side):
    name = "stripe"
    methods = ("card", "apple_pay")

    def __init__(self) -> None:
        self.simulator = StripeSimulator()
        self.transport = self.simulator
        self.credentials = {
            "secret_key": self.simulator.secret_key,
            "webhook_secret": self.simulator.webhook_secret,
        }
        self.settings = {"publishable_key": "pk_test_simulated"}

    def options(self, method: str) -> dict[str, Any]:
        return {"token": "pm_card_visa"} if method == "card" else {}

    def kind_of(self, request: HttpRequest) -> str:
        path = urlsplit(request.url).path
        if path.startswith("/v1/payment_intents"):
            if request.method == "GET":
                return "query"
            return "close" if path.endswith("/cancel") or b"closed" in request.body else "create"
        return {"POST /v1/refunds": "refund", "GET /v1/refunds": "refund_query"}.get(f"{request.method} {path}", "")

    def approve(self, number: str) -> None:
        self.simulator.pay_in_sheet(number)

    def taken(self, number: str) -> list[int]:
        return [intent["amount_received"] for intent in self._intents(number) if intent["amount_received"]]

    def given_back(self, number: str) -> list[int]:
        intents = {intent["id"] for intent in self._intents(number)}
        return [back["amount"] for back in self.simulator.book.all_of("refund") if back["payment_intent"] in intents]

    def callbacks(self) -> list[Callback]:
        return list(self.simulator.take_callbacks())

    def _intents(self, number: str) -> list[Any]:
        intents = self.simulator.book.all_of("payment_intent")
        return [intent for intent in intents if intent["metadata"].get("reference") == number]


class WechatSide(Side):
    name = "wechat"
    methods = ("wechat_native",)
    currency = "CNY"
    signs_answers = True

    def __init__(self) -> None:
        self.simulator = WechatSimulator()
        self.transport = self.simulator
        configuration = wechat_harness.configuration(self.simulator)
        self.credentials, self.settings = configuration.credentials, configuration.settings

    def kind_of(self, request: HttpRequest) -> str:
        path = urlsplit(request.url).path
        if path.startswith("/v3/pay/transactions/"):
            if request.method == "GET":
                return "query"
            return "close" if path.endswith("/close") else "create"
        if path.startswith("/v3/refund/"):
            return "refund" if request.method == "POST" else "refund_query"
        return ""

    def rewritten(self, response: HttpResponse, change: Change) -> HttpResponse:
        changed = super().rewritten(response, change)
        return HttpResponse(changed.status, self.simulator.signature(changed.body), changed.body)

    def unsigned(self, response: HttpResponse) -> HttpResponse:
        forged = super().rewritten(response, claim_success)
        return HttpResponse(response.status, {"Content-Type": "application/json"}, forged.body)

    def missigned(self, response: HttpResponse) -> HttpResponse:
        forged = super().rewritten(response, claim_success)
        return HttpResponse(response.status, self.simulator.signature(forged.body, private=stranger()), forged.body)

    def approve(self, number: str) -> None:
        self.simulator.desk.approve(number)

    def taken(self, number: str) -> list[int]:
        order = self.simulator.book.orders.get(number)
        return [order.total] if order is not None and order.transaction_id else []

    def given_back(self, number: str) -> list[int]:
        refunds = self.simulator.book.refunds.values()
        return [back.amount for back in refunds if back.order.number == number and back.state == "SUCCESS"]

    def callbacks(self) -> list[Callback]:
        return [(callback.headers, callback.body) for callback in self.simulator.callbacks()]


class AlipaySide(Side):
    """Whoever is shown a code scans it and pays."""

    name = "alipay"
    methods = ("alipay_qr",)
    currency = "CNY"
    content_type = "application/x-www-form-urlencoded"
    signs_answers = True
    _kinds: ClassVar[dict[str, str]] = {
        "alipay.trade.precreate": "create",
        "alipay.trade.query": "query",
        "alipay.trade.close": "close",
        "alipay.trade.refund": "refund",
        "alipay.trade.fastpay.refund.query": "refund_query",
    }

    def __init__(self) -> None:
        self.simulator = AlipaySimulator(merchant=alipay_harness.a_merchant(), clock=time.time)
        self.transport = self.simulator
        self.credentials, self.settings = alipay_harness.credentials(), alipay_harness.SETTINGS

    def kind_of(self, request: HttpRequest) -> str:
        return self._kinds.get(wire.parameters_of(request)["method"], "")

    def rewritten(self, response: HttpResponse, change: Change) -> HttpResponse:
        return self._answered(response, change, key="alipay")

    def unsigned(self, response: HttpResponse) -> HttpResponse:
        return self._answered(response, claim_success, key="")

    def missigned(self, response: HttpResponse) -> HttpResponse:
        return self._answered(response, claim_success, key="stranger")

    def _answered(self, response: HttpResponse, change: Change, *, key: str) -> HttpResponse:
        found = re.fullmatch(r'\{"(\w+)_response":(\{.*\}),"sign":"[^"]+"\}', response.body.decode(), re.DOTALL)
        assert found is not None, response.body
        words = json.loads(found[2])
        change(words)
        body = wire.answer(found[1], words, key=wire.key_pair(key) if key else None)
        return HttpResponse(response.status, response.headers, body)

    def begins_to_pay(self, number: str) -> None:
        for code, (content, _url) in list(self.simulator.codes.items()):
            if content["out_trade_no"] == number and number not in self.simulator.trades:
                with suppress(wire.Refused):
                    self.simulator.scan(code)

    def approve(self, number: str) -> None:
        self.begins_to_pay(number)
        if number in self.simulator.trades:
            self.simulator.pay(number)

    def time_is_over(self, number: str) -> None:
        for content, _url in self.simulator.codes.values():
            if content["out_trade_no"] == number:
                content["time_expire"] = "2020-01-01 00:00:00"

    def taken(self, number: str) -> list[int]:
        trade = self.simulator.trades.get(number)
        return [int(trade.amount * 100)] if trade is not None and trade.paid_at else []

    def given_back(self, number: str) -> list[int]:
        trade = self.simulator.trades.get(number)
        return [int(amount * 100) for amount, _at in trade.refunds.values()] if trade is not None else []

    def callbacks(self) -> list[Callback]:
        with self.simulator.lock:
            sent, self.simulator.sent[:] = list(self.simulator.sent), []
        return [({}, body) for _url, body in sent]


class PayPalSide(Side):
    name = "paypal"
    methods = ("paypal",)

    def __init__(self) -> None:
        self.simulator = PayPalWorld(clock=time.time)
        chain = signing.chain_pem([signing.leaf(), signing.intermediate()])
        self.transport = PayPalTransport(self.simulator, certificates={"CERT-1": chain})
        self.credentials = {"client_id": self.simulator.client_id, "client_secret": self.simulator.client_secret}
        self.settings = {"webhook_id": self.simulator.webhook_id, "trusted_roots_pem": signing.root().pem}
        self._certificate_url = CERTIFICATE_URL

    def is_served_at(self, address: str) -> None:
        self.settings = {**self.settings, "certificate_address": address}
        self._certificate_url = f"{address}{signing.CERTIFICATE_PATH}CERT-1"

    def kind_of(self, request: HttpRequest) -> str:
        path = urlsplit(request.url).path
        if path == "/v2/checkout/orders":
            return "close" if CLOSED_PREFIX.encode() in request.body else "create"
        if path.startswith("/v2/checkout/orders/"):
            return {"GET": "query", "PATCH": "close", "POST": "take"}[request.method]
        return "refund" if path.endswith("/refund") else ""

    def approve(self, number: str) -> None:
        with self.simulator.lock:
            paypal_orders.approve(self.simulator, number)

    def taken(self, number: str) -> list[int]:
        captures = [one for order in self._orders(number) for one in self._made(order, "captures")]
        return [_minor(capture) for capture in captures]

    def given_back(self, number: str) -> list[int]:
        refunds = [one for order in self._orders(number) for one in self._made(order, "refunds")]
        return [_minor(refund) for refund in refunds]

    def callbacks(self) -> list[Callback]:
        with self.simulator.lock:
            bodies, self.simulator.events[:] = list(self.simulator.events), []
        return [(self._signed(body), body) for body in bodies]

    def _signed(self, body: bytes) -> Mapping[str, str]:
        webhook_id = self.simulator.webhook_id
        key = signing.leaf().key
        return signing.signed_headers(
            body, key=key, webhook_id=webhook_id, at=time.time(), certificate_url=self._certificate_url
        )

    def _orders(self, number: str) -> list[Any]:
        orders = self.simulator.orders.values()
        return [order for order in orders if order["purchase_units"][0].get("invoice_id") == number]

    def _made(self, order: Any, kind: str) -> list[Any]:
        made: list[Any] = order["purchase_units"][0].get("payments", {}).get(kind, [])
        return made


def _minor(thing: Any) -> int:
    return round(float(thing["amount"]["value"]) * 100)


def claim_success(words: Any) -> None:
    """What a forger would say of a payment."""
    for name, success in (("trade_state", "SUCCESS"), ("trade_status", "TRADE_SUCCESS")):
        if name in words:
            words[name] = success
            words |= {"transaction_id": "4200000000000000000000000000"} if name == "trade_state" else {}
