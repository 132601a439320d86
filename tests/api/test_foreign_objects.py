"""Another's object is 404 and not one row of it changes; a method that an address does not take is 405."""

import json
from typing import Any

import pytest
from django.test import Client

from payments.routing.models import GatewayAccount
from tests.actors import API, AppUser, MerchantServer
from tests.api.conftest import Possessions
from tests.api.refusals import assert_refused
from tests.api.row_counts import nothing_changes

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("who", ["merchant", "user"])
def test_anothers_objects_are_not_there(
    merchant_server: MerchantServer, app_user: AppUser, others: Possessions, who: str
) -> None:
    caller = merchant_server if who == "merchant" else app_user
    with nothing_changes():
        for path in (
            f"/orders/{others.order}",
            f"/payments/{others.payment}",
            f"/payments/{others.payment}?wait_seconds=5",
            f"/refunds/{others.refund}",
            f"/checkout-sessions/{others.session}",
        ):
            assert_refused(caller.get(path), 404, "not_found")
        for path, body in (
            (f"/orders/{others.order}/cancel", {}),
            ("/payments", {"order": others.order, "method": "card"}),
            ("/refunds", {"payment": others.paid_payment, "reason": "x", "amount_minor": 1}),
            ("/checkout-sessions", {"order": others.order}),
        ):
            assert_refused(caller.post(path, body), 404, "not_found")
        for path in ("/orders", "/payments", "/refunds"):
            assert caller.get(path).json()["data"] == []


def test_another_merchant_can_neither_take_nor_let_go_what_is_held(
    merchant_server: MerchantServer, others: Possessions
) -> None:
    with nothing_changes():
        for verb in ("capture", "void"):
            assert_refused(merchant_server.post(f"/payments/{others.held_payment}/{verb}", {}), 404, "not_found")


def test_lists_asked_about_anothers_object_are_empty(merchant_server: MerchantServer, others: Possessions) -> None:
    assert merchant_server.get("/payments", order=others.order).json()["data"] == []
    assert merchant_server.get("/refunds", payment=others.paid_payment).json()["data"] == []


def test_anothers_cursor_shows_nothing_of_theirs(
    merchant_server: MerchantServer, other_server: MerchantServer, others: Possessions
) -> None:
    mine = merchant_server.create_order()["id"]
    merchant_server.create_order()
    theirs = other_server.get("/orders", limit=1).json()["next_cursor"]

    seen = {order["id"] for order in merchant_server.get("/orders", cursor=theirs).json()["data"]}

    assert seen <= {mine}


def test_one_users_order_is_not_anothers(account: GatewayAccount, others: Possessions) -> None:
    ada, eve = AppUser.signed_in("ada@example.com"), AppUser.signed_in("eve@example.com")
    assert ada.get("/me").json()["id"] != eve.get("/me").json()["id"]
    assert eve.get("/orders").json()["data"] == []


@pytest.mark.parametrize(
    "object_id",
    ["ord_00000000000000000000000000", "x", "..", "%2e%2e%2fops", "ord_' OR 1=1--", "%ff", "💳" * 20, "o" * 3000],
)
@pytest.mark.parametrize("kind", ["orders", "payments", "refunds", "checkout-sessions"])
def test_what_is_no_id_is_not_there(merchant_server: MerchantServer, kind: str, object_id: str) -> None:
    with nothing_changes():
        assert_refused(merchant_server.get(f"/{kind}/{object_id}"), 404, "not_found")


@pytest.mark.parametrize(
    "path", ["/orders/%00", "/payments/a%00b", "/refunds/%00", "/checkout-sessions/%00", "/payments/%00?wait_seconds=1"]
)
def test_a_nul_in_an_address_is_refused(merchant_server: MerchantServer, path: str) -> None:
    with nothing_changes():
        response = merchant_server.get(path)
    assert response.status_code in (400, 404), response.content
    assert_refused(response, response.status_code, response.json()["code"])


@pytest.mark.parametrize("field", ["order", "payment"])
def test_an_id_in_a_body_may_be_any_text(merchant_server: MerchantServer, account: GatewayAccount, field: str) -> None:
    path, body = ("/payments", {"method": "card"}) if field == "order" else ("/refunds", {"reason": "x"})
    for text in ("' OR 1=1", "💳", "%s", "{0}"):
        with nothing_changes():
            assert_refused(merchant_server.post(path, {**body, field: text}), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/orders"),
        ("DELETE", "/orders"),
        ("PATCH", "/orders/ord_x"),
        ("DELETE", "/orders/ord_x"),
        ("GET", "/orders/ord_x/cancel"),
        ("GET", "/payments/pay_x/capture"),
        ("PUT", "/payments/pay_x/void"),
        ("DELETE", "/payments/pay_x"),
        ("POST", "/payments/pay_x"),
        ("DELETE", "/refunds/ref_x"),
        ("GET", "/checkout-sessions"),
        ("POST", "/plans"),
        ("POST", "/membership"),
        ("TRACE", "/orders"),
    ],
)
def test_a_method_that_is_not_taken_is_said_so(
    merchant_server: MerchantServer, app_user: AppUser, method: str, path: str
) -> None:
    caller: Any = app_user if path in ("/membership", "/plans") else merchant_server
    headers = {"Authorization": f"Bearer {caller.secret}", "Idempotency-Key": "k"}
    with nothing_changes():
        response = Client().generic(method, API + path, b"{}", content_type="application/json", headers=headers)
    assert_refused(response, 405, "method_not_allowed")
    assert response["Allow"]


@pytest.mark.parametrize("accept", ["text/html", "text/html,application/xhtml+xml", "image/png", "*/*", "garbage", ""])
@pytest.mark.parametrize("path", ["/orders/ord_x", "/nowhere", "/orders"])
def test_a_program_is_never_answered_in_html(db: None, accept: str, path: str) -> None:
    response = Client().get(API + path, headers={"Accept": accept})
    assert response["Content-Type"] == "application/problem+json"
    assert response.status_code in (401, 404, 406)


def test_refusals_are_in_the_callers_language(merchant_server: MerchantServer) -> None:
    headers = {"Authorization": f"Bearer {merchant_server.secret}", "Accept-Language": "zh-Hans"}
    response = Client().get(f"{API}/orders/ord_x", headers=headers)
    problem = assert_refused(response, 404, "not_found")
    assert not problem["title"].isascii()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/orders?limit=0", 400, "invalid_limit"),
        ("/orders?limit=101", 400, "invalid_limit"),
        ("/orders?limit=-1", 400, "invalid_limit"),
        ("/orders?limit=1e1", 400, "invalid_limit"),
        ("/orders?limit=%D9%A1", 400, "invalid_limit"),
        ("/orders?limit=", 400, "invalid_limit"),
        ("/orders?limit=%00", 400, "invalid_address"),
        ("/orders?cursor=abc", 400, "invalid_cursor"),
        ("/orders?cursor=%00", 400, "invalid_address"),
        ("/orders?cursor=" + "A" * 600, 400, "invalid_cursor"),
        ("/payments?cursor=%F0%9F%92%B3", 400, "invalid_cursor"),
    ],
)
def test_a_page_that_does_not_exist_is_refused(
    merchant_server: MerchantServer, path: str, status: int, code: str
) -> None:
    assert_refused(merchant_server.get(path), status, code)


def test_a_cursor_is_good_for_its_own_list_only(merchant_server: MerchantServer) -> None:
    for _order in range(2):
        merchant_server.create_order()
    cursor = merchant_server.get("/orders", limit=1).json()["next_cursor"]
    assert_refused(merchant_server.get("/payments", cursor=cursor), 400, "invalid_cursor")
    assert_refused(merchant_server.get("/orders", cursor=cursor[:-2] + "AA"), 400, "invalid_cursor")


@pytest.mark.parametrize(
    "query",
    ["status=%00", "status=nonsense", "status=" + "x" * 5000, "status=%ff", "merchant_order_number=%00", "order=%00",
     "order=' OR 1=1", "payment=%00", "payment=%F0%9F%92%B3", "status=paid&status=%00", "unknown=%00"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/orders", "/payments", "/refunds"])
def test_filters_find_nothing_or_are_refused_and_never_break(
    merchant_server: MerchantServer, path: str, query: str
) -> None:
    response = merchant_server.get(f"{path}?{query}")
    assert response.status_code in (200, 400), response.content
    if response.status_code == 400:
        assert_refused(response, 400, response.json()["code"])
    else:
        assert response.json()["data"] == []


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "1e9", "%00", "", "9" * 50, "%D9%A1"])
@pytest.mark.parametrize("name", ["wait_seconds", "after_version"])
def test_a_wait_that_makes_no_sense_is_not_waited_for(
    merchant_server: MerchantServer, account: GatewayAccount, name: str, value: str
) -> None:
    payment_id = merchant_server.paid_order()[1]["id"]
    response = merchant_server.get(f"/payments/{payment_id}?{name}={value}")
    assert response.status_code in (200, 400), response.content
    assert json.loads(response.content)
