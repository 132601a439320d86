"""The stage of the stories: a provider whose time can be moved, a second provider, plans on sale."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from memberships.models import Price
from merchants.models import Merchant
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.routing import connections
from payments.routing.models import GatewayAccount
from tests.conftest import SANDBOX_SECRET
from tests.memberships.factories import make_catalogue


@dataclass
class ProviderClock:
    """The sandbox's own time, in Unix seconds; signatures keep the real one."""

    seconds: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def provider_clock() -> ProviderClock:
    return ProviderClock()


@pytest.fixture
def sandbox(provider_clock: ProviderClock) -> SandboxProvider:
    # Payers' pages lapse by the provider's clock: it must lie before any order's expiry.
    provider_clock.seconds = 1_000_000_000.0
    return SandboxProvider(secrets=[SANDBOX_SECRET], base_url="http://sandbox.test", clock=provider_clock)


@pytest.fixture
def second_provider() -> SandboxProvider:
    return SandboxProvider(secrets=[SANDBOX_SECRET], base_url="http://second.test")


@pytest.fixture
def second_account(account: GatewayAccount, second_provider: SandboxProvider) -> Iterator[GatewayAccount]:
    """An account elsewhere that is tried after the first."""
    connections.IN_PROCESS["second"] = SandboxTransport(second_provider)
    yield GatewayAccount.objects.create(
        name="Second",
        gateway="sandbox",
        base_url="inprocess://second",
        credentials={"secret": SANDBOX_SECRET},
        methods=["card"],
        priority=200,
    )
    connections.IN_PROCESS.pop("second", None)


@pytest.fixture
def premium_price(platform: Merchant) -> Price:
    """Free, Premium and Platinum on sale; the price of Premium."""
    return make_catalogue()
