"""A handler that says when it cares costs nothing when it does not."""

import pytest

from paycore.models import OutboxMessage
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer

pytestmark = pytest.mark.django_db


def test_a_merchants_own_order_leaves_no_duty_to_memberships_or_receipts(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    merchant_server.paid_order()

    assert not OutboxMessage.objects.filter(event__name="order.paid").exists()
