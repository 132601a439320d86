"""Who waits for an outcome: an app that holds a request, a page that a merchant opens, a list that is read."""

from types import SimpleNamespace
from typing import Any

import pytest

from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.orders import payment_views
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, sync
from tests.flows.time_travel import let_orders_expire, make_time_run_out

pytestmark = pytest.mark.django_db


class FakeTime(SimpleNamespace):
    """Sleeping takes no time here; what happens ``meanwhile`` happens during the first sleep."""

    def __init__(self, meanwhile: Any = None) -> None:
        super().__init__(now=0.0, slept=0, meanwhile=meanwhile)

    def monotonic(self) -> float:
        return float(self.now)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += 1
        if self.meanwhile and self.slept == 2:
            self.meanwhile()


@pytest.fixture
def waiting_payment(merchant_server: MerchantServer, account: GatewayAccount) -> Any:
    order = merchant_server.create_order()
    return merchant_server.pay(order["id"], method="sandbox_redirect", scenario="require_action").json()


def test_a_held_request_is_answered_when_the_payment_changes(
    merchant_server: MerchantServer, waiting_payment: Any, sandbox: SandboxProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pay_meanwhile() -> None:
        sandbox.approve(waiting_payment["id"])
        sync(waiting_payment["id"])

    clock = FakeTime(pay_meanwhile)
    monkeypatch.setattr(payment_views, "time", clock)

    answer = merchant_server.get(f"/payments/{waiting_payment['id']}", wait_seconds=10, after_version=2).json()

    assert (answer["status"], clock.slept) == ("succeeded", 2)
    assert answer["version"] > waiting_payment["version"]


def test_a_held_request_is_answered_after_ten_seconds_at_the_latest(
    merchant_server: MerchantServer, waiting_payment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeTime()
    monkeypatch.setattr(payment_views, "time", clock)

    answer = merchant_server.get(f"/payments/{waiting_payment['id']}", wait_seconds=999_999)

    assert answer.json()["status"] == "requires_action"
    assert 10 <= clock.now < 11


@pytest.mark.parametrize("why", ["changed_already", "final", "too_many_wait", "not_asked"])
def test_there_is_nothing_to_wait_for(
    merchant_server: MerchantServer, waiting_payment: Any, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    clock = FakeTime()
    monkeypatch.setattr(payment_views, "time", clock)
    payment_id, parameters = waiting_payment["id"], {"wait_seconds": 10}
    if why == "changed_already":
        parameters["after_version"] = waiting_payment["version"] - 1
    if why == "final":
        payment_id = merchant_server.paid_order()[1]["id"]
    if why == "too_many_wait":
        monkeypatch.setattr(payment_views, "_waiting_slots", SimpleNamespace(acquire=lambda blocking: False))
    if why == "not_asked":
        parameters = {}

    assert merchant_server.get(f"/payments/{payment_id}", **parameters).status_code == 200
    assert clock.slept == 0


def test_a_checkout_session_tells_how_far_the_payer_is(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order = merchant_server.create_order()
    made = merchant_server.post("/checkout-sessions", {"order": order["id"], "success_url": "https://shop.example/ok"})
    assert made.status_code == 201, made.content
    session = made.json()
    assert session["url"] == f"http://testserver/pay/{session['id']}"
    assert session["methods"] == ["card", "sandbox_redirect", "sandbox_qr"]
    assert session["phase"] == "choose"

    def phase() -> str:
        shown: str = merchant_server.get(f"/checkout-sessions/{session['id']}").json()["phase"]
        return shown

    merchant_server.pay(order["id"], scenario="decline")
    assert phase() == "failed"
    merchant_server.pay(order["id"], scenario="timeout_after_effect")
    assert phase() == "waiting"
    sync(merchant_server.get("/payments", order=order["id"]).json()["data"][0]["id"])
    assert phase() == "paid"


def test_a_session_ends_with_its_order(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    order = merchant_server.create_order()
    session = merchant_server.post("/checkout-sessions", {"order": order["id"]}).json()
    make_time_run_out(order["id"])
    let_orders_expire()

    assert merchant_server.get(f"/checkout-sessions/{session['id']}").json()["phase"] == "expired"
    refused = merchant_server.post("/checkout-sessions", {"order": order["id"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "order_not_open")


def test_lists_show_the_newest_first_and_are_read_page_by_page(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    made = [merchant_server.create_order(merchant_order_number=f"N-{number}")["id"] for number in range(5)]

    first = merchant_server.get("/orders", limit=2).json()
    second = merchant_server.get("/orders", limit=2, cursor=first["next_cursor"]).json()
    third = merchant_server.get("/orders", limit=2, cursor=second["next_cursor"]).json()

    seen = [order["id"] for page in (first, second, third) for order in page["data"]]
    assert seen == made[::-1]
    assert (first["has_more"], third["has_more"], third["next_cursor"]) == (True, False, None)
    assert merchant_server.get("/orders", merchant_order_number="N-3").json()["data"][0]["id"] == made[3]
    assert merchant_server.get("/orders", status="paid").json()["data"] == []


def test_a_merchants_number_is_used_once_for_ever(merchant_server: MerchantServer) -> None:
    order = merchant_server.create_order(merchant_order_number="N-1")
    merchant_server.post(f"/orders/{order['id']}/cancel")

    body = {"currency": "USD", "amount_minor": 1, "description": "x", "merchant_order_number": "N-1"}
    refused = merchant_server.post("/orders", body)

    assert (refused.status_code, refused.json()["code"]) == (409, "order_number_taken")
