"""``manage.py demo``: plays the story against the running server, through its public API only, then opens the books.

Fails loudly (exit code 1) at the first thing that is not as it should be.
"""

import json
import logging
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from paycore.http import OutboundRequest, client
from paycore.money import Money
from payments.ledger.invariants import run_checks
from payments.ledger.queries import transfers_of

PATIENCE_SECONDS = 40


class StoryWentWrong(CommandError):
    """Something is not as the story tells it."""


@dataclass
class App:
    """A mobile app with nothing but the public address and, later, a token."""

    base_url: str
    token: str = ""
    log: list[str] = field(default_factory=list)

    def get(self, path: str) -> dict[str, Any]:
        return self._call("GET", path, None, expected=200)

    def post(self, path: str, body: Any, *, expected: int = 201) -> dict[str, Any]:
        return self._call("POST", path, body, expected=expected)

    def _call(self, method: str, path: str, body: Any, *, expected: int) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4()), "Accept-Language": "en"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = OutboundRequest(
            method=method,
            url=f"{self.base_url}/api/v1{path}",
            headers=headers,
            body=b"" if body is None else json.dumps(body).encode(),
            deadline_seconds=15,
        )
        response = client().send(request)
        if response.status != expected:
            raise StoryWentWrong(f"{method} {path} answered {response.status}: {response.body[:600]!r}")
        answer: dict[str, Any] = json.loads(response.body)
        return answer


class Command(BaseCommand):
    help = "Plays the demo story against the server that `make run` started."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.PAYCORE_SANDBOX_MODE:
            raise CommandError("The story spends play money: sandbox mode only (PAYCORE_SANDBOX_MODE=yes).")
        logging.getLogger("paycore.http").setLevel(logging.WARNING)  # the story is told once
        self._began = time.monotonic()
        app = App(settings.PAYCORE_BASE_URL)
        self._sign_up(app)
        order = self._order_premium(app)
        self._get_declined(app, order)
        payment = self._pay(app, order)
        self._enjoy(app)
        refund = self._refund(app, payment)
        self._show_books(payment, refund)

    def _sign_up(self, app: App) -> None:
        email = f"ada-{uuid.uuid4().hex[:8]}@demo.example"
        answer = app.post("/auth/app/v1/auth/signup", {"email": email, "password": uuid.uuid4().hex}, expected=200)
        app.token = answer["meta"]["access_token"]
        me = app.get("/me")
        self._tell(f"Ada signs up with {email} and is {me['id']}")
        membership = app.get("/membership")
        self._require(membership["plan"] == "free", "a new user is on the free plan", membership)

    def _order_premium(self, app: App) -> dict[str, Any]:
        plans = app.get("/plans")["data"]
        self._tell("On sale: " + ", ".join(plan["name"] for plan in plans))
        premium = next(plan for plan in plans if plan["code"] == "premium")
        price = next(price for price in premium["prices"] if price["currency"] == "USD")
        order = app.post("/membership/orders", {"price": price["id"]})
        self._tell(f"She orders {order['description']}: {_money(order['amount_minor'])}, {order['id']}")
        session = app.post("/checkout-sessions", {"order": order["id"]})
        self._tell(f"A hosted page could take the money as well: {session['url']}")
        return order

    def _get_declined(self, app: App, order: dict[str, Any]) -> None:
        body = {"order": order["id"], "method": "card", "options": {"token": "tok_decline_insufficient_funds"}}
        payment = app.post("/payments", body)
        self._require(payment["status"] == "failed", "an empty card is declined", payment)
        self._tell(f"Her first card is declined: {payment['failure_code']}; the order stays open")

    def _pay(self, app: App, order: dict[str, Any]) -> dict[str, Any]:
        body = {"order": order["id"], "method": "sandbox_redirect", "return_url": settings.PAYCORE_BASE_URL}
        payment = app.post("/payments", body)
        self._require(payment["status"] == "requires_action", "the provider wants her approval", payment)
        url = payment["next_action"]["url"]
        self._tell(f"She is sent to the provider's page: {url}")
        approval = OutboundRequest(
            method="POST",
            url=url,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=b"decision=approve",
        )
        client().send(approval)
        payment = self._wait(app, f"/payments/{payment['id']}", until="succeeded", version=payment["version"])
        self._tell(f"She approves there; the provider's signed callback makes {payment['id']} succeeded")
        paid = app.get(f"/orders/{order['id']}")
        self._require(paid["status"] == "paid", "the order is paid", paid)
        return payment

    def _enjoy(self, app: App) -> None:
        membership = self._wait_for(lambda: app.get("/membership"), lambda answer: answer["plan"] == "premium")
        self._tell(f"Premium is active until {membership['period_ends_at'][:10]}")
        rights = ", ".join(f"{row['feature']} {row['limit']}" for row in app.get("/entitlements")["data"])
        self._tell(f"She may use: {rights}")

    def _refund(self, app: App, payment: dict[str, Any]) -> dict[str, Any]:
        refund = app.post("/refunds", {"payment": payment["id"], "reason": "Changed my mind"})
        self._tell(f"She asks for her money back: {refund['id']} is {refund['status']}")
        refund = self._wait(app, f"/refunds/{refund['id']}", until="succeeded")
        self._tell(f"{_money(refund['amount_minor'])} is on its way to her; the refund succeeded")
        self._wait_for(lambda: app.get("/membership"), lambda answer: answer["plan"] == "free")
        self._tell("Premium has ended; she is on the free plan again")
        return refund

    def _show_books(self, payment: dict[str, Any], refund: dict[str, Any]) -> None:
        self._tell("The books of this story:")
        for kind, business_id in (("payment", payment["id"]), ("refund", refund["id"])):
            for transfer in transfers_of(kind, business_id):
                amount = _money(transfer.amount_minor, transfer.debit_account.currency)
                self.stdout.write(
                    f"          {transfer.posting.phase:<14} {amount:>10}   "
                    f"debit {transfer.debit_account.code}, credit {transfer.credit_account.code}"
                )
        findings = run_checks()
        self._require(not findings, "the invariants J1 to J9 hold", findings)
        self._tell("Every invariant of the books holds (manage.py check_books)")

    def _wait(self, app: App, path: str, *, until: str, version: int = 0) -> dict[str, Any]:
        """Long-poll where the endpoint can; else look again."""
        query = f"?wait_seconds=5&after_version={version}" if version else ""
        return self._wait_for(lambda: app.get(path + query), lambda answer: answer["status"] == until)

    def _wait_for(self, ask: Any, is_good: Any) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer: dict[str, Any] = ask()
            if is_good(answer):
                return answer
            if time.monotonic() > until:
                raise StoryWentWrong(f"after {PATIENCE_SECONDS} s it is still {json.dumps(answer)[:600]}")
            time.sleep(0.3)

    def _require(self, is_true: bool, promise: str, found: Any) -> None:
        if not is_true:
            raise StoryWentWrong(f"Not true: {promise}. Found: {found}")

    def _tell(self, text: str) -> None:
        self.stdout.write(f"{time.monotonic() - self._began:7.2f} s  {text}")


def _money(minor: int, currency: str = "USD") -> str:
    return Money(minor, currency).format("en")
