"""The simulated Stripe as the contract tests want it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from payments.gateways.contract import GatewayConfiguration, HttpTransport, PaymentRequest
from payments.gateways.stripe.adapter import StripeGateway
from tests.payments.gateways.contract_harness import GatewayHarness, SignedCallback, Trouble
from tests.payments.gateways.simulators.stripe import StripeSimulator

BASE_URL = "https://api.stripe.com"


@dataclass
class TurnableClock:
    now: float

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def gateway_on(
    transport: HttpTransport,
    simulator: StripeSimulator,
    *,
    settings: Mapping[str, str] | None = None,
    base_url: str = BASE_URL,
) -> StripeGateway:
    configuration = GatewayConfiguration(
        "ga_1",
        base_url,
        {"secret_key": simulator.secret_key, "webhook_secret": simulator.webhook_secret},
        transport,
        {"publishable_key": "pk_test_simulated", **(settings or {})},
    )
    return StripeGateway(configuration, clock=simulator.clock)


class StripeHarness(GatewayHarness):
    """``card`` with a token is confirmed by us at once; Apple Pay is confirmed in the payer's sheet."""

    immediate_method = "card"
    action_method = "apple_pay"
    # Events name the charge by its id only, and the fee is said with the charge.
    payment_notices_are_whole: ClassVar[bool] = False

    def __init__(self) -> None:
        self.clock = TurnableClock(float(int(time.time())))
        self.simulator = StripeSimulator(clock=self.clock)
        self.simulator.intents.offers_multicapture = True
        self.gateway: StripeGateway = gateway_on(
            self.simulator, self.simulator, settings={"request_multicapture": "if_available"}
        )

    def dress(self, request: PaymentRequest) -> PaymentRequest:
        if request.method != "card" or "token" in request.options or request.saved:
            return request
        return replace(request, options={**request.options, "token": "pm_card_visa"})

    def approve(self, reference: str) -> None:
        self.simulator.pay_in_sheet(reference)

    def payments_made(self) -> int:
        return len(self.simulator.book.all_of("payment_intent"))

    def refunds_made(self) -> int:
        return len(self.simulator.book.all_of("refund"))

    def trouble_next_payment(self, reference: str, trouble: Trouble) -> None:
        self.simulator.trouble[reference] = str(trouble)

    def trouble_next_refund(self, reference: str, trouble: Trouble) -> None:
        self.simulator.trouble[reference] = str(trouble)

    def decline_next_payment(self, reference: str) -> None:
        self.simulator.intents.declines[reference] = "pm_card_chargeDeclinedInsufficientFunds"

    def answer_unlisted_state(self, reference: str) -> None:
        self.simulator.unlisted_state.add(reference)

    def callbacks(self) -> list[SignedCallback]:
        return [
            SignedCallback({name.lower(): value for name, value in headers.items()}, body)
            for headers, body in self.simulator.take_callbacks()
        ]

    def sign(self, body: bytes, *, age_seconds: int = 0, secret: str | None = None) -> SignedCallback:
        at = int(self.clock()) - age_seconds
        return SignedCallback({"stripe-signature": self.simulator.book.sign(body, at=at, secret=secret or "")}, body)
