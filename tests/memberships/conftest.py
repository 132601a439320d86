"""The stage of renewals: things on sale, a provider that keeps cards, members who are due."""

import pytest

from memberships.models import Price
from merchants.models import Merchant
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.routing.models import GatewayAccount
from tests.memberships.factories import make_catalogue
from tests.memberships.renewal_stage import Stage


@pytest.fixture
def stage_price(platform: Merchant) -> Price:
    return make_catalogue()


@pytest.fixture
def stage(stage_price: Price, platform: Merchant, account: GatewayAccount, sandbox: SandboxProvider) -> Stage:
    return Stage(stage_price, platform, account, sandbox)
