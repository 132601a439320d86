"""Bad input over the public API: a clear problem document, and not one row changed."""

import json
from typing import Any

import pytest
from django.test import Client

from payments.routing.models import GatewayAccount
from tests.actors import API, AppUser, MerchantServer
from tests.api.refusals import assert_refused, pointers
from tests.api.row_counts import nothing_changes

pytestmark = pytest.mark.django_db

ORDER: dict[str, Any] = {"currency": "USD", "amount_minor": 1999, "description": "A thing"}
CARD = "4111 1111 1111 1111"


def order_with(**changes: Any) -> bytes:
    return json.dumps({**ORDER, **changes}).encode()


def order_text(field: str, literal: str) -> bytes:
    """An order whose ``field`` is exactly these characters of JSON."""
    rest = {name: value for name, value in ORDER.items() if name != field}
    return json.dumps(rest)[:-1].encode() + f', "{field}": {literal}}}'.encode()


@pytest.mark.parametrize(
    "literal", ["0", "-1", "1.0", '"1_0"', '"1999"', '"１９９９"', "true", "null", "[]", "{}", "1e3", '""']
)
def test_an_amount_is_a_positive_whole_number(merchant_server: MerchantServer, literal: str) -> None:
    with nothing_changes():
        response = merchant_server.post("/orders", raw=order_text("amount_minor", literal))
    assert pointers(assert_refused(response, 400, "validation_failed")) == {"/amount_minor"}


@pytest.mark.parametrize(
    "literal", ["9223372036854775808", "-9223372036854775808", "9" * 30, "1e400", "NaN", "Infinity"]
)
def test_a_number_that_does_not_fit_is_refused(merchant_server: MerchantServer, literal: str) -> None:
    with nothing_changes():
        response = merchant_server.post("/orders", raw=order_text("amount_minor", literal))
    assert_refused(response, 400, "number_out_of_range")


@pytest.mark.parametrize("currency", ["XXX", "usd", "US", "USDT", "", "￥", 840, None, True, ["USD"]])
def test_a_currency_is_an_enabled_code_in_capitals(merchant_server: MerchantServer, currency: Any) -> None:
    with nothing_changes():
        response = merchant_server.post("/orders", raw=order_with(currency=currency))
    assert pointers(assert_refused(response, 400, "validation_failed")) == {"/currency"}


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"total": 1}, "/total"),
        ({"status": "paid"}, "/status"),
        ({"refunded_minor": 5}, "/refunded_minor"),
        ({"merchant": "mer_other"}, "/merchant"),
        ({"description": ""}, "/description"),
        ({"description": "x" * 201}, "/description"),
        ({"description": "a\u202eb"}, "/description"),
        ({"description": 7}, "/description"),
        ({"merchant_order_number": "n" * 65}, "/merchant_order_number"),
        ({"merchant_order_number": "a\nb"}, "/merchant_order_number"),
        ({"capture_method": "later"}, "/capture_method"),
        ({"capture_method": ["manual"]}, "/capture_method"),
        ({"discount_minor": -1}, "/discount_minor"),
        ({"metadata": []}, "/metadata"),
        ({"metadata": {"a": {"b": "c"}}}, "/metadata/a"),
        ({"metadata": {"n" * 41: "x"}}, "/metadata"),
        ({"metadata": {str(number): "x" for number in range(21)}}, "/metadata"),
        ({"lines": [{"description": "x", "amount_minor": 1}]}, "/lines"),
        ({"lines": [{"description": "x", "amount_minor": 1999, "quantity": 0}]}, "/lines/0/quantity"),
        ({"lines": [{"description": "x", "amount_minor": 1999, "price": 1}]}, "/lines/0/price"),
        ({"lines": [{"description": "x", "amount_minor": 0}] * 101}, "/lines"),
    ],
)
def test_a_field_that_is_wrong_is_named(merchant_server: MerchantServer, changes: Any, where: str) -> None:
    with nothing_changes():
        response = merchant_server.post("/orders", {**ORDER, **changes})
    assert where in pointers(assert_refused(response, 400, "validation_failed"))


@pytest.mark.parametrize("raw", [b"[]", b'"order"', b"7", b"null", b"true"])
def test_a_body_is_an_object(merchant_server: MerchantServer, raw: bytes) -> None:
    with nothing_changes():
        response = merchant_server.post("/orders", raw=raw)
    assert_refused(response, 400, "validation_failed")


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b'{"currency": "USD", "currency": "EUR", "amount_minor": 1, "description": "x"}', 400, "duplicate_key"),
        (order_text("description", '"a\\u0000b"'), 400, "invalid_text"),
        (order_text("description", '"\\ud800"'), 400, "invalid_text"),
        (order_text("description", '"\xff"').replace("ÿ".encode(), b"\xff"), 400, "invalid_text"),
        (order_text("metadata", '{"a\\u0000": "b"}'), 400, "invalid_text"),
        (order_text("description", '"a\x00b"'), 400, "malformed_json"),
        (order_text("metadata", "[" * 2000 + "]" * 2000), 400, "too_deep"),
        (order_text("metadata", '{"a":' * 2000 + "1" + "}" * 2000), 400, "too_deep"),
        (b"[" * 2000, 400, "too_deep"),
        (b'{"currency": "USD"', 400, "malformed_json"),
        (b"currency=USD", 400, "malformed_json"),
        (b"\xef\xbb\xbf{}", 400, "malformed_json"),
        (order_with(description="x" * 1_000_000), 413, "body_too_large"),
        (b" " * 70_000 + b"{}", 413, "body_too_large"),
    ],
    ids=lambda value: f"{value[:20]!r}" if isinstance(value, bytes) else str(value),
)
def test_what_is_not_strict_json_is_refused(
    merchant_server: MerchantServer, raw: bytes, status: int, code: str
) -> None:
    with nothing_changes():
        response = merchant_server.post("/orders", raw=raw)
    assert_refused(response, status, code)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
     "application/json; charset=utf-16", ""],
)  # fmt: skip
def test_another_content_type_is_refused(merchant_server: MerchantServer, content_type: str) -> None:
    headers = {"Authorization": f"Bearer {merchant_server.secret}", "Idempotency-Key": "k"}
    with nothing_changes():
        response = Client().generic("POST", f"{API}/orders", order_with(), content_type=content_type, headers=headers)
    assert_refused(response, 415, "unsupported_media_type")


def test_an_encoded_body_is_refused(merchant_server: MerchantServer) -> None:
    headers = {"Authorization": f"Bearer {merchant_server.secret}", "Idempotency-Key": "k", "Content-Encoding": "gzip"}
    with nothing_changes():
        response = Client().generic(
            "POST", f"{API}/orders", order_with(), content_type="application/json", headers=headers
        )
    assert_refused(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        {**ORDER, "description": f"card {CARD}"},
        {**ORDER, "description": "4111-1111-1111-1111"},
        {**ORDER, "description": "٤١١١١١١١١١١١١١١١"},
        {**ORDER, "metadata": {"card": "4111111111111111"}},
        {**ORDER, "metadata": {"4111111111111111": "card"}},
        {**ORDER, "number": 4111111111111111},
        {**ORDER, "lines": [{"description": CARD, "amount_minor": 1999}]},
        {**ORDER, "merchant_order_number": "378282246310005"},
    ],
    ids=repr,
)
def test_a_card_number_in_the_body_leaves_no_trace(
    merchant_server: MerchantServer, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with nothing_changes():
        response = merchant_server.post("/orders", body)
    assert_refused(response, 400, "card_data_not_allowed")
    seen = caplog.text + response.content.decode()
    assert not any(number in seen for number in ("4111111111111111", CARD, "4111-1111", "378282246310005"))


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/orders/4111111111111111", {}),
        ("/orders?merchant_order_number=4111111111111111", {}),
        ("/orders?merchant_order_number=4111+1111%201111-1111", {}),
        ("/orders", {"User-Agent": f"app {CARD}"}),
        ("/orders", {"Referer": "https://shop.example/?card=4111111111111111"}),
        ("/orders", {"X-Request-ID": "4111111111111111"}),
        ("/orders", {"Idempotency-Key": "4111111111111111"}),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_card_number_around_the_body_leaves_no_trace(
    merchant_server: MerchantServer, method: str, path: str, headers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sent = {"Authorization": f"Bearer {merchant_server.secret}", "Idempotency-Key": "k", **headers}
    with nothing_changes():
        response = Client().generic(method, API + path, order_with(), content_type="application/json", headers=sent)
    assert_refused(response, 400, "card_data_not_allowed")
    assert "4111" not in caplog.text + response.content.decode()


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "idempotency_key_missing"),
        ("", "idempotency_key_missing"),
        ("   ", "idempotency_key_missing"),
        ('""', "idempotency_key_invalid"),
        ("k" * 256, "idempotency_key_invalid"),
        ("schlüssel", "idempotency_key_invalid"),
        ("钥匙", "idempotency_key_invalid"),
        ("a b", "idempotency_key_invalid"),
        ("a\tb", "idempotency_key_invalid"),
        ("a\x00b", "idempotency_key_invalid"),
        ("a\x7fb", "idempotency_key_invalid"),
    ],
)
@pytest.mark.parametrize("path", ["/orders", "/payments"])
def test_a_key_is_visible_ascii_and_must_be_there(
    merchant_server: MerchantServer, account: GatewayAccount, path: str, key: str | None, code: str
) -> None:
    body = order_with() if path == "/orders" else json.dumps({"order_details": ORDER, "method": "card"}).encode()
    extra = {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}
    with nothing_changes():
        response = Client().post(
            API + path, body, content_type="application/json",
            headers={"Authorization": f"Bearer {merchant_server.secret}"}, **extra,
        )  # fmt: skip
    assert_refused(response, 400, code)


def test_a_key_of_255_characters_is_taken(merchant_server: MerchantServer) -> None:
    assert merchant_server.post("/orders", ORDER, key="k" * 255).status_code == 201


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "authentication_required"),
        ("Bearer", "authentication_required"),
        ("Bearer sk_wrong", "authentication_failed"),
        ("Bearer sk_" + "x" * 5000, "authentication_failed"),
        ("Bearer a.b.c", "authentication_failed"),
        ("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c3JfMSJ9.", "authentication_failed"),
        ("Bearer sk_\x00", "authentication_failed"),
        ("Bearer sk_ü", "authentication_failed"),
        ("Basic YTpi", "authentication_required"),
    ],
)
def test_who_does_not_prove_who_calls_is_refused(db: None, authorization: str, code: str) -> None:
    with nothing_changes():
        response = Client().post(
            f"{API}/orders", order_with(), content_type="application/json", HTTP_AUTHORIZATION=authorization,
            HTTP_IDEMPOTENCY_KEY="k",
        )  # fmt: skip
    assert_refused(response, 401, code)
    assert "Bearer" in response["WWW-Authenticate"]


def test_a_key_that_was_revoked_and_a_merchant_that_was_suspended_are_refused(merchant_server: MerchantServer) -> None:
    merchant = merchant_server.merchant
    type(merchant).objects.filter(id=merchant.id).update(status="suspended")
    with nothing_changes():
        assert_refused(merchant_server.post("/orders", ORDER), 403, "merchant_not_active")
    type(merchant).objects.filter(id=merchant.id).update(status="approved")
    merchant.api_keys.update(revoked_at="2026-01-01T00:00:00Z")
    with nothing_changes():
        assert_refused(merchant_server.post("/orders", ORDER), 401, "authentication_failed")


@pytest.mark.parametrize("path", ["/orders", "/payments/pay_x/capture", "/payments/pay_x/void"])
def test_what_merchants_do_is_not_for_users(app_user: AppUser, path: str) -> None:
    with nothing_changes():
        assert_refused(app_user.post(path, ORDER), 403, "permission_denied")


def test_a_user_may_not_create_an_order_by_paying(app_user: AppUser, account: GatewayAccount) -> None:
    with nothing_changes():
        response = app_user.post("/payments", {"order_details": ORDER, "method": "card"})
    assert_refused(response, 403, "permission_denied")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, ""),
        ({"method": "card"}, ""),
        ({"order": "ord_x", "order_details": ORDER, "method": "card"}, ""),
        ({"order": "ord_x"}, "/method"),
        ({"order": "ord_x", "method": "card", "amount_minor": 1}, "/amount_minor"),
        ({"order": "ord_x", "method": "card", "options": {"cvc": "123"}}, "/options/cvc"),
        ({"order": "ord_x", "method": "card", "options": {"sandbox": "approve"}}, "/options/sandbox"),
        ({"order": "ord_x", "method": "card", "return_url": "javascript:alert(1)"}, "/return_url"),
        ({"order": "ord_x", "method": "card", "return_url": "https://x.example/" + "a" * 500}, "/return_url"),
        ({"order_details": {**ORDER, "amount_minor": -5}, "method": "card"}, "/order_details/amount_minor"),
        ({"order_details": {**ORDER, "total": 5}, "method": "card"}, "/order_details/total"),
    ],
)
def test_a_payment_says_what_and_how_and_nothing_else(
    merchant_server: MerchantServer, account: GatewayAccount, body: Any, where: str
) -> None:
    with nothing_changes():
        problem = assert_refused(merchant_server.post("/payments", body), 400, "validation_failed")
    assert where in pointers(problem) or ("/method" in pointers(problem) and body == {})


@pytest.mark.parametrize("path", ["/refunds", "/checkout-sessions", "/subscriptions"])
@pytest.mark.parametrize("body", [{}, {"unknown": 1}, {"payment": 5, "order": [], "price": {}}, {"payment": "x" * 41}])
def test_other_creations_are_as_strict(
    merchant_server: MerchantServer, app_user: AppUser, path: str, body: Any
) -> None:
    caller = app_user if path == "/subscriptions" else merchant_server
    with nothing_changes():
        assert_refused(caller.post(path, body), 400, "validation_failed")


@pytest.mark.parametrize("field", ["success_url", "cancel_url"])
@pytest.mark.parametrize("url", ["javascript:alert(1)", "//evil.example", "data:text/html,x", "ftp://x.example", 5])
def test_a_session_sends_payers_only_to_web_addresses(
    merchant_server: MerchantServer, account: GatewayAccount, field: str, url: Any
) -> None:
    order = merchant_server.create_order()
    with nothing_changes():
        response = merchant_server.post("/checkout-sessions", {"order": order["id"], field: url})
    assert_refused(response, 400, "validation_failed")


@pytest.mark.parametrize("amount", [0, -1, "1", 1.5, True, None])
@pytest.mark.parametrize("what", ["refund", "capture"])
def test_amounts_of_refunds_and_captures_are_as_strict(
    merchant_server: MerchantServer, account: GatewayAccount, what: str, amount: Any
) -> None:
    path, body = "/refunds", {"reason": "x", "amount_minor": amount}
    if what == "refund":
        body["payment"] = merchant_server.paid_order()[1]["id"]
    else:
        held = merchant_server.pay(merchant_server.create_order(capture_method="manual")["id"]).json()
        path, body = f"/payments/{held['id']}/capture", {"amount_minor": amount}
    with nothing_changes():
        assert_refused(merchant_server.post(path, body), 400, "validation_failed")


@pytest.mark.parametrize("value", ["yes", 1, "true", None, "t"])
def test_a_yes_or_no_is_true_or_false(merchant_server: MerchantServer, account: GatewayAccount, value: Any) -> None:
    held = merchant_server.pay(merchant_server.create_order(capture_method="manual")["id"]).json()
    with nothing_changes():
        response = merchant_server.post(f"/payments/{held['id']}/capture", {"is_final": value})
    assert_refused(response, 400, "validation_failed")


def test_more_than_is_held_cannot_be_captured(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    order = merchant_server.create_order(amount_minor=500, capture_method="manual")
    held = merchant_server.pay(order["id"]).json()
    with nothing_changes():
        response = merchant_server.post(f"/payments/{held['id']}/capture", {"amount_minor": 501})
    assert assert_refused(response, 409, "capture_exceeds_authorization")["capturable_minor"] == 500


def test_the_largest_amount_can_be_ordered_and_paid_twice(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    """2^63 - 1 fits a row; two of them do not fit a balance, and that must be a refusal, not a 500."""
    answers = [
        merchant_server.post(
            "/payments", {"order_details": {**ORDER, "amount_minor": 2**63 - 1}, "method": "card"}
        ).status_code
        for _attempt in range(3)
    ]
    assert all(status < 500 for status in answers), answers
