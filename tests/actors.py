"""Who acts in the tests: a merchant's server, an app user, and the world between a gateway and us."""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from allauth.account.models import EmailAddress
from django.test import Client

from accounts.models import User
from memberships.invoices.checks import run_checks as run_membership_checks
from merchants.models import Merchant
from paycore import outbox
from paycore.clock import database_now
from paycore.money import Money
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.ledger.invariants import run_checks
from payments.orders.captures import due_captures, send_capture
from payments.orders.disputes.answering import advance_dispute, due_disputes
from payments.orders.refunds import due_refunds, send_refund
from payments.orders.services import OrderDraft, create_order
from payments.orders.syncing import sync_payment
from payments.webhooks.hints import due_hints, reread_hint

API = "/api/v1"


@dataclass
class Caller:
    """Speaks JSON with a bearer token; each POST has a new Idempotency-Key unless one is given."""

    secret: str
    client: Client = field(default_factory=Client)

    def get(self, path: str, **parameters: Any) -> Any:
        return self.client.get(f"{API}{path}", parameters, headers=self._headers())

    def post(self, path: str, body: Any = None, *, key: str | None = None, raw: bytes | None = None) -> Any:
        headers = self._headers() | {"Idempotency-Key": key or str(uuid.uuid4())}
        data = raw if raw is not None else json.dumps(body if body is not None else {}).encode()
        return self.client.post(f"{API}{path}", data, content_type="application/json", headers=headers)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}


@dataclass
class MerchantServer(Caller):
    merchant: Merchant = None  # type: ignore[assignment]  # always given; dataclass inheritance wants a default

    def create_order(self, *, amount_minor: int = 1999, currency: str = "USD", **more: Any) -> dict[str, Any]:
        body = {"currency": currency, "amount_minor": amount_minor, "description": "A thing", **more}
        response = self.post("/orders", body)
        assert response.status_code == 201, response.content
        answer: dict[str, Any] = response.json()
        return answer

    def pay(self, order_id: str, *, method: str = "card", scenario: str = "approve", key: str | None = None) -> Any:
        body = {"order": order_id, "method": method, "options": {"sandbox": {"scenario": scenario}}}
        return self.post("/payments", body, key=key)

    def paid_order_of_user(self, user: User) -> str:
        """A paid order that concerns somebody: memberships and receipts have a message to handle."""
        draft = OrderDraft(
            merchant_id=self.merchant.id, amount=Money(1999, "USD"), description="A thing", user_id=user.id
        )
        order = create_order(draft)
        assert self.pay(order.id).json()["status"] == "succeeded"
        return order.id

    def paid_order(self, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """A new order, paid: (order, payment)."""
        order = self.create_order(**more)
        payment = self.pay(order["id"]).json()
        assert payment["status"] == "succeeded", payment
        return order, payment


@dataclass
class AppUser(Caller):
    user: User = None  # type: ignore[assignment]

    @classmethod
    def signed_in(cls, email: str = "ada@example.com") -> "AppUser":
        """A person whose address was verified earlier, signed in through the public API, as an app would."""
        user = User.objects.create_user(email=email, password="a long enough phrase")
        EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
        response = Client().post(
            f"{API}/auth/app/v1/auth/login",
            {"email": email, "password": "a long enough phrase"},
            content_type="application/json",
        )
        token = response.json()["meta"]["access_token"]
        return cls(secret=token, user=user)


def deliver_callbacks(sandbox: SandboxProvider, *, order: list[int] | None = None) -> list[int]:
    """POST what the sandbox wants to tell to our webhook address, in ``order``; the status codes."""
    callbacks = sandbox.take_callbacks()
    chosen = [callbacks[i] for i in order] if order is not None else callbacks
    return [post_callback(url, headers, body) for url, headers, body in chosen]


def post_callback(url: str, headers: Any, body: bytes) -> int:
    plain = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    response = Client().post(urlsplit(url).path, body, content_type="application/json", headers=plain)
    return response.status_code


def run_background() -> None:
    """What worker and beat would do, until nothing is left to do at once."""
    for _round in range(20):
        done = outbox.drain()
        for refund_id in due_refunds(limit=100):
            send_refund(refund_id)
            done += 1
        for capture_id in due_captures(limit=100):
            send_capture(capture_id)
            done += 1
        for receipt_id in due_hints(limit=100):
            reread_hint(receipt_id)
            done += 1
        for dispute_id in due_disputes(limit=100):
            advance_dispute(dispute_id)
            done += 1
        if not done:
            return
    raise AssertionError("the background work does not come to an end")


def sync(payment_id: str) -> str:
    """Ask the gateway about one payment; its status afterwards."""
    return sync_payment(payment_id, now=database_now()).status


def assert_books_are_whole() -> None:
    findings = [*run_checks(), *run_membership_checks()]
    assert not findings, findings
