"""PayPal's simulator as the contract tests want it, with a clock to turn and a chain of certificates of its own."""

from typing import Any

from payments.gateways.contract import GatewayConfiguration, PaymentResult
from payments.gateways.paypal.adapter import PayPalGateway
from tests.payments.gateways.contract_harness import GatewayHarness, SignedCallback, Trouble
from tests.payments.gateways.sandbox_harness import TurnableClock
from tests.payments.gateways.simulators.paypal import orders, signing
from tests.payments.gateways.simulators.paypal.api import PayPalTransport
from tests.payments.gateways.simulators.paypal.world import ADDRESS, World

CERTIFICATE_URL = f"https://api.sandbox.paypal.com{signing.CERTIFICATE_PATH}CERT-1"


class PayPalHarness(GatewayHarness):
    immediate_method = ""
    action_method = "paypal"
    payment_notices_are_whole = False
    """A signature that does not bind its body: a notice only says what to ask about."""

    def __init__(self, *, base_url: str = ADDRESS, **settings: str) -> None:
        self.clock = TurnableClock()
        self.world = World(clock=self.clock)
        chain = [signing.leaf(), signing.intermediate()]
        self.transport = PayPalTransport(self.world, certificates={"CERT-1": signing.chain_pem(chain)})
        self.settings = {"webhook_id": self.world.webhook_id, "trusted_roots_pem": signing.root().pem} | settings
        self.gateway: PayPalGateway = self.connect(base_url=base_url)

    def connect(self, *, base_url: str = ADDRESS, transport: Any = None, **changes: str) -> PayPalGateway:
        """An adapter for this PayPal, set up differently."""
        credentials = {"client_id": self.world.client_id, "client_secret": self.world.client_secret}
        settings = self.settings | changes
        configuration = GatewayConfiguration("ga_1", base_url, credentials, transport or self.transport, settings)
        return PayPalGateway(configuration, clock=self.clock)

    def close(self, reference: str = "pay_1") -> PaymentResult:
        """The core keeps the order's id that a close tells."""
        result = super().close(reference)
        if result.gateway_reference:
            self.told[reference] = result.gateway_reference
        return result

    def changed(self, body: bytes) -> bytes:
        return body.replace(b"12.34", b"12.35")

    def approve(self, reference: str) -> None:
        with self.world.lock:
            orders.approve(self.world, reference)

    def payments_made(self) -> int:
        return len(self.world.orders)

    def refunds_made(self) -> int:
        return len(self.world.refunds)

    def trouble_next_payment(self, reference: str, trouble: Trouble) -> None:
        self.transport.trouble("^POST /v2/checkout/orders$", str(trouble))

    def trouble_next_refund(self, reference: str, trouble: Trouble) -> None:
        self.transport.trouble("^POST .*/refund$", str(trouble))

    def decline_next_payment(self, reference: str) -> None:
        self.world.declines[reference] = "TRANSACTION_REFUSED"

    def answer_unlisted_state(self, reference: str) -> None:
        self.world.states[reference] = "PONDERING"

    def callbacks(self) -> list[SignedCallback]:
        with self.world.lock:
            bodies, self.world.events[:] = list(self.world.events), []
        return [self.sign(body) for body in bodies]

    def sign(self, body: bytes, *, age_seconds: int = 0, secret: str | None = None) -> SignedCallback:
        key = signing.leaf().key if secret is None else signing.root(secret).key
        headers = signing.signed_headers(
            body,
            key=key,
            webhook_id=self.world.webhook_id,
            at=self.clock() - age_seconds,
            certificate_url=CERTIFICATE_URL,
        )
        return SignedCallback(headers, body)
