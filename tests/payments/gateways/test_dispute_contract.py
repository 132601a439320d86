"""The contract of disputes, kept by every adapter whose provider takes a merchant's answer."""

from typing import ClassVar

import pytest

from payments.gateways.contract import DisputeNotice
from tests.payments.gateways.contract_harness import Trouble
from tests.payments.gateways.dispute_contract_tests import (
    DisputeContractTests,
    DisputeHarness,
    disputes_told,
    with_a_payment,
)
from tests.payments.gateways.paypal_harness import PayPalHarness
from tests.payments.gateways.sandbox_harness import SandboxHarness
from tests.payments.gateways.simulators.paypal import disputes as paypal_disputes
from tests.payments.gateways.stripe_harness import StripeHarness


class SandboxDisputes(DisputeHarness):
    can_reopen: ClassVar[bool] = True

    def __init__(self) -> None:
        self.harness = SandboxHarness()
        self.gateway = self.harness.gateway
        with_a_payment(self.harness)

    def open(self, *, is_warning: bool = False) -> str:
        made = self.harness.provider.disputes.open("pay_1", {"why": "fraudulent", "early": is_warning})
        return str(made.words["dispute"])

    def decide(self, dispute: str, *, is_won: bool) -> None:
        self.harness.provider.disputes.move(dispute, to="shop" if is_won else "payer")

    def reopen(self, dispute: str) -> None:
        self.harness.provider.disputes.move(dispute, to="contest")

    def answers_taken(self, dispute: str) -> int:
        rows = self.harness.provider.book.rows("SELECT count(*) FROM contest WHERE answer <> ''")
        return int(rows[0][0])

    def trouble_next_call(self, dispute: str, trouble: Trouble) -> None:
        if trouble is Trouble.CONNECTION_REFUSED:
            self.harness.transport.is_reachable = False
        else:
            self.harness.provider.script(dispute, f"answer_{trouble}+concede_{trouble}")

    def notices(self) -> list[DisputeNotice]:
        return disputes_told(self.harness)


class StripeDisputes(DisputeHarness):
    def __init__(self) -> None:
        self.harness = StripeHarness()
        self.gateway = self.harness.gateway
        with_a_payment(self.harness)

    def open(self, *, is_warning: bool = False) -> str:
        charge = self.harness.simulator.charge_of("pay_1")
        status = "warning_needs_response" if is_warning else "needs_response"
        made = self.harness.simulator.desk.open_dispute(charge, amount=1234, reason="fraudulent", status=status)
        return str(made["id"])

    def decide(self, dispute: str, *, is_won: bool) -> None:
        simulator = self.harness.simulator
        simulator.desk.end_dispute(simulator.book.things[dispute], "won" if is_won else "lost")

    def answers_taken(self, dispute: str) -> int:
        details = self.harness.simulator.book.things[dispute]["evidence_details"]
        return int(details["submission_count"])

    def trouble_next_call(self, dispute: str, trouble: Trouble) -> None:
        self.harness.simulator.trouble["*"] = str(trouble)

    def notices(self) -> list[DisputeNotice]:
        return disputes_told(self.harness)


class PayPalDisputes(DisputeHarness):
    def __init__(self) -> None:
        self.harness = PayPalHarness()
        self.gateway = self.harness.gateway
        with_a_payment(self.harness)

    def open(self, *, is_warning: bool = False) -> str:
        stage = "INQUIRY" if is_warning else "CHARGEBACK"
        return paypal_disputes.open_dispute(self.harness.world, "pay_1", stage=stage)

    def decide(self, dispute: str, *, is_won: bool) -> None:
        outcome = "RESOLVED_SELLER_FAVOUR" if is_won else "RESOLVED_BUYER_FAVOUR"
        paypal_disputes.resolve(self.harness.world, dispute, outcome)

    def answers_taken(self, dispute: str) -> int:
        return sum(1 for about, _body in self.harness.world.evidence if about == dispute)

    def trouble_next_call(self, dispute: str, trouble: Trouble) -> None:
        self.harness.transport.trouble("/(provide-evidence|accept-claim)$", str(trouble))

    def notices(self) -> list[DisputeNotice]:
        """PayPal's callbacks are hints: what they name is read anew, as the core does."""
        return [self.gateway.fetch_dispute(hint.gateway_reference) for hint in disputes_told(self.harness)]


class TestSandboxDisputes(DisputeContractTests):
    @pytest.fixture
    def disputes(self) -> DisputeHarness:
        return SandboxDisputes()


class TestStripeDisputes(DisputeContractTests):
    @pytest.fixture
    def disputes(self) -> DisputeHarness:
        return StripeDisputes()


class TestPayPalDisputes(DisputeContractTests):
    @pytest.fixture
    def disputes(self) -> DisputeHarness:
        return PayPalDisputes()
