"""One shop that is paid through the real gateways' adapters; each provider is simulated behind a faulty network."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from django.db import connection

from merchants.models import Merchant
from merchants.services import create_api_key
from paycore.fresh import forget_everything
from paycore.models import OutboxMessage
from paycore.tasks import drain_outbox
from payments.ledger.invariants import run_checks
from payments.orders.models import Order, Payment, Refund
from payments.orders.refunds import approve_refund
from payments.routing import connections
from payments.routing.models import GatewayAccount
from payments.tasks import advance_refunds, expire_orders, reread_hints, sync_pending_payments
from tests.actors import MerchantServer
from tests.faults.network import Killed, Network
from tests.faults.providers import AlipaySide, Callback, PayPalSide, Side, StripeSide, WechatSide
from tests.faults.web import new_client

AMOUNT = 1000
LONG_AGO = "2020-01-01T00:00:00+00:00"
_MAKE_DUE = (
    "UPDATE paycore_idempotencykey SET locked_until = clock_timestamp() - interval '1 s' WHERE response_status IS NULL",
    "UPDATE payments_payment SET next_attempt_at = clock_timestamp() WHERE next_attempt_at IS NOT NULL",
    "UPDATE payments_refund SET next_attempt_at = clock_timestamp() WHERE next_attempt_at IS NOT NULL",
    "UPDATE payments_webhookreceipt SET next_attempt_at = clock_timestamp() WHERE next_attempt_at IS NOT NULL",
    "UPDATE paycore_outboxmessage SET next_attempt_at = clock_timestamp() WHERE status = 'pending'",
)


@dataclass
class Desk:
    """One provider, the network to it and our account there."""

    side: Side
    network: Network
    account: GatewayAccount


class ProviderWorld:
    """Built once for many cells: nothing is truncated in between, so the books are checked over all of them."""

    def __init__(self, *, address_of: Callable[[Side, Network], str] | None = None) -> None:
        """``address_of`` puts a provider behind a real address; without it all are in this process."""
        self.merchant = Merchant.objects.create(
            name="Corner Shop", country="US", status="approved", fee_basis_points=50, refund_review_above_minor=10**9
        )
        _key, secret = create_api_key(merchant=self.merchant, name="faults", created_by=None)
        self.server = MerchantServer(secret=secret, client=new_client(), merchant=self.merchant)
        self.desks: dict[str, Desk] = {}
        for side in (StripeSide(), WechatSide(), AlipaySide(), PayPalSide()):
            network = Network(side)
            connections.IN_PROCESS[side.name] = network
            address = f"inprocess://{side.name}"
            if address_of is not None:
                address = address_of(side, network)
                side.is_served_at(address)
            account = self._account(side, address)
            self.desks.update({method: Desk(side, network, account) for method in side.methods})
        self.failures: list[str] = []

    def close(self) -> None:
        for desk in self.desks.values():
            connections.IN_PROCESS.pop(desk.side.name, None)
        connections.forget_adapters()

    def _account(self, side: Side, address: str) -> GatewayAccount:
        return GatewayAccount.objects.create(
            name=side.name,
            gateway=side.name,
            base_url=address,
            credentials=dict(side.credentials),
            settings=dict(side.settings),
            methods=list(side.methods),
            currencies=[side.currency],
            fee_basis_points=60,
        )

    def begin(self) -> None:
        """A new cell: what a process remembers is forgotten, the networks are whole, old callbacks are gone."""
        forget_everything()
        self.failures = []
        for desk in self.desks.values():
            desk.network.heal()
            desk.side.callbacks()

    def sale(self, method: str) -> "Sale":
        side = self.desks[method].side
        made = self.server.create_order(amount_minor=AMOUNT, currency=side.currency)
        return Sale(self, self.desks[method], method, made["id"])

    # --- time and the other actors ---

    def time_passes(self) -> None:
        """Every lease is over and every look is due."""
        with connection.cursor() as cursor:
            for statement in _MAKE_DUE:
                cursor.execute(statement)

    def workers_pass(self) -> None:
        """What the clock's tasks do, each once; what is news in it is told."""
        sync_pending_payments()
        advance_refunds()
        self.news_is_heard()

    def news_is_heard(self) -> None:
        drain_outbox()
        if reread_hints():
            drain_outbox()

    def deliver(self, desk: Desk, callbacks: list[Callback] | None = None) -> None:
        for headers, body in desk.side.callbacks() if callbacks is None else callbacks:
            status = self.post_callback(desk, headers, body)
            self.expect(status == 200, f"a callback was answered {status}")

    def post_callback(self, desk: Desk, headers: Mapping[str, str], body: bytes) -> int:
        plain = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        kind = desk.side.content_type
        return new_client().post(f"/webhooks/{desk.account.id}", body, content_type=kind, headers=plain).status_code

    def dying(self, act: Callable[[], object]) -> None:
        """What a process does that may be killed meanwhile."""
        try:
            act()
        except Killed:
            connections.forget_adapters()  # the next process remembers nothing
            forget_everything()

    # --- judging ---

    def expect(self, is_so: bool, otherwise: str) -> None:
        if not is_so:
            self.failures.append(otherwise)

    def judge_books(self) -> list[str]:
        found = [f"invariants: {finding}" for finding in run_checks()]
        unfinished = OutboxMessage.objects.exclude(status="done").values_list("handler", "status", "last_error")
        return found + [f"outbox: {list(unfinished[:3])}" for _ in range(unfinished.exists())]


@dataclass
class Sale:
    """One order, the one request to pay it, and at most one to give money back; repeated with the same keys."""

    world: ProviderWorld
    desk: Desk
    method: str
    order_id: str
    answers: list[tuple[str, int, bytes]] = field(default_factory=list)

    @property
    def side(self) -> Side:
        return self.desk.side

    @property
    def order(self) -> Order:
        return Order.objects.get(id=self.order_id)

    @property
    def payments(self) -> list[Payment]:
        return list(Payment.objects.filter(order_id=self.order_id).order_by("id"))

    @property
    def payment(self) -> Payment:
        return self.payments[-1]

    def pay_body(self) -> dict[str, Any]:
        options = self.side.options(self.method)
        words = {"order": self.order_id, "method": self.method, "return_url": "https://shop.example/done"}
        return words | ({"options": options} if options else {})

    def pay(self) -> dict[str, Any]:
        return self._post("/payments", self.pay_body())

    def give_back(self, amount: int) -> dict[str, Any]:
        body = {"payment": self.payment.id, "amount_minor": amount, "reason": "broken"}
        answer = self._post("/refunds", body)
        # Yuan are no currency in which this merchant has a limit: a person looks at each.
        for refund in Refund.objects.filter(payment__order_id=self.order_id, status="requested"):
            approve_refund(refund.id, reviewed_by="a person")
        advance_refunds()
        return answer

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        server = MerchantServer(secret=self.world.server.secret, client=new_client())
        response = server.post(path, body, key=f"{path}-{self.order_id}")
        self.world.expect(response.status_code < 500, f"{path} was answered {response.status_code}")
        self.answers.append((path, response.status_code, response.content))
        answer: dict[str, Any] = json.loads(response.content)
        return answer

    def payer_acts(self) -> None:
        """A payer can do only what somebody was told."""
        for payment in self.payments:
            if payment.action is not None:
                self.side.approve(payment.id)

    def all_pass(self, *, rounds: int) -> None:
        for _round in range(rounds):
            self.payer_acts()
            self.world.time_passes()
            self.world.deliver(self.desk)
            self.world.workers_pass()
        self.world.time_passes()

    def settle(self) -> None:
        """All is whole again: the caller repeats, the payer acts, callbacks and the clock come."""
        self.desk.network.heal()
        self.pay()
        self.all_pass(rounds=2)
        if any(payment.status == "submitting" for payment in self.payments):
            self.time_is_over()  # "not found" stays unknown until then
            self.all_pass(rounds=1)

    def time_is_over(self) -> None:
        """The order's, and that of what the payer was shown."""
        for payment in self.payments:
            self.side.time_is_over(payment.id)
            if payment.action and payment.action.get("expires_at"):
                Payment.objects.filter(id=payment.id).update(action=payment.action | {"expires_at": LONG_AGO})
        Order.objects.filter(id=self.order_id, status="open").update(expires_at=LONG_AGO, next_attempt_at=LONG_AGO)
        expire_orders()

    def judge(self) -> str:
        """The promises that hold in every cell, whatever happened; the order's status."""
        expect, payments = self.world.expect, self.payments
        taken = {payment.id: self.side.taken(payment.id) for payment in payments}
        given = {payment.id: self.side.given_back(payment.id) for payment in payments}
        expect(sum(len(times) for times in taken.values()) <= 1, f"the provider took money more than once: {taken}")
        ours = {payment.id: (payment.captured_minor, payment.refunded_minor) for payment in payments}
        theirs = {payment.id: (sum(taken[payment.id]), sum(given[payment.id])) for payment in payments}
        expect(ours == theirs, f"taken and given back: we say {ours}, the provider {theirs}")
        order = self.order
        is_paid_there = any(taken.values())
        expect((order.status in ("paid", "closed")) == is_paid_there, f"{order.status}, the provider took {taken}")
        refunds = [refund.amount_minor for refund in Refund.objects.filter(payment__order_id=order.id)]
        expect(sorted(refunds) == sorted(chain(*given.values())), f"refunds: {refunds} here, {given} there")
        self._judge_answers()
        return order.status

    def _judge_answers(self) -> None:
        """From the first real answer on, every repeat is told the same, byte for byte."""
        for path in {path for path, _status, _body in self.answers}:
            told = [(status, body) for said, status, body in self.answers if said == path]
            made = [answer for answer in told if answer[0] == 201]
            if made:
                after = told[told.index(made[0]) :]
                self.world.expect(set(after) == {made[0]}, f"repeats of {path} were told different things: {after}")
