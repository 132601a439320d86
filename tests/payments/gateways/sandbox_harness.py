"""The sandbox's provider as the contract tests want it, in this process and with a clock to turn."""

import time
from dataclasses import dataclass
from typing import Any

from payments.gateways.contract import GatewayConfiguration, Outcome, PaymentResult
from payments.gateways.sandbox.adapter import SandboxGateway
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.signature import HEADER, sign
from payments.gateways.sandbox.transport import SandboxTransport
from tests.payments.gateways.contract_harness import GatewayHarness, SignedCallback, Trouble, a_payment

SECRET = "the sandbox's secret"
BASE_URL = "http://sandbox.test"


@dataclass
class TurnableClock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class SandboxHarness(GatewayHarness):
    action_method = "sandbox_redirect"

    def __init__(self) -> None:
        self.clock = TurnableClock()
        self.provider = SandboxProvider(secrets=[SECRET], base_url=BASE_URL, clock=self.clock)
        self.transport = SandboxTransport(self.provider)
        self.gateway: SandboxGateway = SandboxGateway(
            GatewayConfiguration("ga_1", BASE_URL, {"secret": SECRET}, self.transport)
        )

    def approve(self, reference: str) -> None:
        self.provider.approve(reference)

    def payments_made(self) -> int:
        return self._count("txn")

    def refunds_made(self) -> int:
        return self._count("give_back")

    def trouble_next_payment(self, reference: str, trouble: Trouble) -> None:
        if trouble is Trouble.CONNECTION_REFUSED:
            self.transport.is_reachable = False
        else:
            self.provider.script(reference, str(trouble))

    def trouble_next_refund(self, reference: str, trouble: Trouble) -> None:
        self.provider.script(reference, f"refund_{trouble}")

    def decline_next_payment(self, reference: str) -> None:
        self.provider.script(reference, "decline(insufficient_funds)")

    def answer_unlisted_state(self, reference: str) -> None:
        self.provider.script(reference, "unlisted_state")

    def callbacks(self) -> list[SignedCallback]:
        return [
            SignedCallback({name.lower(): value for name, value in headers.items()}, body)
            for _, headers, body in self.provider.take_callbacks()
        ]

    def sign(self, body: bytes, *, age_seconds: int = 0, secret: str | None = None) -> SignedCallback:
        header = sign(body, secrets=[secret or SECRET], timestamp=int(time.time()) - age_seconds)
        return SignedCallback({HEADER.lower(): header}, body)

    def _count(self, table: str) -> int:
        count: int = self.provider.book.rows(f"SELECT count(*) FROM {table}")[0][0]
        return count


def scripted(harness: SandboxHarness, script: str | dict[str, Any], **changes: Any) -> PaymentResult:
    """A payment that asks for ``script`` itself."""
    return harness.gateway.create_payment(a_payment(harness, options={"sandbox": script}, **changes))


def noticed(harness: SandboxHarness) -> list[tuple[Outcome, int | None, str | None]]:
    """What the callbacks sent since say about payments: outcome, amount, currency."""
    results = []
    for callback in harness.callbacks():
        harness.gateway.verify_webhook(callback.headers, callback.body)
        for notice in harness.gateway.translate_webhook(callback.body):
            assert isinstance(notice, PaymentResult)
            results.append((notice.outcome, notice.amount_minor, notice.currency))
    return results
