"""Money goes back: asked by the merchant, reviewed above a limit, sent, resolved."""

from typing import Any

import pytest

from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.transport import SandboxTransport
from payments.ledger.queries import balance_of
from payments.orders.models import Payment, Refund
from payments.orders.refunds import approve_refund, reject_refund, send_refund
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, assert_books_are_whole, deliver_callbacks, run_background
from tests.api.row_counts import nothing_changes
from tests.flows.conftest import ProviderClock
from tests.flows.time_travel import make_refund_due

pytestmark = pytest.mark.django_db


def ask_refund(merchant: MerchantServer, payment: Any, amount_minor: int | None = None) -> Any:
    amount = {} if amount_minor is None else {"amount_minor": amount_minor}
    response = merchant.post("/refunds", {"payment": payment["id"], "reason": "Returned", **amount})
    assert response.status_code == 201, response.content
    return response.json()


def paid_with(merchant: MerchantServer, scenario: str, *, amount_minor: int = 5_000) -> Any:
    order = merchant.create_order(amount_minor=amount_minor)
    return merchant.pay(order["id"], scenario=scenario).json()


def test_a_refund_below_the_limit_is_sent_without_review(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order, payment = merchant_server.paid_order(amount_minor=10_000)

    refund = ask_refund(merchant_server, payment)
    assert refund["status"] == "approved"
    run_background()

    assert merchant_server.get(f"/refunds/{refund['id']}").json()["status"] == "succeeded"
    assert merchant_server.get(f"/payments/{payment['id']}").json()["refunded_minor"] == 10_000
    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "closed"
    # The fees of the sale stay with those who charged them.
    assert balance_of(f"gateway:{account.id}", currency="USD").minor == -320
    assert balance_of(f"merchant:{merchant_server.merchant.id}:pending", currency="USD").minor == -60
    assert_books_are_whole()


def test_a_refund_above_the_limit_waits_for_a_person_who_says_yes(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    _order, payment = merchant_server.paid_order(amount_minor=20_000)

    refund = ask_refund(merchant_server, payment, 10_001)
    run_background()
    assert merchant_server.get(f"/refunds/{refund['id']}").json()["status"] == "requested"
    assert Payment.objects.get(id=payment["id"]).refund_pending_minor == 10_001

    approve_refund(refund["id"], reviewed_by="usr_reviewer", note="seen the parcel")
    run_background()

    assert merchant_server.get(f"/refunds/{refund['id']}").json()["status"] == "succeeded"
    assert Payment.objects.get(id=payment["id"]).refund_pending_minor == 0
    assert_books_are_whole()


def test_a_refund_that_a_person_rejects_frees_what_was_reserved(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    order, payment = merchant_server.paid_order(amount_minor=20_000)
    refund = ask_refund(merchant_server, payment)

    reject_refund(refund["id"], reviewed_by="usr_reviewer", note="used for a year")
    run_background()

    shown = merchant_server.get(f"/refunds/{refund['id']}").json()
    assert (shown["status"], shown["review_note"]) == ("rejected", "used for a year")
    kept = Payment.objects.get(id=payment["id"])
    assert (kept.refunded_minor, kept.refund_pending_minor) == (0, 0)
    assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "paid"
    assert sandbox.book.rows("SELECT count(*) FROM give_back")[0][0] == 0
    assert_books_are_whole()


def test_a_refund_in_another_currency_than_the_merchants_is_always_reviewed(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    _order, payment = merchant_server.paid_order(amount_minor=100, currency="JPY")

    assert ask_refund(merchant_server, payment)["status"] == "requested"


def test_an_order_may_be_refunded_in_parts_until_nothing_is_left(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    order, payment = merchant_server.paid_order(amount_minor=9_000)

    for _part in range(2):
        ask_refund(merchant_server, payment, 3_000)
        run_background()
        assert merchant_server.get(f"/orders/{order['id']}").json()["status"] == "paid"
    ask_refund(merchant_server, payment)
    run_background()

    shown = merchant_server.get(f"/orders/{order['id']}").json()
    assert (shown["status"], shown["refunded_minor"]) == ("closed", 9_000)
    with nothing_changes():
        refused = merchant_server.post("/refunds", {"payment": payment["id"], "reason": "again", "amount_minor": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "refund_exceeds_payment")
    assert_books_are_whole()


def test_refunds_that_wait_count_against_what_is_left(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    _order, payment = merchant_server.paid_order(amount_minor=20_000)
    ask_refund(merchant_server, payment, 15_000)

    with nothing_changes():
        refused = merchant_server.post("/refunds", {"payment": payment["id"], "reason": "x", "amount_minor": 5_001})

    assert refused.status_code == 409
    assert refused.json()["refundable_minor"] == 5_000
    assert ask_refund(merchant_server, payment)["amount_minor"] == 5_000


def test_a_payment_that_took_nothing_cannot_be_refunded(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    payment = paid_with(merchant_server, "decline")

    with nothing_changes():
        refused = merchant_server.post("/refunds", {"payment": payment["id"], "reason": "x"})

    assert (refused.status_code, refused.json()["code"]) == (409, "payment_not_refundable")


@pytest.mark.parametrize("scenario", ["refund_decline", "refund_reject"])
def test_a_refund_that_the_gateway_refuses_fails_and_may_be_asked_again(
    merchant_server: MerchantServer, account: GatewayAccount, scenario: str
) -> None:
    payment = paid_with(merchant_server, f"approve+{scenario}")
    refund = ask_refund(merchant_server, payment)
    run_background()

    shown = merchant_server.get(f"/refunds/{refund['id']}").json()
    assert shown["status"] == "failed"
    assert shown["failure_code"]
    assert Payment.objects.get(id=payment["id"]).refund_pending_minor == 0
    assert ask_refund(merchant_server, payment)["amount_minor"] == 5_000
    assert_books_are_whole()


@pytest.mark.parametrize(
    "fault",
    [
        "refund_timeout_before_effect",
        "refund_timeout_after_effect",
        "refund_error_5xx_after_effect",
        "refund_torn_answer",
    ],
)
def test_a_refund_of_unknown_outcome_is_resolved_by_asking_and_money_goes_back_once(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider, fault: str
) -> None:
    payment = paid_with(merchant_server, f"approve+{fault}")
    refund = ask_refund(merchant_server, payment)
    run_background()
    assert Refund.objects.get(id=refund["id"]).status == "submitting"

    make_refund_due(refund["id"])
    run_background()

    assert Refund.objects.get(id=refund["id"]).status == "succeeded"
    assert sandbox.book.rows("SELECT given_back FROM txn")[0][0] == 5_000
    assert sandbox.book.rows("SELECT count(*) FROM give_back")[0][0] == 1
    assert_books_are_whole()


def test_a_refused_question_says_nothing_about_the_refund(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    """The money went back there; that nobody may ask does not make the refund a failure."""
    payment = paid_with(merchant_server, "approve+refund_timeout_after_effect+fetch_refund_reject")
    refund = ask_refund(merchant_server, payment)
    run_background()
    make_refund_due(refund["id"])
    run_background()

    assert Refund.objects.get(id=refund["id"]).status == "submitting"
    assert set(deliver_callbacks(sandbox)) == {200}
    run_background()
    assert Refund.objects.get(id=refund["id"]).status == "succeeded"
    assert_books_are_whole()


def test_a_repeated_send_that_is_refused_says_nothing_about_the_first(
    merchant_server: MerchantServer,
    account: GatewayAccount,
    sandbox: SandboxProvider,
    sandbox_transport: SandboxTransport,
) -> None:
    payment = paid_with(merchant_server, "approve+refund_timeout_after_effect+fetch_refund_timeout_before_effect(9)")
    refund = ask_refund(merchant_server, payment)
    run_background()
    sandbox_transport.is_reachable = False
    for _attempt in range(3):
        send_refund(refund["id"])

    assert Refund.objects.get(id=refund["id"]).status == "submitting"
    assert Payment.objects.get(id=payment["id"]).refund_pending_minor == 5_000


def test_a_refund_that_takes_its_time_is_finished_by_the_callback(
    merchant_server: MerchantServer,
    account: GatewayAccount,
    sandbox: SandboxProvider,
    provider_clock: ProviderClock,
) -> None:
    payment = paid_with(merchant_server, "approve+refund_pending_then_success(60)+duplicate_callbacks(3)")
    refund = ask_refund(merchant_server, payment)
    run_background()
    assert merchant_server.get(f"/refunds/{refund['id']}").json()["status"] == "submitting"

    provider_clock.advance(61)
    assert set(deliver_callbacks(sandbox)) == {200}
    run_background()

    assert merchant_server.get(f"/refunds/{refund['id']}").json()["status"] == "succeeded"
    assert balance_of(f"gateway:{account.id}", currency="USD").minor == -Payment.objects.get().fee_minor
    assert_books_are_whole()


def test_repeating_the_same_refund_request_gives_the_money_back_once(
    merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    _order, payment = merchant_server.paid_order(amount_minor=9_000)
    body = {"payment": payment["id"], "reason": "once", "amount_minor": 3_000}

    first = merchant_server.post("/refunds", body, key="refund-1")
    run_background()
    again = merchant_server.post("/refunds", body, key="refund-1")
    run_background()

    assert again.content == first.content
    assert sandbox.book.rows("SELECT given_back FROM txn")[0][0] == 3_000
