"""A shop that is set up once a test; each trial has a new order."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db.models import Sum

from merchants.models import Merchant
from paycore.identifiers import new_id
from paycore.models import OutboxMessage
from paycore.money import Money
from payments.gateways.contract import HttpRequest, HttpResponse
from payments.gateways.sandbox.provider.core import OutgoingNotice, SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.orders import charging
from payments.orders.charging import pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.models import Order, Payment
from payments.orders.services import OrderDraft, create_order
from payments.routing import connections
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, assert_books_are_whole, run_background
from tests.races.crew import Crew, Tally, crew_of

CREW_SIZE = 32


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of requests are not worth a line each, which costs as much as a query."""
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(autouse=True)
def _ample_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of trials fail over within a minute, which nobody would allow a shop."""
    monkeypatch.setattr(charging, "may_retry", lambda: True)


@pytest.fixture
def crew() -> Iterator[Crew]:
    with crew_of(CREW_SIZE) as threads:
        yield threads


@pytest.fixture
def tally() -> Tally:
    return Tally()


@dataclass
class Shop:
    """Makes what a trial needs, by services rather than by HTTP, and judges after the trials."""

    server: MerchantServer
    account: GatewayAccount
    sandbox: SandboxProvider
    transport: SandboxTransport

    def __post_init__(self) -> None:
        made = [MerchantServer(secret=self.server.secret, merchant=self.merchant) for _ in range(CREW_SIZE)]
        self.servers = made

    @property
    def merchant(self) -> Merchant:
        return self.server.merchant

    def order(self, *, amount_minor: int = 1000, capture: str = "automatic") -> Order:
        draft = OrderDraft(
            merchant_id=self.merchant.id,
            amount=Money(amount_minor, "USD"),
            description="A thing",
            capture_method=capture,
        )
        return create_order(draft)

    def payment(self, order: Order | None = None, *, scenario: str = "approve", **more: Any) -> Payment:
        instruction = PayInstruction(method="card", options={"sandbox": {"scenario": scenario}})
        return pay_order(order or self.order(**more), instruction)

    def waiting_payment(self, **more: Any) -> Payment:
        """One that the payer must still approve."""
        payment = self.payment(scenario="require_action", **more)
        assert payment.status == "requires_action"
        return payment

    def deliver(self) -> list[int]:
        """POST what the sandbox has to tell; the status codes."""
        return [self.post(callback, by=0).status_code for callback in self.sandbox.take_callbacks()]

    def post(self, callback: OutgoingNotice, *, by: int) -> Any:
        """One callback to our webhook address, by the client of one thread."""
        url, headers, body = callback
        plain = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        client = self.servers[by].client
        return client.post(urlsplit(url).path, body, content_type="application/json", headers=plain)

    def judge(self, tally: Tally) -> None:
        """After the trials: no surprise, books whole, nothing left to do, the provider agrees."""
        tally.assert_no_surprise()
        self.deliver()
        run_background()
        assert_books_are_whole()
        assert not OutboxMessage.objects.exclude(status="done").exists()
        self.assert_provider_agrees()

    def assert_provider_agrees(self) -> None:
        """What the sandbox took and gave back is what our rows say, and no order holds money twice."""
        with self.sandbox.book.transaction():
            rows = self.sandbox.book.rows("SELECT reference, shop_order, taken, given_back FROM txn WHERE taken > 0")
        theirs = {reference: (taken, given_back) for reference, _order, taken, given_back in rows}
        ours = Payment.objects.filter(captured_minor__gt=0).values_list("id", "captured_minor", "refunded_minor")
        assert {payment_id: (taken, back) for payment_id, taken, back in ours} == theirs
        kept: dict[str, int] = {}
        for _reference, order_id, taken, given_back in rows:
            kept[order_id] = kept.get(order_id, 0) + (taken > given_back)
        assert not [order_id for order_id, times in kept.items() if times > 1], "an order's money is kept twice"


@pytest.fixture
def shop(
    merchant_server: MerchantServer,
    account: GatewayAccount,
    sandbox: SandboxProvider,
    sandbox_transport: SandboxTransport,
) -> Shop:
    return Shop(merchant_server, account, sandbox, sandbox_transport)


@pytest.fixture
def numbers() -> Callable[[], str]:
    counter = count(1)
    return lambda: f"N-{next(counter)}-{new_id('n')[-6:]}"


class Intercepted:
    """A transport that calls ``before``/``after`` around each exchange with the provider."""

    def __init__(self, inner: SandboxTransport) -> None:
        self.inner = inner
        self.before: Callable[[HttpRequest], None] = lambda _request: None
        self.after: Callable[[HttpRequest], None] = lambda _request: None

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.before(request)
        try:
            return self.inner(request)
        finally:
            self.after(request)


@pytest.fixture
def intercepted(shop: Shop) -> Intercepted:
    transport = Intercepted(shop.transport)
    connections.IN_PROCESS["sandbox"] = transport
    connections.forget_adapters()
    return transport


def refunded_or_reserved(payment: Payment) -> int:
    """What all refunds of a payment that were not refused come to."""
    alive = payment.refunds.exclude(status__in=["failed", "rejected"])
    return alive.aggregate(total=Sum("amount_minor"))["total"] or 0
