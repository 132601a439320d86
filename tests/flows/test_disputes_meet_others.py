"""A dispute meets a refund, another dispute, surplus money and a wallet: the books stay whole."""

from typing import Any

import pytest

from paycore.clock import database_now
from payments.errors import NotSurplus
from payments.gateways.contract import DisputeNotice, DisputeStatus
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.ledger import chart
from payments.ledger.queries import balance_of
from payments.orders.disputes.models import Dispute
from payments.orders.disputes.recording import record_dispute_notice
from payments.orders.models import Evidence, Payment, Refund
from payments.orders.surplus import accept_surplus
from payments.routing.models import GatewayAccount
from payments.wallet.models import Wallet
from payments.webhooks.doors import bring_to_door
from riskcontrol.models import Case
from tests.actors import MerchantServer, assert_books_are_whole, deliver_callbacks, run_background
from tests.flows.conftest import ProviderClock

pytestmark = pytest.mark.django_db


def tell(account: GatewayAccount, payment_id: str, status: DisputeStatus, **changes: Any) -> Dispute:
    facts = {"amount_minor": 5_000, "currency": "USD", "fee_minor": 1_500, **changes}
    said = DisputeNotice(facts.pop("reference", "dp_1"), payment_id, status, **facts)
    return record_dispute_notice(account, said, source=Evidence.Source.WEBHOOK)


def pending(payment_id: str) -> int:
    merchant_id = Payment.objects.get(id=payment_id).order.merchant_id
    return balance_of(chart.merchant_pending(merchant_id), currency="USD").minor


@pytest.mark.parametrize("ends", [DisputeStatus.WON, DisputeStatus.LOST])
@pytest.mark.parametrize("scenario", ["refund_pending_then_success(60)", "refund_pending_then_decline(60)"])
def test_refund_under_way_when_the_dispute_opens(
    merchant_server: MerchantServer,
    account: GatewayAccount,
    provider_clock: ProviderClock,
    scenario: str,
    ends: DisputeStatus,
) -> None:
    order = merchant_server.create_order(amount_minor=5_000)
    payment = merchant_server.pay(order["id"], scenario=f"approve+{scenario}").json()
    before = pending(payment["id"])
    refund = merchant_server.post("/refunds", {"payment": payment["id"], "reason": "x", "amount_minor": 3_000}).json()
    tell(account, payment["id"], DisputeStatus.NEEDS_RESPONSE)
    run_background()
    assert Refund.objects.get().status == "submitting"
    provider_clock.advance(61)
    Refund.objects.update(next_attempt_at=database_now())
    run_background()
    tell(account, payment["id"], ends)
    run_background()
    given_back = 3_000 if Refund.objects.get(id=refund["id"]).status == "succeeded" else 0
    assert (given_back == 3_000) == ("success" in scenario)
    assert pending(payment["id"]) == before - given_back - (5_000 if ends == DisputeStatus.LOST else 0)
    assert Payment.objects.get().refundable.minor == (0 if ends == DisputeStatus.LOST else 5_000 - given_back)
    assert_books_are_whole()


def test_dispute_of_more_than_is_left_and_a_second_one(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    _order, payment = merchant_server.paid_order(amount_minor=5_000)
    merchant_server.post("/refunds", {"payment": payment["id"], "reason": "x", "amount_minor": 4_000})
    run_background()
    before = pending(payment["id"])
    tell(account, payment["id"], DisputeStatus.NEEDS_RESPONSE)
    tell(account, payment["id"], DisputeStatus.LOST, reference="dp_2", amount_minor=500)
    run_background()
    assert pending(payment["id"]) == before - 5_500
    assert Payment.objects.get().disputed_minor == 5_500
    assert_books_are_whole()
    tell(account, payment["id"], DisputeStatus.WON)
    run_background()
    assert Payment.objects.get().disputed_minor == 500
    assert_books_are_whole()


def test_dispute_in_another_currency_than_the_payments_is_a_case_and_books_nothing(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    _order, payment = merchant_server.paid_order(amount_minor=5_000)
    before = pending(payment["id"])
    said = DisputeNotice("dp_1", payment["id"], DisputeStatus.NEEDS_RESPONSE, 4_500, "EUR")
    bring_to_door(said, account=account, source=Evidence.Source.WEBHOOK)
    assert not Dispute.objects.exists()
    assert pending(payment["id"]) == before
    assert Case.objects.filter(kind="unknown_payment").exists()
    assert_books_are_whole()


def test_early_alert_without_an_amount_means_the_whole_payment(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    """Stripe's early fraud warnings name a charge and nothing else."""
    _order, payment = merchant_server.paid_order(amount_minor=5_000)
    for _ in range(2):
        dispute = tell(account, payment["id"], DisputeStatus.WARNING, amount_minor=0, currency="", fee_minor=0)
    assert (dispute.amount_minor, dispute.currency, dispute.withdrawn_minor) == (5_000, "USD", 0)
    assert not Case.objects.filter(kind="payment_mismatch").exists()


def test_a_decided_dispute_that_becomes_dearer_opens_no_case(
    merchant_server: MerchantServer, account: GatewayAccount
) -> None:
    _order, payment = merchant_server.paid_order(amount_minor=5_000)
    tell(account, payment["id"], DisputeStatus.NEEDS_RESPONSE)
    tell(account, payment["id"], DisputeStatus.LOST)
    tell(account, payment["id"], DisputeStatus.LOST, fee_minor=2_000)
    assert Dispute.objects.get().fee_minor == 2_000
    assert not Case.objects.filter(kind="dispute", status="open").exists()


@pytest.mark.parametrize("ends", [DisputeStatus.WON, DisputeStatus.LOST])
def test_dispute_of_surplus_money_takes_it_from_suspense(
    merchant_server: MerchantServer,
    account: GatewayAccount,
    sandbox: SandboxProvider,
    provider_clock: ProviderClock,
    settings: Any,
    ends: DisputeStatus,
) -> None:
    settings.PAYCORE_SURPLUS_POLICY = "hold"
    order = merchant_server.create_order(amount_minor=5_000)
    late = merchant_server.pay(order["id"], scenario="decline_then_succeed(60)").json()
    merchant_server.post(f"/orders/{order['id']}/cancel")
    deliver_callbacks(sandbox)
    provider_clock.advance(61)
    deliver_callbacks(sandbox)
    run_background()
    surplus = Payment.objects.get(id=late["id"])
    assert surplus.is_surplus, surplus.status
    assert balance_of(chart.SUSPENSE, currency="USD").minor == 5_000

    tell(account, surplus.id, DisputeStatus.NEEDS_RESPONSE)
    run_background()
    assert balance_of(chart.SUSPENSE, currency="USD").minor == 0
    assert_books_are_whole()
    with pytest.raises(NotSurplus):
        accept_surplus(surplus.id, decided_by="usr_1")
    tell(account, surplus.id, ends)
    run_background()
    assert balance_of(chart.SUSPENSE, currency="USD").minor == (5_000 if ends == DisputeStatus.WON else 0)
    assert_books_are_whole()


def test_dispute_of_a_top_up_freezes_the_wallet(
    app_user: Any, platform: Any, account: GatewayAccount, sandbox: SandboxProvider
) -> None:
    from_api = app_user.post("/wallet/top-ups", {"currency": "USD", "amount_minor": 5_000})
    assert from_api.status_code == 201, from_api.content
    order_id = from_api.json()["order"]
    paid = app_user.post("/payments", {"order": order_id, "method": "card", "options": {"token": "tok_approve"}})
    assert paid.json()["status"] == "succeeded", paid.content
    run_background()
    sandbox.disputes.open(paid.json()["id"], {"why": "fraudulent"})
    deliver_callbacks(sandbox)
    run_background()
    assert Wallet.objects.get().is_frozen
    assert Case.objects.filter(kind="wallet_disputed", status="open").exists()
    assert_books_are_whole()
    sandbox.disputes.move(Dispute.objects.get().gateway_reference, to="payer")
    deliver_callbacks(sandbox)
    run_background()
    assert Dispute.objects.get().status == "lost"
    assert_books_are_whole()
