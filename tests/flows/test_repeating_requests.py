"""Same Idempotency-Key, same answer, one effect: repeated, raced, changed, or after a crash."""

from typing import Any

import pytest
from django.db.models.functions import Now

from paycore.idempotency import claim, read_key
from paycore.models import IdempotencyKey
from payments.gateways.contract import HttpRequest
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.orders.models import Order, Payment
from payments.routing import connections
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, MerchantServer, assert_books_are_whole, deliver_callbacks, run_background, sync
from tests.api.row_counts import nothing_changes
from tests.merchants.factories import make_merchant, make_secret

pytestmark = pytest.mark.django_db

ORDER = {"currency": "USD", "amount_minor": 1999, "description": "A thing"}


class ProcessKilled(BaseException):
    """kill -9 as far as Python can play it: nobody catches this."""


class DeadlyTransport:
    """Kills the process before the bytes leave, or after the answer came."""

    def __init__(self, transport: SandboxTransport, *, is_sent: bool) -> None:
        self.transport = transport
        self.is_sent = is_sent

    def __call__(self, request: HttpRequest) -> Any:
        if self.is_sent:
            self.transport(request)
        raise ProcessKilled


@pytest.mark.parametrize("kind", ["order", "payment", "refund", "checkout_session", "capture"])
def test_a_repeat_is_answered_byte_for_byte_and_has_no_effect(
    merchant_server: MerchantServer, account: GatewayAccount, kind: str
) -> None:
    order = merchant_server.create_order()
    path, body = "/orders", dict(ORDER)
    if kind == "payment":
        path, body = "/payments", {"order": order["id"], "method": "card"}
    elif kind == "refund":
        _order, payment = merchant_server.paid_order()
        path, body = "/refunds", {"payment": payment["id"], "reason": "x", "amount_minor": 100}
    elif kind == "checkout_session":
        path, body = "/checkout-sessions", {"order": order["id"]}
    elif kind == "capture":
        held = merchant_server.pay(merchant_server.create_order(capture_method="manual")["id"]).json()
        path, body = f"/payments/{held['id']}/capture", {"amount_minor": 500, "is_final": False}

    first = merchant_server.post(path, body, key="again-and-again")
    assert first.status_code == 201, first.content
    with nothing_changes():
        repeats = [merchant_server.post(path, body, key="again-and-again") for _ in range(3)]

    assert {repeat.content for repeat in repeats} == {first.content}
    assert {repeat.status_code for repeat in repeats} == {201}
    assert {repeat["Idempotent-Replayed"] for repeat in repeats} == {"true"}
    assert "Idempotent-Replayed" not in first


def test_the_order_of_names_in_the_body_does_not_matter(merchant_server: MerchantServer) -> None:
    first = merchant_server.post("/orders", ORDER, key="k")
    again = merchant_server.post("/orders", dict(reversed(ORDER.items())), key="k")

    assert again.content == first.content
    assert Order.objects.count() == 1


@pytest.mark.parametrize("path", ["/orders", "/payments"])
def test_a_key_with_another_body_is_refused(
    merchant_server: MerchantServer, account: GatewayAccount, path: str
) -> None:
    body: dict[str, Any] = dict(ORDER)
    other: dict[str, Any] = {**ORDER, "amount_minor": 2000}
    if path == "/payments":
        body, other = {"order_details": body, "method": "card"}, {"order_details": other, "method": "card"}
    assert merchant_server.post(path, body, key="k").status_code == 201

    with nothing_changes():
        refused = merchant_server.post(path, other, key="k")

    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("path", ["/orders", "/payments"])
def test_a_repeat_while_the_first_still_runs_is_told_when_to_come_back(
    merchant_server: MerchantServer, account: GatewayAccount, path: str
) -> None:
    body = ORDER if path == "/orders" else {"order_details": ORDER, "method": "card"}
    claim(read_key(header="k", caller=merchant_server.merchant.id, route=f"POST {path}", body=body))

    with nothing_changes():
        busy = merchant_server.post(path, body, key="k")

    assert (busy.status_code, busy.json()["code"]) == (409, "idempotency_key_busy")
    assert 1 <= int(busy["Retry-After"]) <= 20


def test_a_refused_request_leaves_its_key_unused(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    canceled = merchant_server.create_order()
    merchant_server.post(f"/orders/{canceled['id']}/cancel")
    with nothing_changes():
        invalid = merchant_server.post("/orders", {**ORDER, "amount_minor": 0}, key="k")
        not_open = merchant_server.pay(canceled["id"], key="k")
        no_method = merchant_server.post("/payments", {"order_details": ORDER, "method": "shells"}, key="k")

    assert [invalid.status_code, not_open.status_code, no_method.status_code] == [400, 409, 422]
    assert merchant_server.post("/orders", ORDER, key="k").status_code == 201
    assert merchant_server.post("/payments", {"order_details": ORDER, "method": "card"}, key="k").status_code == 201


def test_a_repeat_gets_its_first_answer_even_if_it_would_be_refused_by_now(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    body = {"order_details": ORDER, "method": "card"}
    first = merchant_server.post("/payments", body, key="k")
    GatewayAccount.objects.update(is_enabled=False)
    connections.forget_adapters()

    again = merchant_server.post("/payments", body, key="k")

    assert again.content == first.content


def test_keys_belong_to_one_caller_and_one_route(
    merchant_server: MerchantServer, account: GatewayAccount, app_user: AppUser
) -> None:
    other_merchant = make_merchant()
    other = MerchantServer(secret=make_secret(merchant=other_merchant), merchant=other_merchant)

    mine = merchant_server.post("/orders", ORDER, key="same")
    theirs = other.post("/orders", ORDER, key="same")
    session = merchant_server.post("/checkout-sessions", {"order": mine.json()["id"]}, key="same")

    assert {mine.status_code, theirs.status_code, session.status_code} == {201}
    assert mine.json()["id"] != theirs.json()["id"]
    assert theirs.json()["merchant"] == other_merchant.id


@pytest.mark.parametrize("is_sent", [False, True])
def test_after_a_crash_the_repeat_finishes_the_same_payment(
    merchant_server: MerchantServer,
    account: GatewayAccount,
    sandbox: SandboxProvider,
    sandbox_transport: SandboxTransport,
    is_sent: bool,
) -> None:
    body = {"order_details": ORDER, "method": "card"}
    kill(merchant_server, body, transport=DeadlyTransport(sandbox_transport, is_sent=is_sent))
    revive(sandbox_transport)

    busy = merchant_server.post("/payments", body, key="k")
    assert busy.json()["code"] == "idempotency_key_busy"
    let_lease_end()
    answer = merchant_server.post("/payments", body, key="k")
    again = merchant_server.post("/payments", body, key="k")

    assert (answer.status_code, answer.json()["status"]) == (201, "succeeded")
    assert again.content == answer.content
    assert Payment.objects.count() == Order.objects.count() == 1
    assert sandbox.book.rows("SELECT count(*), sum(taken) FROM txn")[0] == (1, 1999)
    assert_books_are_whole()


def test_after_a_crash_a_gateway_that_cannot_be_reached_proves_nothing(
    merchant_server: MerchantServer,
    account: GatewayAccount,
    sandbox: SandboxProvider,
    sandbox_transport: SandboxTransport,
) -> None:
    """The first process may have been heard: the money was taken there, so the payment must stay unknown."""
    body = {"order_details": ORDER, "method": "card"}
    kill(merchant_server, body, transport=DeadlyTransport(sandbox_transport, is_sent=True))
    revive(sandbox_transport)
    sandbox_transport.is_reachable = False
    let_lease_end()

    answer = merchant_server.post("/payments", body, key="k")

    assert answer.status_code < 500
    payment = Payment.objects.get()
    assert payment.status == "submitting"
    sandbox_transport.is_reachable = True
    assert sync(payment.id) == "succeeded"
    assert_books_are_whole()


def test_after_a_crash_a_refused_repeat_proves_nothing(
    merchant_server: MerchantServer,
    account: GatewayAccount,
    sandbox: SandboxProvider,
    sandbox_transport: SandboxTransport,
) -> None:
    body = {"order_details": ORDER, "method": "card"}
    kill(merchant_server, body, transport=DeadlyTransport(sandbox_transport, is_sent=True))
    revive(sandbox_transport)
    payment_id = Payment.objects.get().id
    sandbox.script(payment_id, "reject(1)")
    let_lease_end()

    merchant_server.post("/payments", body, key="k")

    assert Payment.objects.get().status in ("submitting", "succeeded")
    assert sync(payment_id) == "succeeded"


def test_after_a_crash_a_callback_may_finish_first(
    merchant_server: MerchantServer,
    account: GatewayAccount,
    sandbox: SandboxProvider,
    sandbox_transport: SandboxTransport,
) -> None:
    body = {"order_details": ORDER, "method": "card"}
    kill(merchant_server, body, transport=DeadlyTransport(sandbox_transport, is_sent=True))
    revive(sandbox_transport)
    deliver_callbacks(sandbox)
    run_background()
    let_lease_end()

    answer = merchant_server.post("/payments", body, key="k")

    assert answer.json()["status"] == "succeeded"
    assert IdempotencyKey.objects.get(key="k").response_status == 201
    assert sandbox.book.rows("SELECT count(*) FROM txn")[0][0] == 1
    assert_books_are_whole()


def kill(merchant: MerchantServer, body: Any, *, transport: DeadlyTransport) -> None:
    connections.IN_PROCESS["sandbox"] = transport
    connections.forget_adapters()
    with pytest.raises(ProcessKilled):
        merchant.post("/payments", body, key="k")
    assert Payment.objects.get().status == "submitting"


def revive(transport: SandboxTransport) -> None:
    connections.IN_PROCESS["sandbox"] = transport
    connections.forget_adapters()


def let_lease_end() -> None:
    IdempotencyKey.objects.update(locked_until=Now())
