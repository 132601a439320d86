"""A payer pays with Alipay: from the order to the books, through the simulator and its notices."""

import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from paycore.clock import database_now
from payments.gateways.contract import GatewayOutcomeUnknown, HttpRequest, HttpResponse
from payments.ledger.queries import balances
from payments.orders.models import Order, Payment
from payments.orders.refunds import approve_refund
from payments.routing import connections
from payments.routing.models import GatewayAccount
from riskcontrol.models import Case
from tests.actors import MerchantServer, assert_books_are_whole, run_background, sync
from tests.payments.gateways.alipay_harness import SETTINGS, a_merchant, credentials
from tests.payments.gateways.simulators.alipay.provider import AlipaySimulator

pytestmark = pytest.mark.django_db


@pytest.fixture
def alipay() -> AlipaySimulator:
    return AlipaySimulator(merchant=a_merchant(), clock=time.time)


@pytest.fixture
def alipay_account(db: None, alipay: AlipaySimulator) -> Iterator[GatewayAccount]:
    connections.IN_PROCESS["alipay"] = alipay
    yield GatewayAccount.objects.create(
        name="Alipay",
        gateway="alipay",
        base_url="inprocess://alipay",
        credentials=credentials(),
        settings=SETTINGS,
        methods=["alipay_app", "alipay_page", "alipay_qr"],
        currencies=["CNY"],
    )
    connections.IN_PROCESS.pop("alipay", None)


def pay(server: MerchantServer, *, method: str = "alipay_qr") -> dict[str, Any]:
    order = server.create_order(amount_minor=1999, currency="CNY")
    response = server.post("/payments", {"order": order["id"], "method": method})
    assert response.status_code in (200, 201, 202), response.content
    payment: dict[str, Any] = response.json()
    return payment


def deliver(notices: list[tuple[str, bytes]]) -> list[tuple[int, bytes]]:
    """POST them as Alipay does; what it hears."""
    heard = []
    for url, body in notices:
        response = Client().post(urlsplit(url).path, body, content_type="application/x-www-form-urlencoded")
        heard.append((response.status_code, response.content))
    run_background()
    return heard


def taken(alipay: AlipaySimulator) -> list[tuple[str, bytes]]:
    notices, alipay.sent = alipay.sent, []
    return notices


def test_payer_scans_and_pays_and_the_order_is_paid_once_whatever_is_repeated(
    merchant_server: MerchantServer, alipay_account: GatewayAccount, alipay: AlipaySimulator
) -> None:
    payment = pay(merchant_server)
    assert payment["status"] == "requires_action"
    trade = alipay.scan(payment["next_action"]["qr_text"])
    assert sync(payment["id"]) == "requires_action"
    alipay.pay(trade.out_trade_no)
    notices = taken(alipay)
    assert deliver(notices * 2) == [(200, b"success")] * 2
    assert Order.objects.get().status == "paid"
    alipay.finish(trade.out_trade_no)
    deliver(taken(alipay))
    assert (Payment.objects.get().status, Payment.objects.get().captured_minor) == ("succeeded", 1999)
    assert_books_are_whole()


def test_finished_trade_after_a_refund_credits_nobody_twice(
    merchant_server: MerchantServer, alipay_account: GatewayAccount, alipay: AlipaySimulator
) -> None:
    payment = pay(merchant_server, method="alipay_app")
    trade = alipay.open(payment["next_action"]["app_parameters"]["order_string"])
    alipay.pay(trade.out_trade_no)
    deliver(taken(alipay))
    response = merchant_server.post("/refunds", {"payment": payment["id"], "amount_minor": 500, "reason": "Late"})
    assert response.status_code == 201, response.content
    refund_id = response.json()["id"]
    approve_refund(refund_id, reviewed_by="usr_reviewer", note="late indeed")
    run_background()
    deliver(taken(alipay))
    assert merchant_server.get(f"/refunds/{refund_id}").json()["status"] == "succeeded"
    before = balances()
    alipay.finish(trade.out_trade_no)
    deliver(taken(alipay))
    assert sync(payment["id"]) == "succeeded"
    assert (balances(), trade.refunded) == (before, 5)
    assert Case.objects.count() == 0
    assert_books_are_whole()


def test_callbacks_in_every_order_end_the_same(
    merchant_server: MerchantServer, alipay_account: GatewayAccount, alipay: AlipaySimulator
) -> None:
    for order in permutations(range(3)):
        payment = pay(merchant_server)
        trade = alipay.scan(payment["next_action"]["qr_text"])
        alipay.pay(trade.out_trade_no)
        alipay.tell(trade)
        alipay.finish(trade.out_trade_no)
        notices = taken(alipay)
        deliver([notices[number] for number in order])
        assert Payment.objects.get(id=payment["id"]).status == "succeeded"
    assert set(Order.objects.values_list("status", flat=True)) == {"paid"}
    assert_books_are_whole()


def test_forged_notice_is_refused_and_changes_nothing(
    merchant_server: MerchantServer, alipay_account: GatewayAccount, alipay: AlipaySimulator
) -> None:
    payment = pay(merchant_server)
    trade = alipay.scan(payment["next_action"]["qr_text"])
    alipay.key_name = "somebody"
    alipay.pay(trade.out_trade_no)
    [(status, _body)] = deliver(taken(alipay))
    assert status == 400
    assert Payment.objects.get().status == "requires_action"
    assert_books_are_whole()


def test_lost_answer_is_unknown_until_somebody_asks(
    merchant_server: MerchantServer, alipay_account: GatewayAccount, alipay: AlipaySimulator
) -> None:
    order = merchant_server.create_order(amount_minor=1999, currency="CNY")
    alipay.scans_at_once = True
    seen = []

    def lose(request: HttpRequest) -> HttpResponse:
        seen.append(alipay(request))
        raise GatewayOutcomeUnknown("no answer", code="timeout")

    connections.IN_PROCESS["alipay"] = lose
    connections.forget_adapters()
    payment = merchant_server.post("/payments", {"order": order["id"], "method": "alipay_qr"}).json()
    assert (payment["status"], len(seen)) == ("submitting", 1)
    connections.IN_PROCESS["alipay"] = alipay
    connections.forget_adapters()
    assert sync(payment["id"]) == "requires_action"
    alipay.pay(payment["id"])
    assert sync(payment["id"]) == "succeeded"
    assert_books_are_whole()


def test_unopened_code_keeps_the_order_until_it_can_no_more_be_paid(
    merchant_server: MerchantServer, alipay_account: GatewayAccount, alipay: AlipaySimulator
) -> None:
    payment = pay(merchant_server)
    order = Order.objects.get()
    assert merchant_server.post(f"/orders/{order.id}/cancel").status_code == 409
    assert Payment.objects.get().status == "requires_action"
    alipay.scan(payment["next_action"]["qr_text"])  # from here on Alipay can close it
    assert merchant_server.post(f"/orders/{order.id}/cancel").status_code == 200
    assert (Payment.objects.get().status, alipay.trades[payment["id"]].status) == ("canceled", "TRADE_CLOSED")


def test_code_that_nobody_opened_ends_with_the_orders_time(
    merchant_server: MerchantServer, alipay_account: GatewayAccount, alipay: AlipaySimulator
) -> None:
    payment = pay(merchant_server)
    let_time_pass(payment["id"], seconds=30)
    assert sync(payment["id"]) == "requires_action"  # Alipay's clock may be behind ours
    let_time_pass(payment["id"], seconds=61)
    assert sync(payment["id"]) == "expired"
    assert alipay.trades == {}


def let_time_pass(payment_id: str, *, seconds: int) -> None:
    """The order's time and the code's ended that long ago."""
    ended_at = database_now() - timedelta(seconds=seconds)
    Order.objects.update(expires_at=ended_at)
    payment = Payment.objects.get(id=payment_id)
    Payment.objects.filter(id=payment_id).update(action=(payment.action or {}) | {"expires_at": ended_at.isoformat()})
