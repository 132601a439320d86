"""What is sent to a gateway's callback address, forged, stale, torn, replayed: believed only if genuine."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.signature import HEADER, sign
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from payments.webhooks.models import WebhookReceipt
from tests.actors import MerchantServer, assert_books_are_whole, run_background
from tests.api.refusals import assert_refused
from tests.api.row_counts import nothing_changes
from tests.conftest import SANDBOX_SECRET

pytestmark = pytest.mark.django_db

Genuine = tuple[str, bytes]
"""The signature header and the body of a callback that says: paid."""


def now() -> int:
    return int(time.time())


def signed(body: bytes, *, timestamp: int | None = None, secret: str = SANDBOX_SECRET) -> str:
    return sign(body, secrets=[secret], timestamp=now() if timestamp is None else timestamp)


def send(account_id: str, body: bytes, signature: str | None, **extra: Any) -> Any:
    headers = {} if signature is None else {HEADER: signature}
    return Client().post(f"/webhooks/{account_id}", body, content_type="application/json", headers=headers, **extra)


@pytest.fixture
def waiting(merchant_server: MerchantServer, account: GatewayAccount) -> str:
    order = merchant_server.create_order()
    payment = merchant_server.pay(order["id"], method="sandbox_redirect", scenario="require_action").json()
    payment_id: str = payment["id"]
    return payment_id


@pytest.fixture
def genuine(waiting: str, sandbox: SandboxProvider) -> Genuine:
    sandbox.approve(waiting)
    [(_url, headers, body)] = sandbox.take_callbacks()
    return headers[HEADER], body


@pytest.mark.parametrize(
    "spoil",
    [
        lambda signature, body: (None, body),
        lambda signature, body: ("", body),
        lambda signature, body: ("t=1", body),
        lambda signature, body: ("v1=00", body),
        lambda signature, body: (f"t={now()},v1=", body),
        lambda signature, body: (f"t={'9' * 40},v1=00", body),
        lambda signature, body: (signature + "," + signature, body),
        lambda signature, body: ("x" * 5000, body),
        lambda signature, body: (signature[:-1] + ("0" if signature[-1] != "0" else "1"), body),
        lambda signature, body: (signature, body + b" "),
        lambda signature, body: (signature, body.replace(b"1999", b"9991")),
        lambda signature, body: (signature, body[: len(body) // 2]),
        lambda signature, body: (signature, b""),
        lambda signature, body: (signed(body, secret="somebody else's"), body),
        lambda signature, body: (signed(body, secret=""), body),
        lambda signature, body: (signed(body, timestamp=now() - 301), body),
        lambda signature, body: (signed(body, timestamp=now() + 310), body),
        lambda signature, body: (signed(body, timestamp=0), body),
        lambda signature, body: ("t=١٢٣,v1=00", body),
    ],
    ids=["no_header", "empty", "no_v1", "no_t", "empty_v1", "huge_t", "twice", "long", "last_digit", "space", "amount",
         "truncated", "no_body", "other_secret", "empty_secret", "stale", "future", "epoch", "arabic_digits"],
)  # fmt: skip
def test_a_callback_that_is_not_proven_is_refused_and_not_kept(
    account: GatewayAccount, genuine: Genuine, spoil: Callable[[str, bytes], tuple[str | None, bytes]]
) -> None:
    signature, body = spoil(*genuine)
    with nothing_changes():
        assert_refused(send(account.id, body, signature), 400, "webhook_refused")
        run_background()
    assert Payment.objects.get().status == "requires_action"


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b'"paid"', b"\xff\xfe", b"[" * 20_000,
     b'{"notice": 1, "kind": "txn.changed", "at": 1}',
     b'{"notice": "n", "kind": "txn.changed"}', b'{"notice": "n", "kind": "txn.changed", "at": "now"}'],
    ids=range(10),
)  # fmt: skip
def test_a_signed_callback_that_makes_no_sense_is_refused(account: GatewayAccount, body: bytes) -> None:
    with nothing_changes():
        assert_refused(send(account.id, body, signed(body)), 400, "webhook_refused")


@pytest.mark.parametrize(
    ("notice", "subject"),
    [
        ("n" * 129, {}),
        ("n\u0000", {}),
        ("n\ud800", {}),
        ("n", None),
        ("n", []),
        ("n", {"reference": 5}),
        ("n", {"reference": "pay_\u0000", "state": "PAID", "sum": 1, "coin": "USD"}),
        ("n", {"reference": "p" * 5000, "state": "PAID", "sum": 1, "coin": "USD"}),
        ("n", {"reference": "pay_x", "state": "PAID", "sum": 2**70, "coin": "USD", "taken": 2**70, "fee": 2**70}),
        ("n", {"reference": "pay_x", "state": "PAID", "sum": 1.5, "coin": "USD"}),
    ],
    ids=range(10),
)
def test_a_signed_callback_with_impossible_values_never_breaks_the_address(
    account: GatewayAccount, notice: str, subject: Any
) -> None:
    body = json.dumps({"notice": notice, "kind": "txn.changed", "at": 1, "subject": subject}).encode()
    response = send(account.id, body, signed(body))
    assert response.status_code in (200, 400), response.content
    run_background()
    assert Payment.objects.count() == 0


def test_amounts_beyond_any_row_credit_nothing(account: GatewayAccount, waiting: str) -> None:
    subject = {"reference": waiting, "state": "PAID", "sum": 2**70, "coin": "USD", "taken": 2**70, "fee": 2**70}
    body = json.dumps({"notice": "n", "kind": "txn.changed", "at": 1, "subject": subject}).encode()
    assert send(account.id, body, signed(body)).status_code == 200
    run_background()
    assert Payment.objects.get().status == "requires_action"
    assert_books_are_whole()


@pytest.mark.parametrize(("field", "value"), [("taken", -1), ("taken", 2**63), ("taken", 2000)])
def test_impossible_parts_of_an_amount_credit_nothing(
    account: GatewayAccount, waiting: str, field: str, value: int
) -> None:
    subject = {
        "reference": waiting,
        "state": "PAID",
        "sum": 1999,
        "coin": "USD",
        "taken": 1999,
        "fee": 88,
        field: value,
    }
    body = json.dumps({"notice": "n", "kind": "txn.changed", "at": 1, "subject": subject}).encode()
    assert send(account.id, body, signed(body)).status_code == 200
    run_background()
    assert Payment.objects.get().status == "requires_action"
    assert_books_are_whole()


@pytest.mark.parametrize("fee", [2**63, 2000, -1])
def test_an_impossible_fee_is_replaced_by_what_the_schedule_says(
    account: GatewayAccount, waiting: str, fee: int
) -> None:
    subject = {"reference": waiting, "state": "PAID", "sum": 1999, "coin": "USD", "taken": 1999, "fee": fee}
    body = json.dumps({"notice": "n", "kind": "txn.changed", "at": 1, "subject": subject}).encode()

    assert send(account.id, body, signed(body)).status_code == 200
    run_background()

    payment = Payment.objects.get()
    assert (payment.status, payment.fee_minor) == ("succeeded", account.expected_fee(payment.amount).minor)
    assert_books_are_whole()


def test_a_replayed_callback_is_acknowledged_and_pays_once(account: GatewayAccount, genuine: Genuine) -> None:
    signature, body = genuine
    assert send(account.id, body, signature).status_code == 200
    run_background()
    with nothing_changes():
        for _copy in range(3):
            assert send(account.id, body, signed(body)).status_code == 200
            run_background()
    assert Payment.objects.get().status == "succeeded"
    assert WebhookReceipt.objects.count() == 1
    assert_books_are_whole()


def test_a_callback_to_another_account_is_refused(account: GatewayAccount, genuine: Genuine, db: None) -> None:
    signature, body = genuine
    other = GatewayAccount.objects.create(
        name="Other", gateway="sandbox", base_url="inprocess://sandbox", credentials={"secret": "another"},
        methods=["card"],
    )  # fmt: skip
    with nothing_changes():
        assert_refused(send(other.id, body, signature), 400, "webhook_refused")


@pytest.mark.parametrize("account_id", ["gwa_00000000000000000000000000", "x", "💳", "a" * 2000])
def test_a_callback_to_no_account_is_not_found(genuine: Genuine, account_id: str) -> None:
    signature, body = genuine
    with nothing_changes():
        assert_refused(send(account_id, body, signature), 404, "not_found")


def test_a_callback_to_an_address_with_nul_is_refused(genuine: Genuine) -> None:
    signature, body = genuine
    with nothing_changes():
        response = send("%00", body, signature)
    assert response.status_code in (400, 404), response.content


def test_a_callback_that_is_too_large_is_refused_before_it_is_read(account: GatewayAccount, genuine: Genuine) -> None:
    body = genuine[1] + b" " * (256 * 1024)
    with nothing_changes():
        assert_refused(send(account.id, body, signed(body)), 413, "body_too_large")


def test_a_callback_with_a_card_number_is_refused(account: GatewayAccount) -> None:
    body = json.dumps({"notice": "n", "kind": "txn.changed", "at": 1, "subject": {"pan": "4111111111111111"}}).encode()
    with nothing_changes():
        assert_refused(send(account.id, body, signed(body)), 400, "card_data_not_allowed")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_posts_are_callbacks(account: GatewayAccount, method: str) -> None:
    response = Client().generic(method, f"/webhooks/{account.id}")
    assert_refused(response, 405, "method_not_allowed")


def test_a_disabled_accounts_callbacks_are_still_heard(account: GatewayAccount, genuine: Genuine) -> None:
    GatewayAccount.objects.update(is_enabled=False)
    signature, body = genuine
    assert send(account.id, body, signature).status_code == 200
    run_background()
    assert Payment.objects.get().status == "succeeded"
