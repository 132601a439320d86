"""Rules that count, while Redis dies and comes back empty under a paying shop."""

import pytest

from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from riskcontrol.models import Decision
from riskcontrol.rebuilding import rebuild_velocity, store_state
from tests.actors import MerchantServer
from tests.api.refusals import assert_refused
from tests.faults.test_redis_gone import OwnRedis, own_redis
from tests.riskcontrol.scenes import rule

__all__ = ["own_redis"]  # the fixture

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("fallback", ["fail_open", "fail_closed"])
def test_with_redis_killed_each_rule_does_what_it_says(
    own_redis: OwnRedis,  # pytest hands fixtures over by name
    merchant_server: MerchantServer,
    account: GatewayAccount,
    fallback: str,
) -> None:
    rule("merchant_count_24h > 3", "reject", on_unavailable=fallback)
    rebuild_velocity()
    assert store_state() == "ok"
    merchant_server.paid_order()
    own_redis.kill()

    answer = merchant_server.pay(merchant_server.create_order()["id"])

    if fallback == "fail_open":
        assert answer.json()["status"] == "succeeded"
        assert Payment.objects.count() == 2
    else:
        assert_refused(answer, 403, "payment_refused_by_risk")
        assert Payment.objects.count() == 1
    assert Decision.objects.count() == 2
    assert store_state() == "away"


def test_a_flush_forgets_no_attempt(
    own_redis: OwnRedis,  # pytest hands fixtures over by name
    merchant_server: MerchantServer,
    account: GatewayAccount,
) -> None:
    rule("merchant_count_24h > 3", "reject", on_unavailable="fail_closed")
    rebuild_velocity()
    for _number in range(3):
        merchant_server.paid_order()
        own_redis.client.flushall()

    assert_refused(merchant_server.pay(merchant_server.create_order()["id"]), 403, "payment_refused_by_risk")

    rebuild_velocity()
    assert store_state() == "ok"
    assert_refused(merchant_server.pay(merchant_server.create_order()["id"]), 403, "payment_refused_by_risk")
    assert Payment.objects.count() == 3
