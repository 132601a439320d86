"""One shop, one provider, one database: where a cell of the grid happens, recovers and is judged."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from merchants.models import Merchant
from merchants.services import create_api_key
from paycore.fresh import forget_everything
from paycore.models import OutboxMessage
from paycore.tasks import drain_outbox
from payments.gateways.sandbox.provider.book import Book
from payments.gateways.sandbox.provider.core import OutgoingNotice, SandboxProvider
from payments.ledger.invariants import run_checks
from payments.orders.models import Order, Payment
from payments.routing import connections
from payments.routing.models import GatewayAccount
from payments.tasks import advance_captures, advance_refunds, expire_orders, sync_pending_payments
from tests.actors import MerchantServer
from tests.faults.doomed import GATEWAY_DEADLINE_SECONDS
from tests.faults.programs import Doomed, ProviderServer
from tests.faults.web import new_client, post_callback

SECRET = "the sandbox's secret"
NOBODY_LISTENS = "http://127.0.0.1:9"
_MAKE_DUE = (
    "UPDATE paycore_idempotencykey SET locked_until = clock_timestamp() - interval '1 s' WHERE response_status IS NULL",
    "UPDATE payments_payment SET next_attempt_at = clock_timestamp() WHERE next_attempt_at IS NOT NULL",
    "UPDATE payments_refund SET next_attempt_at = clock_timestamp() WHERE next_attempt_at IS NOT NULL",
    "UPDATE payments_capture SET next_attempt_at = clock_timestamp() WHERE status = 'submitting'",
    "UPDATE paycore_outboxmessage SET next_attempt_at = clock_timestamp() WHERE status = 'pending'",
)


class World:
    """Built once for many cells: nothing is truncated in between, so the books are checked over all of them."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0
        self.provider = SandboxProvider(secrets=[SECRET], book=Book(is_durable=False), clock=self._provider_clock)
        self.provider_server = ProviderServer(self.provider, silent_seconds=2 * GATEWAY_DEADLINE_SECONDS)
        self.doomed = Doomed()
        self.merchant = self._merchant("Corner Shop")
        self.accounts = [self._account("Sandbox", base_url=self.provider_server.url)]
        self.server = self.server_of(self.merchant)
        self.failures: list[str] = []

    def close(self) -> None:
        self.doomed.close()
        self.provider_server.close()

    def _provider_clock(self) -> float:
        return time.time() + self._ahead_seconds

    def _merchant(self, name: str) -> Merchant:
        return Merchant.objects.create(
            name=name, country="US", status="approved", fee_basis_points=50, refund_review_above_minor=10**9
        )

    def _account(self, name: str, *, base_url: str, merchant: Merchant | None = None, priority: int = 100) -> Any:
        return GatewayAccount.objects.create(
            name=name,
            gateway="sandbox",
            merchant=merchant,
            priority=priority,
            base_url=base_url,
            credentials={"secret": SECRET},
            methods=["card", "sandbox_redirect"],
            fee_basis_points=290,
            fee_fixed_minor=30,
        )

    def server_of(self, merchant: Merchant) -> MerchantServer:
        _key, secret = create_api_key(merchant=merchant, name="faults", created_by=None)
        return MerchantServer(secret=secret, client=new_client(), merchant=merchant)

    def shop_with_a_dead_first_account(self) -> MerchantServer:
        """Its preferred account refuses connections, its spare one works."""
        merchant = self._merchant("Shop with a spare account")
        self._account("Dead", base_url=NOBODY_LISTENS, merchant=merchant, priority=1)
        self._account("Spare", base_url=self.provider_server.url, merchant=merchant, priority=2)
        return self.server_of(merchant)

    # --- time and the other actors ---

    def begin(self) -> None:
        """A new cell: caches, circuits and the provider's clock as in a new process."""
        self._ahead_seconds = 0.0
        forget_everything()
        connections.forget_adapters()

    def time_passes(self) -> None:
        """Every lease is over and every look is due; at the provider, what was to take seconds is done."""
        self._ahead_seconds += 20
        with connection.cursor() as cursor:
            for statement in _MAKE_DUE:
                cursor.execute(statement)

    def workers_pass(self) -> None:
        """What the clock's tasks do, each once."""
        sync_pending_payments()
        advance_refunds()
        advance_captures()
        drain_outbox()

    def callbacks(self) -> list[OutgoingNotice]:
        return self.provider.take_callbacks()

    def deliver(self) -> None:
        for callback in self.callbacks():
            status = post_callback(callback)
            self.expect(status == 200, f"a callback was answered {status}")

    def orders_time_is_over(self, order_id: str) -> None:
        Order.objects.filter(id=order_id, status="open").update(
            expires_at="2020-01-01T00:00Z", next_attempt_at="2020-01-01T00:00Z"
        )
        expire_orders()

    @contextmanager
    def gateway_down(self) -> Iterator[None]:
        """Connections are refused: nothing is sent."""
        addresses = {account.id: account.base_url for account in GatewayAccount.objects.all()}
        GatewayAccount.objects.update(base_url=NOBODY_LISTENS)
        self._connect_anew()
        try:
            yield
        finally:
            for account_id, base_url in addresses.items():
                GatewayAccount.objects.filter(id=account_id).update(base_url=base_url)
            self._connect_anew()

    def _connect_anew(self) -> None:
        forget_everything()
        connections.forget_adapters()

    def at_once(self, *acts: Callable[[], object]) -> None:
        barrier = threading.Barrier(len(acts))

        def perform(act: Callable[[], object]) -> None:
            try:
                barrier.wait(10)
                act()
            except BaseException as error:
                self.failures.append(f"{type(error).__name__}: {error}")
            finally:
                connection.close()

        threads = [threading.Thread(target=perform, args=(act,)) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

    # --- judging ---

    def expect(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            self.failures.append(otherwise)

    def kept_for(self, order_id: str) -> dict[str, int]:
        """By payment: what the provider took for an order and did not give back."""
        with self.provider.book.transaction():
            rows = self.provider.book.rows(
                "SELECT reference, taken - given_back FROM txn WHERE shop_order = ? AND taken > given_back", order_id
            )
        return dict(rows)

    def judge(self, order_id: str) -> Order:
        """The promises that hold in every cell, whatever happened; the order as it ended."""
        self.expect(not (findings := run_checks()), f"invariants: {findings}")
        unfinished = OutboxMessage.objects.exclude(status="done").values_list("handler", "status", "last_error")
        self.expect(not unfinished.exists(), f"outbox: {list(unfinished[:3])}")
        order = Order.objects.get(id=order_id)
        kept = self.kept_for(order_id)
        self.expect(len(kept) <= 1, f"the provider kept money {len(kept)} times")
        ours = {
            payment.id: payment.captured_minor - payment.refunded_minor
            for payment in Payment.objects.filter(order_id=order_id)
            if payment.captured_minor > payment.refunded_minor
        }
        self.expect(ours == kept, f"we hold {ours}, the provider {kept}")
        self.expect((order.status == "paid") == bool(kept), f"order {order.status}, provider kept {kept}")
        return order

    def verdict(self) -> None:
        """Ends a cell."""
        found, self.failures = self.failures, []
        assert not found, "; ".join(found)


@dataclass
class Request:
    """One POST with its Idempotency-Key, that a doomed process begins and others repeat."""

    world: World
    kind: str
    path: str
    body: dict[str, Any]
    key: str
    server: MerchantServer
    cut: str = ""
    answers: list[tuple[int, bytes]] = field(default_factory=list)

    def job(self, cut: str, *, nth: int = 1) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "cut": cut,
            "nth": nth,
            "secret": self.server.secret,
            "path": self.path,
            "body": self.body,
            "key": self.key,
        }

    def die_at(self, cut: str, *, nth: int = 1) -> None:
        self.cut, before = cut, self.world.provider_server.answered
        self.world.doomed.die_doing(self.job(cut, nth=nth))
        if cut == "bytes_sent":
            self.world.provider_server.wait_until_answered(before + 1)

    def repeat(self) -> tuple[int, dict[str, Any]]:
        """The same request again, in this process; never a 5xx."""
        server = MerchantServer(secret=self.server.secret, client=new_client())
        response = server.post(self.path, self.body, key=self.key)
        self.world.expect(response.status_code < 500, f"the repeat was answered {response.status_code}")
        self.answers.append((response.status_code, response.content))
        return response.status_code, json.loads(response.content)
