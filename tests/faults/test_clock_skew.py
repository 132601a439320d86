"""This process's clock is an hour wrong. The database's clock decides what expires, what is leased, what is due."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db.models import F

from paycore import outbox
from paycore.models import IdempotencyKey
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders.captures import due_captures
from payments.orders.models import Order, Payment
from payments.orders.refunds import due_refunds
from payments.orders.services import due_orders
from payments.orders.syncing import due_payments
from payments.routing.models import GatewayAccount
from payments.tasks import expire_orders, sync_pending_payments
from tests.accounts.factories import UserFactory
from tests.actors import MerchantServer, assert_books_are_whole, run_background

pytestmark = pytest.mark.django_db
HOURS = [-1, 1]


@pytest.fixture
def sandbox() -> SandboxProvider:
    """The provider's own clock is right."""
    now = time.time()
    return SandboxProvider(secrets=["the sandbox's secret"], base_url="http://sandbox.test", clock=lambda: now)


@pytest.fixture(params=HOURS)
def wrong_clock(request: pytest.FixtureRequest) -> Iterator[int]:
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=request.param), tick=True):
        yield request.param


def test_a_payment_with_a_wrong_clock_is_an_ordinary_payment(
    merchant_server: MerchantServer, account: GatewayAccount, wrong_clock: int
) -> None:
    order, payment = merchant_server.paid_order()
    run_background()
    row = Payment.objects.select_related("order").get(id=payment["id"])
    assert Order.objects.get(id=order["id"]).status == "paid"
    for stamp in (row.created_at, row.succeeded_at, row.order.paid_at, row.order.created_at):
        assert stamp is not None
        assert abs((datetime.now(UTC) - stamp).total_seconds()) > 3000, "a time of the wrong clock was kept"
    assert_books_are_whole()


def test_a_wrong_clock_expires_nothing_early(
    merchant_server: MerchantServer, account: GatewayAccount, wrong_clock: int
) -> None:
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], scenario="require_action").json()
    Payment.objects.update(next_attempt_at=F("created_at"))

    assert due_orders(limit=10) == []
    assert expire_orders() == 0
    assert sync_pending_payments() == 1

    row = Payment.objects.get(id=payment["id"])
    assert row.status == "requires_action"
    assert row.next_attempt_at is not None
    assert row.next_attempt_at - row.created_at < timedelta(minutes=15)
    assert Order.objects.get(id=order["id"]).status == "open"


def test_a_wrong_clock_pays_nothing_late(
    merchant_server: MerchantServer, account: GatewayAccount, wrong_clock: int
) -> None:
    order = merchant_server.create_order()
    Order.objects.update(expires_at=F("created_at"), next_attempt_at=F("created_at"))

    answer = merchant_server.pay(order["id"])

    assert (answer.status_code, answer.json()["code"]) == (409, "order_expired")
    assert not Payment.objects.exists()
    assert expire_orders() == 1
    assert Order.objects.get().status == "expired"


def test_a_wrong_clock_breaks_no_lease(
    merchant_server: MerchantServer, account: GatewayAccount, wrong_clock: int
) -> None:
    order = merchant_server.create_order()
    merchant_server.pay(order["id"], key="leased")
    IdempotencyKey.objects.filter(key="leased").update(
        response_status=None, response_body=None, locked_until=F("created_at") + timedelta(seconds=20)
    )

    busy = merchant_server.pay(order["id"], key="leased")

    assert (busy.status_code, busy.json()["code"]) == (409, "idempotency_key_busy")
    merchant_server.paid_order_of_user(UserFactory())
    assert outbox.drain() > 0
    assert outbox.drain() == 0
    assert due_payments(limit=10) == due_refunds(limit=10) == due_captures(limit=10) == []
