"""What a gateway says that does not fit: a case for a person, never a success."""

import json
import time
from typing import Any

import pytest

from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.signature import HEADER, sign
from payments.ledger.models import Posting
from payments.orders.models import Evidence, Payment
from payments.routing.models import GatewayAccount
from payments.webhooks.models import WebhookReceipt
from riskcontrol.models import Case
from tests.actors import (
    MerchantServer,
    assert_books_are_whole,
    deliver_callbacks,
    post_callback,
    run_background,
    sync,
)
from tests.conftest import SANDBOX_SECRET

pytestmark = pytest.mark.django_db


def signed_callback(
    account: GatewayAccount, subject: dict[str, Any], *, kind: str = "txn.changed", **notice: Any
) -> int:
    """A genuine callback that says whatever the test wants; the status of the answer."""
    body = json.dumps({"notice": "ntc_1", "kind": kind, "at": 1_000, "subject": subject, **notice}).encode()
    headers = {HEADER: sign(body, secrets=[SANDBOX_SECRET], timestamp=int(time.time()))}
    return post_callback(f"http://testserver/webhooks/{account.id}", headers, body)


@pytest.mark.parametrize(
    ("scenario", "field"), [("wrong_amount_callback", "amount_minor"), ("wrong_currency_callback", "currency")]
)
def test_a_callback_with_another_amount_or_currency_credits_nothing_and_opens_a_case(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider, scenario: str, field: str
) -> None:
    order = merchant_server.create_order()
    script = f"require_action+{scenario}"
    payment = merchant_server.pay(order["id"], method="sandbox_redirect", scenario=script).json()
    sandbox.approve(payment["id"])

    assert set(deliver_callbacks(sandbox)) == {200}
    run_background()

    assert Payment.objects.get(id=payment["id"]).status == "requires_action"
    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "open"
    assert Posting.objects.count() == 0
    case = Case.objects.get(kind="payment_mismatch", object_id=payment["id"])
    assert case.status == "open"
    assert field in case.facts
    assert case.merchant_id == merchant_server.merchant.id
    noted = Evidence.objects.filter(object_id=payment["id"], source="webhook").get()
    assert (noted.is_applied, noted.note) == (False, "mismatch")
    assert_books_are_whole()


def test_the_truth_still_pays_the_order_after_a_wrong_callback(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    order = merchant_server.create_order()
    script = "require_action+wrong_amount_callback"
    payment = merchant_server.pay(order["id"], method="sandbox_redirect", scenario=script).json()
    sandbox.approve(payment["id"])
    deliver_callbacks(sandbox)
    run_background()

    assert sync(payment["id"]) == "succeeded"
    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "paid"
    assert_books_are_whole()


def test_a_wrong_callback_after_success_changes_no_book_and_is_seen(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    order = merchant_server.create_order()
    merchant_server.pay(order["id"], scenario="approve+wrong_amount_callback")
    deliver_callbacks(sandbox)
    run_background()

    assert Posting.objects.count() == 1
    assert Case.objects.filter(kind="payment_mismatch", status="open").count() == 1
    assert_books_are_whole()


def test_a_callback_about_a_number_we_never_chose_becomes_a_case(account: GatewayAccount) -> None:
    subject = {"reference": "pay_never_ours", "state": "PAID", "sum": 500, "coin": "USD", "taken": 500, "fee": 0}

    assert signed_callback(account, subject) == 200
    run_background()

    assert Case.objects.get().kind == "unknown_payment"
    assert Posting.objects.count() == Payment.objects.count() == 0


def test_one_accounts_callback_cannot_speak_of_anothers_payment(
    merchant_server: MerchantServer, account: GatewayAccount, second_account: GatewayAccount
) -> None:
    order = merchant_server.create_order(amount_minor=500)
    payment = merchant_server.pay(order["id"], method="sandbox_redirect", scenario="require_action").json()
    subject = {"reference": payment["id"], "state": "PAID", "sum": 500, "coin": "USD", "taken": 500, "fee": 0}

    assert signed_callback(second_account, subject) == 200
    run_background()

    assert Payment.objects.get(id=payment["id"]).status == "requires_action"
    assert Posting.objects.count() == 0
    assert Case.objects.get().kind == "unknown_payment"


def test_a_refund_reported_with_another_amount_is_a_case_and_not_a_refund(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order = merchant_server.create_order(amount_minor=5_000)
    payment = merchant_server.pay(order["id"], scenario="approve+refund_pending_then_success(900)").json()
    body = {"payment": payment["id"], "reason": "x", "amount_minor": 1_000}
    refund = merchant_server.post("/refunds", body).json()
    run_background()
    subject = {"reference": refund["id"], "of": payment["id"], "state": "GIVEN", "sum": 2_000, "coin": "USD"}

    assert signed_callback(account, subject, kind="give_back.changed") == 200
    run_background()

    assert merchant_server.get(f"/refunds/{refund['id']}").json()["status"] == "submitting"
    assert Case.objects.get().kind == "refund_mismatch"
    assert_books_are_whole()


def test_news_that_is_not_about_money_is_acknowledged_and_kept(account: GatewayAccount) -> None:
    assert signed_callback(account, {"reference": "x"}, kind="shop.opened") == 200
    run_background()

    assert WebhookReceipt.objects.get().processed_at is not None
    assert Case.objects.count() == 0
