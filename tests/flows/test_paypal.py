"""A payer pays with PayPal: from the order to the books, through the simulator and callbacks that prove too little."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from payments.gateways.contract import GatewayOutcomeUnknown, HttpRequest, HttpResponse
from payments.orders.disputes.models import Dispute
from payments.orders.models import Order, Payment, Refund
from payments.routing import connections
from payments.routing.models import GatewayAccount
from payments.webhooks.models import WebhookReceipt
from riskcontrol.models import Case
from tests.actors import MerchantServer, assert_books_are_whole, post_callback, run_background, sync
from tests.payments.gateways.contract_harness import SignedCallback
from tests.payments.gateways.paypal_harness import PayPalHarness
from tests.payments.gateways.simulators.paypal import disputes, signing

pytestmark = pytest.mark.django_db


@pytest.fixture
def paypal() -> PayPalHarness:
    harness = PayPalHarness()
    harness.world.clock = harness.clock = time.time  # type: ignore[assignment]  # the core's clock is the real one
    return harness


@pytest.fixture
def paypal_account(db: None, paypal: PayPalHarness) -> Iterator[GatewayAccount]:
    connections.IN_PROCESS["paypal"] = paypal.transport
    yield GatewayAccount.objects.create(
        name="PayPal",
        gateway="paypal",
        base_url="inprocess://paypal",
        credentials={"client_id": paypal.world.client_id, "client_secret": paypal.world.client_secret},
        settings=paypal.settings,
        methods=["paypal"],
        currencies=["USD"],
    )
    connections.IN_PROCESS.pop("paypal", None)


def pay(server: MerchantServer) -> dict[str, Any]:
    order = server.create_order(amount_minor=1999, currency="USD")
    response = server.post(
        "/payments", {"order": order["id"], "method": "paypal", "return_url": "https://shop.example/back"}
    )
    assert response.status_code in (200, 201, 202), response.content
    payment: dict[str, Any] = response.json()
    return payment


def deliver(account: GatewayAccount, callbacks: list[SignedCallback]) -> list[int]:
    """POST them as PayPal does; the statuses that it hears."""
    statuses = []
    for callback in callbacks:
        statuses.append(post_callback(f"/webhooks/{account.id}", callback.headers, callback.body))
    run_background()
    return statuses


def captured(paypal: PayPalHarness) -> int:
    return len(paypal.world.captures)


def test_payer_approves_and_the_hint_takes_the_money_once_whatever_is_repeated(
    merchant_server: MerchantServer, paypal_account: GatewayAccount, paypal: PayPalHarness
) -> None:
    payment = pay(merchant_server)
    assert payment["status"] == "requires_action"
    assert payment["next_action"]["url"].startswith("https://www.sandbox.paypal.com/")
    paypal.approve(payment["id"])
    approved = paypal.callbacks()
    assert deliver(paypal_account, approved * 2) == [200, 200]
    assert deliver(paypal_account, paypal.callbacks()) == [200]
    row = Payment.objects.get()
    assert (row.status, row.captured_minor, captured(paypal)) == ("succeeded", 1999, 1)
    assert Order.objects.get().status == "paid"
    assert_books_are_whole()


def test_payer_who_comes_back_is_asked_about_without_any_callback(
    merchant_server: MerchantServer, paypal_account: GatewayAccount, paypal: PayPalHarness
) -> None:
    payment = pay(merchant_server)
    assert sync(payment["id"]) == "requires_action"
    paypal.approve(payment["id"])
    assert sync(payment["id"]) == "succeeded"
    assert_books_are_whole()


def test_forged_body_under_a_genuine_signature_credits_nobody(
    merchant_server: MerchantServer, paypal_account: GatewayAccount, paypal: PayPalHarness
) -> None:
    paid, victim = pay(merchant_server), pay(merchant_server)
    paypal.approve(paid["id"])
    deliver(paypal_account, paypal.callbacks())
    [genuine] = paypal.callbacks()
    event = json.loads(genuine.body)
    event["resource"] |= {
        "custom_id": victim["id"],
        "amount": {"currency_code": "USD", "value": "99999.00"},
        "supplementary_data": {},
    }
    forged = signing.with_crc32_of(json.dumps(event).encode(), genuine.body)
    assert deliver(paypal_account, [SignedCallback(genuine.headers, forged)]) == [200]
    assert deliver(paypal_account, [genuine]) == [200]
    row = Payment.objects.get(id=victim["id"])
    assert (row.status, row.captured_minor) == ("requires_action", 0)
    assert captured(paypal) == 1
    assert set(WebhookReceipt.objects.values_list("next_attempt_at", flat=True)) == {None}
    assert_books_are_whole()


def test_callback_signed_by_somebody_else_is_refused_and_keeps_nothing(
    merchant_server: MerchantServer, paypal_account: GatewayAccount, paypal: PayPalHarness
) -> None:
    payment = pay(merchant_server)
    paypal.approve(payment["id"])
    [genuine] = paypal.callbacks()
    assert deliver(paypal_account, [paypal.sign(genuine.body, secret="not PayPal")]) == [400]
    assert WebhookReceipt.objects.count() == 0
    assert Payment.objects.get().status == "requires_action"


def test_payer_who_approves_what_was_canceled_is_not_charged(
    merchant_server: MerchantServer, paypal_account: GatewayAccount, paypal: PayPalHarness
) -> None:
    payment = pay(merchant_server)
    order = Order.objects.get()
    assert merchant_server.post(f"/orders/{order.id}/cancel").status_code == 200
    paypal.approve(payment["id"])
    assert deliver(paypal_account, paypal.callbacks()) == [200]
    assert (Payment.objects.get().status, captured(paypal)) == ("canceled", 0)
    assert_books_are_whole()


def test_order_whose_answer_was_lost_is_found_by_sending_the_same_again(
    merchant_server: MerchantServer, paypal_account: GatewayAccount, paypal: PayPalHarness
) -> None:
    def lose(request: HttpRequest) -> HttpResponse:
        response = paypal.transport(request)
        if request.url.endswith("/v2/checkout/orders"):
            raise GatewayOutcomeUnknown("no answer", code="no_answer")
        return response

    connections.IN_PROCESS["paypal"] = lose
    connections.forget_adapters()
    payment = pay(merchant_server)
    assert payment["status"] == "submitting"
    connections.IN_PROCESS["paypal"] = paypal.transport
    connections.forget_adapters()
    assert sync(payment["id"]) == "requires_action"
    assert len(paypal.world.orders) == 1
    paypal.approve(payment["id"])
    assert sync(payment["id"]) == "succeeded"
    assert_books_are_whole()


def test_order_whose_answer_was_lost_and_that_is_canceled_is_never_paid(
    merchant_server: MerchantServer, paypal_account: GatewayAccount, paypal: PayPalHarness
) -> None:
    paypal.transport.trouble("^POST /v2/checkout/orders$", "timeout_after_effect")
    payment = pay(merchant_server)
    order = Order.objects.get()
    assert merchant_server.post(f"/orders/{order.id}/cancel").status_code == 200
    paypal.approve(payment["id"])
    deliver(paypal_account, paypal.callbacks())
    assert (Payment.objects.get().status, captured(paypal)) == ("canceled", 0)
    assert_books_are_whole()


def test_refund_and_dispute_come_to_their_doors(
    merchant_server: MerchantServer, paypal_account: GatewayAccount, paypal: PayPalHarness
) -> None:
    payment = pay(merchant_server)
    paypal.approve(payment["id"])
    assert sync(payment["id"]) == "succeeded"
    response = merchant_server.post("/refunds", {"payment": payment["id"], "amount_minor": 500, "reason": "too small"})
    assert response.status_code == 201, response.content
    run_background()
    dispute_id = disputes.open_dispute(paypal.world, payment["id"], seller_response_due_date="2099-01-01T00:00:00.000Z")
    deliver(paypal_account, paypal.callbacks())
    assert Refund.objects.get().status == "succeeded"
    dispute = Dispute.objects.get()
    assert (dispute.gateway_reference, dispute.status) == (dispute_id, "needs_response")
    assert not Case.objects.filter(kind=Case.Kind.UNKNOWN_PAYMENT).exists()
    assert_books_are_whole()


def test_payer_who_approves_what_could_not_be_closed_is_not_charged(
    merchant_server: MerchantServer, paypal_account: GatewayAccount, paypal: PayPalHarness
) -> None:
    """PayPal takes no change of the order, so that it stays payable there: only a capture of ours would take money."""
    payment = pay(merchant_server)
    paypal.transport.takes_patches = False
    assert merchant_server.post(f"/orders/{Order.objects.get().id}/cancel").status_code == 200
    paypal.approve(payment["id"])
    assert deliver(paypal_account, paypal.callbacks()) == [200]
    assert (Payment.objects.get().status, captured(paypal)) == ("canceled", 0)
    assert_books_are_whole()
