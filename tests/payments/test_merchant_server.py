"""`/api/v1/merchant/…`: the same orders, payments and refunds at the addresses of a merchant's server."""

import pytest

from paycore.identifiers import new_id
from payments.orders.models import Order, Payment, Refund
from payments.routing.models import GatewayAccount
from tests.actors import AppUser, MerchantServer, run_background
from tests.api.refusals import assert_refused
from tests.api.row_counts import nothing_changes
from tests.merchants.factories import make_merchant, make_secret

pytestmark = pytest.mark.django_db

ORDER = {"currency": "USD", "amount_minor": 1999, "description": "A thing"}


def test_an_order_is_made_paid_and_refunded_at_the_servers_own_addresses(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    server = merchant_server
    order = server.post("/merchant/orders", ORDER).json()
    session = server.post("/merchant/checkout-sessions", {"order": order["id"]}).json()
    payment = server.post("/merchant/payments", {"order": order["id"], "method": "card", "options": {}}).json()
    refund = server.post("/merchant/refunds", {"payment": payment["id"], "reason": "Came broken"}).json()
    run_background()

    assert server.get(f"/merchant/orders/{order['id']}").json()["status"] == "closed"
    assert server.get(f"/merchant/checkout-sessions/{session['id']}").json()["phase"] == "paid"
    assert server.get(f"/merchant/payments/{payment['id']}").json()["refunded_minor"] == 1999
    assert server.get(f"/merchant/refunds/{refund['id']}").json()["status"] == "succeeded"
    for kind, row in (("orders", order), ("payments", payment), ("refunds", refund)):
        assert [found["id"] for found in server.get(f"/merchant/{kind}").json()["data"]] == [row["id"]]


def test_an_open_order_is_cancelled_and_held_money_is_let_go(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order = merchant_server.post("/merchant/orders", ORDER).json()
    assert merchant_server.post(f"/merchant/orders/{order['id']}/cancel").json()["status"] == "canceled"
    held = merchant_server.create_order(capture_method="manual")
    payment = merchant_server.pay(held["id"]).json()

    assert payment["status"] == "authorized"
    voided = merchant_server.post(f"/merchant/payments/{payment['id']}/void").json()
    assert voided["status"] == "canceled"


@pytest.mark.parametrize("addresses", [("/orders", "/merchant/orders"), ("/merchant/orders", "/orders")])
def test_one_key_at_both_addresses_is_one_order(merchant_server: MerchantServer, addresses: tuple[str, str]) -> None:
    key = new_id("k")

    answers = [merchant_server.post(address, ORDER, key=key) for address in addresses]

    assert answers[0].content == answers[1].content
    assert "Idempotent-Replayed" in answers[1]
    assert Order.objects.count() == 1


def test_one_key_at_both_addresses_is_one_payment_and_one_refund(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order = merchant_server.create_order()
    body = {"order": order["id"], "method": "card", "options": {}}
    paid = [merchant_server.post(path, body, key="pay-1").json() for path in ("/payments", "/merchant/payments")]
    refund = {"payment": paid[0]["id"], "reason": "Came broken", "amount_minor": 100}
    for path in ("/merchant/refunds", "/refunds"):
        assert merchant_server.post(path, refund, key="refund-1").status_code == 201

    assert paid[0] == paid[1]
    assert (Payment.objects.count(), Refund.objects.count()) == (1, 1)


def test_people_have_no_business_there(app_user: AppUser) -> None:
    with nothing_changes():
        for path in ("orders", "payments", "refunds", "me"):
            assert_refused(app_user.get(f"/merchant/{path}"), 403, "permission_denied")
        assert_refused(app_user.post("/merchant/orders", ORDER), 403, "permission_denied")


def test_another_merchants_rows_are_not_there(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    order, payment = merchant_server.paid_order()
    merchant = make_merchant()
    other = MerchantServer(secret=make_secret(merchant=merchant), merchant=merchant)
    with nothing_changes():
        assert_refused(other.get(f"/merchant/orders/{order['id']}"), 404, "not_found")
        assert_refused(other.get(f"/merchant/payments/{payment['id']}"), 404, "not_found")
        refund = {"payment": payment["id"], "reason": "Mine"}
        assert_refused(other.post("/merchant/refunds", refund), 404, "not_found")
        assert other.get("/merchant/orders").json()["data"] == []
