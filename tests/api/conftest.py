"""Somebody else's things, for requests that must not reach them."""

from dataclasses import dataclass

import pytest

from merchants.models import Merchant
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer
from tests.merchants.factories import make_merchant, make_secret


@dataclass
class Possessions:
    """Ids of one merchant's objects."""

    order: str
    payment: str
    refund: str
    session: str
    held_payment: str
    paid_payment: str


@pytest.fixture
def other_server(db: None) -> MerchantServer:
    merchant: Merchant = make_merchant(refund_review_above_minor=0)
    return MerchantServer(secret=make_secret(merchant=merchant), merchant=merchant)


@pytest.fixture
def others(other_server: MerchantServer, account: GatewayAccount) -> Possessions:
    order = other_server.create_order()
    waiting = other_server.pay(order["id"], method="sandbox_redirect", scenario="require_action").json()
    held = other_server.pay(other_server.create_order(capture_method="manual")["id"]).json()
    _order, paid = other_server.paid_order()
    refund = other_server.post("/refunds", {"payment": paid["id"], "reason": "x", "amount_minor": 5}).json()
    session = other_server.post("/checkout-sessions", {"order": order["id"]}).json()
    return Possessions(order["id"], waiting["id"], refund["id"], session["id"], held["id"], paid["id"])
