"""Payments that wait for a callback, and paycore receiving it in this process. Import once Django is set up."""

import io
import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler

from benchmarks.rig import provider
from merchants.models import Merchant
from paycore import outbox
from paycore.money import Money
from paycore.tasks import drain_outbox
from payments.gateways.contract import HttpRequest, HttpResponse
from payments.gateways.sandbox import signature
from payments.orders.charging import pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.models import Payment
from payments.orders.services import OrderDraft, build_order
from payments.routing.connections import IN_PROCESS, fetch_payment
from payments.routing.models import GatewayAccount
from payments.routing.services import forget_accounts
from payments.tasks import reread_hints
from tests.payments.gateways.simulators.stripe import StripeSimulator

AMOUNT = Money(1999, "USD")
BATCH = 20
"""Callbacks that arrive before the worker looks: as many as it takes at once."""


@dataclass(frozen=True)
class Callback:
    """``sign`` makes the headers when it is sent: both providers sign the time."""

    payment_id: str
    path: str
    body: bytes
    sign: Callable[[bytes], dict[str, str]]


class Receiver:
    """The whole web application, called as a server calls it, and the worker's tasks after each batch."""

    def __init__(self) -> None:
        self._application = WSGIHandler()

    def receive(self, callbacks: list[Callback]) -> None:
        for start in range(0, len(callbacks), BATCH):
            for callback in callbacks[start : start + BATCH]:
                self._post(callback)
            while drain_outbox() + reread_hints():
                pass

    def _post(self, callback: Callback) -> None:
        said: list[str] = []
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": callback.path,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_X_FORWARDED_PROTO": "https",
            "HTTP_X_FORWARDED_FOR": "203.0.113.7",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(callback.body)),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(callback.body),
            "wsgi.errors": sys.stderr,
            **callback.sign(callback.body),
        }
        answer = self._application(environ, lambda status, _headers: said.append(status))
        list(answer)
        answer.close()
        if not said[0].startswith("200"):
            raise SystemExit(f"paycore answers {said[0]}")


def require_paid(callbacks: list[Callback]) -> None:
    """Every payment succeeded, its capture is booked, and no news waits."""
    from django.db import connection

    ids = [callback.payment_id for callback in callbacks]
    paid = Payment.objects.filter(id__in=ids, status="succeeded").count()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT business_id) FROM payments_posting WHERE business_id = ANY(%s)", [ids])
        booked = cursor.fetchone()[0]
        cursor.execute("SELECT count(*) FROM paycore_outboxmessage WHERE status <> 'done'")
        waiting = cursor.fetchone()[0]
    if (paid, booked, waiting) != (len(ids), len(ids), 0):
        raise SystemExit(f"of {len(ids)} payments {paid} succeeded and {booked} are booked; {waiting} messages wait")


@dataclass
class Remembering:
    """The simulated Stripe; what was asked of it once is answered from memory afterwards, which costs nothing."""

    simulator: StripeSimulator
    answers: dict[str, HttpResponse] = field(default_factory=dict)
    is_learning: bool = False

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.url in self.answers:
            return self.answers[request.url]
        response = self.simulator(request)
        if self.is_learning:
            self.answers[request.url] = response
        return response


class StripeShop:
    """Payments in the payer's sheet, at the simulated Stripe."""

    def __init__(self, merchant: Merchant) -> None:
        self._merchant = merchant
        self._simulator = StripeSimulator()
        self._transport = Remembering(self._simulator)
        IN_PROCESS["stripe"] = self._transport
        settings.PAYCORE_GATEWAYS_MAY_BE_REPLACED = True
        self._account = GatewayAccount.objects.create(
            name="Stripe",
            gateway="stripe",
            base_url="inprocess://stripe",
            credentials={"secret_key": self._simulator.secret_key, "webhook_secret": self._simulator.webhook_secret},
            settings={"publishable_key": "pk_test_simulated"},
            methods=["apple_pay"],
            fee_basis_points=290,
            fee_fixed_minor=30,
        )
        forget_accounts()
        self.scenes: list[str] = []
        """The same callbacks for dj-stripe, one JSON object a line."""

    def prepare(self, count: int) -> list[Callback]:
        return [self._prepare_one() for _ in range(count)]

    def _prepare_one(self) -> Callback:
        payment = _pay(self._merchant, method="apple_pay")
        created = json.loads(self._simulator.take_callbacks()[0][1])
        book = self._simulator.book
        self._simulator.intents.confirm(book.get(payment.gateway_reference, "payment_intent"), "pm_card_visa")
        told = [body for _headers, body in self._simulator.take_callbacks()]
        body = next(body for body in told if b'"payment_intent.succeeded"' in body)
        event = json.loads(body)
        method = book.get(event["data"]["object"]["payment_method"], "payment_method")
        self.scenes.append(json.dumps({"created": created["data"]["object"], "method": method, "event": event}))
        self._transport.is_learning = True
        fetch_payment(self._account, payment.id, gateway_reference=payment.gateway_reference, method=payment.method)
        self._transport.is_learning = False
        self._simulator.seen.clear()
        return Callback(payment.id, f"/webhooks/{self._account.id}", body, self._sign)

    def _sign(self, body: bytes) -> dict[str, str]:
        return {"HTTP_STRIPE_SIGNATURE": self._simulator.book.sign(body)}


class SandboxShop:
    """Payments at a provider whose callback says everything, so that nothing is read anew."""

    def __init__(self, merchant: Merchant) -> None:
        provider.install()
        self._merchant = merchant
        self._secret = os.environ["PAYCORE_SANDBOX_SECRET"]
        self._account = GatewayAccount.objects.create(
            name="Sandbox",
            gateway="sandbox",
            base_url="inprocess://sandbox",
            credentials={"secret": self._secret},
            methods=["sandbox_redirect"],
            fee_basis_points=290,
            fee_fixed_minor=30,
        )
        forget_accounts()

    def prepare(self, count: int) -> list[Callback]:
        return [self._prepare_one() for _ in range(count)]

    def _prepare_one(self) -> Callback:
        payment = _pay(self._merchant, method="sandbox_redirect")
        at = round(time.time() * 1000)
        subject = {
            "reference": payment.id,
            "txn": payment.gateway_reference,
            "state": "PAID",
            "sum": AMOUNT.minor,
            "coin": AMOUNT.currency,
            "taken": AMOUNT.minor,
            "held": 0,
            "given_back": 0,
            "fee": 88,
            "why": "",
            "at": at,
        }
        notice = {"notice": f"ntc_{secrets.token_hex(12)}", "kind": "txn.changed", "at": at, "subject": subject}
        return Callback(payment.id, f"/webhooks/{self._account.id}", json.dumps(notice).encode(), self._sign)

    def _sign(self, body: bytes) -> dict[str, str]:
        name = "HTTP_" + signature.HEADER.upper().replace("-", "_")
        return {name: signature.sign(body, secrets=[self._secret], timestamp=int(time.time()))}


def seed_merchant() -> Merchant:
    return Merchant.objects.create(
        name="Corner Shop", country="US", status="approved", fee_basis_points=50, fee_fixed_minor=10
    )


def _pay(merchant: Merchant, *, method: str) -> Payment:
    order = build_order(OrderDraft(merchant_id=merchant.id, amount=AMOUNT, description="Benchmark"))
    payment = pay_order(order, PayInstruction(method=method, return_url="https://shop.example/back"))
    if payment.status != Payment.Status.REQUIRES_ACTION:
        raise SystemExit(f"a payment that should wait for its payer is {payment.status}")
    return payment


def deliver_old_news() -> None:
    """What preparing published is no callback's cost."""
    while outbox.drain(limit=500):
        pass
