"""A payer pays with Stripe: from the order to the books, through the simulator, its sheet and its callbacks."""

from collections.abc import Iterator
from typing import Any

import pytest

from payments.gateways.contract import GatewayOutcomeUnknown, HttpRequest, HttpResponse
from payments.orders.disputes.models import Dispute
from payments.orders.models import Order, Payment, Refund
from payments.routing import connections
from payments.routing.models import GatewayAccount
from riskcontrol.models import Case
from tests.actors import MerchantServer, assert_books_are_whole, post_callback, run_background, sync
from tests.payments.gateways.simulators.stripe import StripeSimulator

pytestmark = pytest.mark.django_db


@pytest.fixture
def stripe() -> StripeSimulator:
    return StripeSimulator()


@pytest.fixture
def stripe_account(db: None, stripe: StripeSimulator) -> Iterator[GatewayAccount]:
    connections.IN_PROCESS["stripe"] = stripe
    yield GatewayAccount.objects.create(
        name="Stripe",
        gateway="stripe",
        base_url="inprocess://stripe",
        credentials={"secret_key": stripe.secret_key, "webhook_secret": stripe.webhook_secret},
        settings={"publishable_key": "pk_test_simulated"},
        methods=["card", "apple_pay", "google_pay"],
        currencies=["USD"],
        fee_basis_points=100,
    )
    connections.IN_PROCESS.pop("stripe", None)


def pay(server: MerchantServer, *, method: str = "apple_pay", **order: Any) -> dict[str, Any]:
    made = server.create_order(**order)
    response = server.post("/payments", {"order": made["id"], "method": method})
    assert response.status_code in (200, 201, 202), response.content
    payment: dict[str, Any] = response.json()
    return payment


def deliver(account: GatewayAccount, stripe: StripeSimulator, *, times: int = 1) -> list[int]:
    callbacks = stripe.take_callbacks()
    statuses = [
        post_callback(f"/webhooks/{account.id}", headers, body) for headers, body in callbacks for _time in range(times)
    ]
    run_background()
    return statuses


def test_payer_pays_in_the_sheet_and_the_books_know_the_exact_fee(
    merchant_server: MerchantServer, stripe_account: GatewayAccount, stripe: StripeSimulator
) -> None:
    payment = pay(merchant_server)
    assert payment["status"] == "requires_action"
    assert payment["next_action"]["app_parameters"]["client_secret"] == stripe.intent(payment["id"])["client_secret"]
    stripe.pay_in_sheet(payment["id"], "pm_card_chargeDeclined")
    deliver(stripe_account, stripe)
    assert Payment.objects.get().status == "requires_action"
    stripe.pay_in_sheet(payment["id"])
    assert set(deliver(stripe_account, stripe, times=2)) == {200}
    row = Payment.objects.get()
    # 2.9 % and 0.30, as Stripe said, and not the 1 % of the account's fee schedule.
    assert (row.status, row.captured_minor, row.fee_minor) == ("succeeded", 1999, 88)
    assert Order.objects.get().status == "paid"
    assert_books_are_whole()


def test_lost_answer_is_asked_about_and_paid_once(
    merchant_server: MerchantServer, stripe_account: GatewayAccount, stripe: StripeSimulator
) -> None:
    def loses_the_first(request: HttpRequest) -> HttpResponse:
        response = stripe(request)
        connections.IN_PROCESS["stripe"] = stripe
        connections.forget_adapters()
        raise GatewayOutcomeUnknown(f"no answer, but HTTP {response.status} there")

    connections.IN_PROCESS["stripe"] = loses_the_first
    payment = pay(merchant_server)
    assert payment["status"] == "processing" or Payment.objects.get().status == "submitting"
    sync(payment["id"])
    stripe.pay_in_sheet(payment["id"])
    assert sync(payment["id"]) == "succeeded"
    assert len(stripe.book.all_of("payment_intent")) == 1
    assert_books_are_whole()


def test_refund_that_the_bank_sends_back_breaks_no_books(
    merchant_server: MerchantServer, stripe_account: GatewayAccount, stripe: StripeSimulator
) -> None:
    payment = pay(merchant_server)
    stripe.pay_in_sheet(payment["id"])
    deliver(stripe_account, stripe)
    asked = merchant_server.post("/refunds", {"payment": payment["id"], "amount_minor": 500, "reason": "spoilt"})
    assert asked.status_code in (200, 201, 202), asked.content
    run_background()
    deliver(stripe_account, stripe)
    assert Refund.objects.get().status == "succeeded"
    stripe.intents.fail_refund(stripe.book.all_of("refund")[0], "expired_or_canceled_card")

    assert set(deliver(stripe_account, stripe)) == {200}
    run_background()
    assert Case.objects.get(kind=Case.Kind.REFUND_MISMATCH).object_id == Refund.objects.get().id
    assert_books_are_whole()


def test_dispute_finds_its_payment_by_stripes_number(
    merchant_server: MerchantServer, stripe_account: GatewayAccount, stripe: StripeSimulator
) -> None:
    payment = pay(merchant_server)
    stripe.pay_in_sheet(payment["id"])
    deliver(stripe_account, stripe)
    charge = stripe.charge_of(payment["id"])
    stripe.desk.open_dispute(charge, amount=1999, reason="product_not_received", status="needs_response")
    assert set(deliver(stripe_account, stripe)) == {200}
    dispute = Dispute.objects.get()
    assert (dispute.payment_id, dispute.status, dispute.reason) == (payment["id"], "needs_response", "not_received")
    assert (dispute.amount_minor, dispute.fee_minor) == (1999, 1500)
    assert_books_are_whole()


def test_early_warning_of_fraud_is_kept_with_its_amount(
    merchant_server: MerchantServer, stripe_account: GatewayAccount, stripe: StripeSimulator
) -> None:
    payment = pay(merchant_server)
    stripe.pay_in_sheet(payment["id"])
    deliver(stripe_account, stripe)
    stripe.desk.warn_of_fraud(stripe.charge_of(payment["id"]))
    assert set(deliver(stripe_account, stripe)) == {200}
    dispute = Dispute.objects.get()
    assert (dispute.status, dispute.amount_minor, dispute.currency) == ("warning", 1999, "USD")
    assert_books_are_whole()


def test_stripe_that_charges_another_amount_credits_nobody_and_becomes_a_case(
    merchant_server: MerchantServer, stripe_account: GatewayAccount, stripe: StripeSimulator
) -> None:
    payment = pay(merchant_server)
    stripe.intent(payment["id"])["amount"] = 1
    stripe.pay_in_sheet(payment["id"])
    deliver(stripe_account, stripe)
    assert Payment.objects.get().captured_minor == 0
    assert Order.objects.get().status == "open"
    assert Case.objects.filter(kind=Case.Kind.PAYMENT_MISMATCH).count() == 1
    assert_books_are_whole()


def test_forged_and_future_callbacks_are_refused_and_change_nothing(
    merchant_server: MerchantServer, stripe_account: GatewayAccount, stripe: StripeSimulator
) -> None:
    payment = pay(merchant_server)
    stripe.pay_in_sheet(payment["id"])
    _headers, body = stripe.take_callbacks()[-1]
    future = {"Stripe-Signature": stripe.book.sign(body, at=stripe.book.now + 310)}
    forged = {"Stripe-Signature": stripe.book.sign(body, secret="whsec_of_a_stranger")}
    for headers in (future, forged, {}):
        assert post_callback(f"/webhooks/{stripe_account.id}", headers, body) == 400
    run_background()
    assert Payment.objects.get().status == "requires_action"
