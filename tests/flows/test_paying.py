"""Money comes in: what a merchant's server sees."""

import pytest

from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.ledger.queries import balance_of
from payments.orders.models import Order, Payment
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, assert_books_are_whole, deliver_callbacks, run_background, sync

pytestmark = pytest.mark.django_db


def test_an_approved_card_pays_the_order_and_fills_the_books(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order = merchant_server.create_order(amount_minor=10_000)

    payment = merchant_server.pay(order["id"]).json()

    assert payment["status"] == "succeeded"
    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "paid"
    # 2.9 % + 0.30 stays at the gateway; 0.5 % + 0.10 is the platform's fee.
    assert balance_of(f"gateway:{account.id}", currency="USD").minor == 10_000 - 320
    assert balance_of("expense:gateway_fees", currency="USD").minor == 320
    assert balance_of("revenue:fees", currency="USD").minor == 60
    assert balance_of(f"merchant:{merchant_server.merchant.id}:pending", currency="USD").minor == 10_000 - 60
    assert_books_are_whole()


def test_an_order_can_be_created_and_paid_in_one_request(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    details = {"currency": "JPY", "amount_minor": 500, "description": "Tea", "merchant_order_number": "T-1"}
    body = {"order_details": details, "method": "card", "options": {"token": "tok_approve"}}

    first = merchant_server.post("/payments", body, key="tea-1")
    again = merchant_server.post("/payments", body, key="tea-1")

    assert first.status_code == 201, first.content
    assert first.json()["status"] == "succeeded"
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
    assert Order.objects.count() == Payment.objects.count() == 1
    assert_books_are_whole()


def test_a_decline_leaves_the_order_open_for_another_attempt(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order = merchant_server.create_order()

    declined = merchant_server.pay(order["id"], scenario="decline(insufficient_funds)").json()
    approved = merchant_server.pay(order["id"]).json()

    assert (declined["status"], declined["failure_code"]) == ("failed", "insufficient_funds")
    assert approved["status"] == "succeeded"
    assert_books_are_whole()


def test_an_unknown_outcome_is_resolved_by_asking(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    order = merchant_server.create_order()

    payment = merchant_server.pay(order["id"], scenario="timeout_after_effect").json()
    second = merchant_server.pay(order["id"])

    assert payment["status"] == "submitting"
    assert second.status_code == 409
    assert second.json()["code"] == "payment_in_progress"
    assert sync(payment["id"]) == "succeeded"
    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "paid"
    assert_books_are_whole()


def test_a_callback_alone_pays_the_order(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], method="sandbox_redirect", scenario="require_action").json()
    assert payment["status"] == "requires_action"
    assert payment["next_action"]["kind"] == "redirect"

    sandbox.approve(payment["id"])
    assert set(deliver_callbacks(sandbox)) == {200}
    assert merchant_server.get(f"/payments/{payment['id']}").json()["status"] == "requires_action"
    run_background()

    assert merchant_server.get(f"/payments/{payment['id']}").json()["status"] == "succeeded"
    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "paid"
    assert_books_are_whole()


def test_held_money_is_taken_in_parts_and_the_rest_let_go(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order = merchant_server.create_order(amount_minor=10_000, capture_method="manual")
    payment = merchant_server.pay(order["id"]).json()
    assert payment["status"] == "authorized"

    first = merchant_server.post(f"/payments/{payment['id']}/capture", {"amount_minor": 4_000, "is_final": False})
    assert first.status_code == 201, first.content
    after_first = merchant_server.get(f"/payments/{payment['id']}").json()
    merchant_server.post(f"/payments/{payment['id']}/capture", {"amount_minor": 1_000})
    after_second = merchant_server.get(f"/payments/{payment['id']}").json()

    assert (after_first["status"], after_first["captured_minor"]) == ("authorized", 4_000)
    assert (after_second["status"], after_second["captured_minor"]) == ("succeeded", 5_000)
    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "paid"
    assert_books_are_whole()


def test_held_money_can_be_let_go(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    order = merchant_server.create_order(capture_method="manual")
    payment = merchant_server.pay(order["id"]).json()

    voided = merchant_server.post(f"/payments/{payment['id']}/void").json()

    assert voided["status"] == "canceled"
    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "open"
    assert_books_are_whole()
