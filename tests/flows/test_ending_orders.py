"""Orders end without money: canceled by their owner, expired by time, and never while money may still come."""

import pytest

from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.orders.models import Order, Payment
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, assert_books_are_whole, deliver_callbacks, run_background, sync
from tests.api.row_counts import nothing_changes
from tests.flows.time_travel import let_orders_expire, make_capture_due, make_time_run_out

pytestmark = pytest.mark.django_db


def state_there(sandbox: SandboxProvider, payment_id: str) -> str:
    state: str = sandbox.book.rows("SELECT state FROM txn WHERE reference = ?", payment_id)[0][0]
    return state


def test_an_unpaid_order_expires_and_cannot_be_paid(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    order = merchant_server.create_order()
    make_time_run_out(order["id"])

    with nothing_changes():
        refused = merchant_server.pay(order["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "order_expired")
    let_orders_expire()

    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "expired"
    assert merchant_server.pay(order["id"]).json()["code"] == "order_not_open"
    assert_books_are_whole()


def test_an_order_that_waits_for_its_payer_is_closed_at_the_gateway_first(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], method="sandbox_qr", scenario="require_action").json()
    make_time_run_out(order["id"])

    let_orders_expire()

    assert state_there(sandbox, payment["id"]) == "SHUT"
    assert merchant_server.get(f"/payments/{payment['id']}").json()["status"] == "expired"
    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "expired"
    assert sandbox.approve(payment["id"]) == "SHUT"
    deliver_callbacks(sandbox)
    run_background()
    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "expired"
    assert_books_are_whole()


def test_a_payer_who_was_quicker_than_the_clock_has_paid(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], method="sandbox_qr", scenario="require_action").json()
    sandbox.approve(payment["id"])
    make_time_run_out(order["id"])

    let_orders_expire()

    assert merchant_server.get(f"/payments/{payment['id']}").json()["status"] == "succeeded"
    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "paid"
    assert_books_are_whole()


def test_an_order_does_not_expire_while_its_gateway_cannot_be_asked(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox_transport: SandboxTransport
) -> None:
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], method="sandbox_qr", scenario="require_action").json()
    make_time_run_out(order["id"])
    sandbox_transport.is_reachable = False
    let_orders_expire()

    assert Order.objects.get(id=order["id"]).status == "open"
    assert Payment.objects.get(id=payment["id"]).status == "requires_action"

    sandbox_transport.is_reachable = True
    make_time_run_out(order["id"])
    let_orders_expire()
    assert Order.objects.get(id=order["id"]).status == "expired"


def test_a_payment_that_never_arrived_is_shut_out_for_ever_when_its_order_ends(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], scenario="timeout_before_effect").json()
    assert sync(payment["id"]) == "submitting"
    make_time_run_out(order["id"])

    assert sync(payment["id"]) == "expired"
    let_orders_expire()

    assert state_there(sandbox, payment["id"]) == "SHUT"
    assert Order.objects.get(id=order["id"]).status == "expired"
    assert_books_are_whole()


def test_an_open_order_can_be_canceled_once(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], method="sandbox_redirect", scenario="require_action").json()

    canceled = merchant_server.post(f"/orders/{order['id']}/cancel")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert state_there(sandbox, payment["id"]) == "SHUT"
    assert merchant_server.get(f"/payments/{payment['id']}").json()["status"] == "canceled"

    with nothing_changes():
        again = merchant_server.post(f"/orders/{order['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "order_not_open")
    assert_books_are_whole()


def test_a_paid_order_cannot_be_canceled(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    order, _payment = merchant_server.paid_order()

    with nothing_changes():
        refused = merchant_server.post(f"/orders/{order['id']}/cancel")

    assert (refused.status_code, refused.json()["code"]) == (409, "order_not_open")


def test_an_order_whose_money_is_held_is_not_canceled_under_it(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order = merchant_server.create_order(capture_method="manual")
    payment = merchant_server.pay(order["id"]).json()

    refused = merchant_server.post(f"/orders/{order['id']}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "payment_in_progress")

    assert merchant_server.post(f"/payments/{payment['id']}/void").json()["status"] == "canceled"
    assert merchant_server.post(f"/orders/{order['id']}/cancel").json()["status"] == "canceled"


def test_an_unknown_payment_keeps_its_order_from_being_canceled(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox_transport: SandboxTransport
) -> None:
    order = merchant_server.create_order()
    merchant_server.pay(order["id"], scenario="timeout_after_effect")
    sandbox_transport.is_reachable = False

    refused = merchant_server.post(f"/orders/{order['id']}/cancel")

    assert (refused.status_code, refused.json()["code"]) == (409, "payment_in_progress")
    assert Order.objects.get(id=order["id"]).status == "open"


@pytest.mark.parametrize("scenario", ["void_reject", "void_timeout_before_effect", "void_unavailable"])
def test_a_void_that_the_gateway_does_not_carry_out_leaves_the_money_held(
    merchant_server: MerchantServer, account: GatewayAccount, scenario: str
) -> None:
    order = merchant_server.create_order(capture_method="manual")
    payment = merchant_server.pay(order["id"], scenario=f"approve+{scenario}").json()

    answer = merchant_server.post(f"/payments/{payment['id']}/void")

    assert answer.status_code < 500, answer.content
    assert Payment.objects.get(id=payment["id"]).status == "authorized"


@pytest.mark.parametrize("scenario", ["capture_reject", "capture_timeout_after_effect", "capture_unavailable(1)"])
def test_a_capture_is_refused_or_resolved_but_never_taken_twice(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider, scenario: str
) -> None:
    order = merchant_server.create_order(amount_minor=5_000, capture_method="manual")
    payment = merchant_server.pay(order["id"], scenario=f"approve+{scenario}").json()

    answer = merchant_server.post(f"/payments/{payment['id']}/capture", {})
    assert answer.status_code == 201, answer.content
    make_capture_due(payment["id"])
    run_background()

    taken = sandbox.book.rows("SELECT taken FROM txn")[0][0]
    known = Payment.objects.get(id=payment["id"])
    expected = ("authorized", 0) if scenario == "capture_reject" else ("succeeded", 5_000)
    assert (known.status, known.captured_minor) == expected
    assert taken == known.captured_minor
    assert_books_are_whole()
