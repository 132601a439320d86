import pytest

from tests.payments.gateways.contract_tests import GatewayContractTests
from tests.payments.gateways.stripe_harness import StripeHarness


class TestStripeKeepsTheContract(GatewayContractTests):
    @pytest.fixture
    def harness(self) -> StripeHarness:
        return StripeHarness()
