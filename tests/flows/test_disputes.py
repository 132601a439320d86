"""The payer's bank takes money back: the books follow what the gateway says, once, in any order."""

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from paycore.errors import NotFound
from paycore.models import OutboxMessage
from payments.gateways.contract import DisputeNotice, DisputeStatus
from payments.ledger import chart
from payments.ledger.queries import balance_of
from payments.orders.disputes.models import Dispute
from payments.orders.disputes.recording import record_dispute_notice
from payments.orders.models import Evidence, Payment, Refund
from payments.routing.models import GatewayAccount
from riskcontrol.models import Case, Outcome
from tests.actors import MerchantServer, assert_books_are_whole, run_background
from tests.api.row_counts import nothing_changes

pytestmark = pytest.mark.django_db
DUE = datetime(2026, 12, 1, tzinfo=UTC)


def notice(payment: Any, status: DisputeStatus, **changes: Any) -> DisputeNotice:
    facts = {"amount_minor": 5_000, "currency": "USD", "reason": "fraudulent", "evidence_due_at": DUE}
    return DisputeNotice("dp_1", payment["id"], status, **{**facts, **changes})


def tell(account: GatewayAccount, said: DisputeNotice) -> Dispute:
    return record_dispute_notice(account, said, source=Evidence.Source.WEBHOOK)


@pytest.fixture
def paid(merchant_server: MerchantServer, account: GatewayAccount) -> Any:
    _order, payment = merchant_server.paid_order(amount_minor=5_000)
    return payment


def owed(account: GatewayAccount) -> tuple[int, int]:
    """What we owe the merchant, and what the provider owes us."""
    merchant_id = Payment.objects.get().order.merchant_id
    pending = balance_of(chart.merchant_pending(merchant_id), currency="USD").minor
    return pending, balance_of(chart.gateway(account.id), currency="USD").minor


def test_a_dispute_takes_the_money_and_winning_brings_it_back(paid: Any, account: GatewayAccount) -> None:
    pending, at_gateway = owed(account)

    dispute = tell(account, notice(paid, DisputeStatus.NEEDS_RESPONSE, fee_minor=1_500))
    assert owed(account) == (pending - 5_000, at_gateway - 5_000 - 1_500)
    assert Case.objects.get(kind="dispute").object_id == dispute.id
    assert Payment.objects.get().refundable.minor == 0

    tell(account, notice(paid, DisputeStatus.UNDER_REVIEW, fee_minor=1_500))
    dispute = tell(account, notice(paid, DisputeStatus.WON))
    assert owed(account) == (pending, at_gateway - 1_500)
    assert (dispute.status, dispute.withdrawn_minor, dispute.next_attempt_at) == ("won", 0, None)
    assert Case.objects.get(kind="dispute").status == "resolved"
    run_background()
    assert_books_are_whole()


def test_a_lost_dispute_is_booked_once_however_often_it_is_told(paid: Any, account: GatewayAccount) -> None:
    pending, at_gateway = owed(account)
    for status in (DisputeStatus.NEEDS_RESPONSE, DisputeStatus.NEEDS_RESPONSE, DisputeStatus.LOST, DisputeStatus.LOST):
        tell(account, notice(paid, status, fee_minor=1_500))
    assert owed(account) == (pending - 5_000, at_gateway - 6_500)
    assert Evidence.objects.filter(object_id=Dispute.objects.get().id).count() == 4
    run_background()
    assert_books_are_whole()


@pytest.mark.parametrize("seed", range(12))
def test_notices_in_any_order_end_in_the_same_books(paid: Any, account: GatewayAccount, seed: int) -> None:
    pending, at_gateway = owed(account)
    said = [
        notice(paid, status, fee_minor=1_500)
        for status in (
            DisputeStatus.WARNING,
            DisputeStatus.NEEDS_RESPONSE,
            DisputeStatus.UNDER_REVIEW,
            DisputeStatus.LOST,
        )
    ] * 2
    random.Random(seed).shuffle(said)
    for each in said:
        tell(account, each)
    assert Dispute.objects.get().status == "lost"
    assert owed(account) == (pending - 5_000, at_gateway - 6_500)
    run_background()
    assert_books_are_whole()


def test_a_decided_dispute_may_be_opened_once_more(paid: Any, account: GatewayAccount) -> None:
    pending, at_gateway = owed(account)
    states = (DisputeStatus.NEEDS_RESPONSE, DisputeStatus.WON, DisputeStatus.NEEDS_RESPONSE, DisputeStatus.LOST)
    for hour, status in enumerate(states):
        tell(account, notice(paid, status, occurred_at=DUE + timedelta(hours=hour)))
    assert owed(account) == (pending - 5_000, at_gateway - 5_000)
    assert Dispute.objects.get().rounds == 2
    run_background()
    assert_books_are_whole()


def test_an_early_alert_takes_nothing_and_is_refunded_by_policy(
    paid: Any, account: GatewayAccount, settings: Any
) -> None:
    settings.PAYCORE_EARLY_ALERT_REFUND = {"USD": 5_000}
    tell(account, notice(paid, DisputeStatus.WARNING))
    assert Dispute.objects.get().withdrawn_minor == 0
    assert (Refund.objects.get().amount_minor, Refund.objects.get().reviewed_by) == (5_000, "system")
    run_background()
    assert Refund.objects.get().status == "succeeded"
    assert_books_are_whole()


def test_an_early_alert_above_the_limit_waits_for_a_person(paid: Any, account: GatewayAccount, settings: Any) -> None:
    settings.PAYCORE_EARLY_ALERT_REFUND = {"USD": 4_999}
    tell(account, notice(paid, DisputeStatus.WARNING))
    assert not Refund.objects.exists()
    assert Case.objects.filter(kind="dispute", status="open").exists()


def test_an_early_alert_about_a_part_refunds_that_part_only(paid: Any, account: GatewayAccount, settings: Any) -> None:
    settings.PAYCORE_EARLY_ALERT_REFUND = {"USD": 1_000}
    tell(account, notice(paid, DisputeStatus.WARNING, amount_minor=700))
    assert Refund.objects.get().amount_minor == 700
    run_background()
    assert Payment.objects.get().refunded_minor == 700
    assert_books_are_whole()


def test_an_early_alert_about_more_than_is_left_refunds_what_is_left(
    paid: Any, account: GatewayAccount, merchant_server: MerchantServer, settings: Any
) -> None:
    settings.PAYCORE_EARLY_ALERT_REFUND = {"USD": 5_000}
    merchant_server.post("/refunds", {"payment": paid["id"], "reason": "x", "amount_minor": 4_600})
    run_background()
    tell(account, notice(paid, DisputeStatus.WARNING))
    assert sorted(Refund.objects.values_list("amount_minor", flat=True)) == [400, 4_600]
    run_background()
    assert_books_are_whole()


def test_what_is_disputed_cannot_be_refunded_as_well(
    paid: Any, account: GatewayAccount, merchant_server: MerchantServer
) -> None:
    tell(account, notice(paid, DisputeStatus.NEEDS_RESPONSE, amount_minor=4_000))
    with nothing_changes():
        refused = merchant_server.post("/refunds", {"payment": paid["id"], "reason": "x", "amount_minor": 1_001})
    assert refused.json()["code"] == "refund_exceeds_payment"
    assert merchant_server.post("/refunds", {"payment": paid["id"], "reason": "x"}).json()["amount_minor"] == 1_000


def test_another_amount_than_before_is_a_case_and_moves_nothing(paid: Any, account: GatewayAccount) -> None:
    tell(account, notice(paid, DisputeStatus.NEEDS_RESPONSE))
    before = owed(account)
    tell(account, notice(paid, DisputeStatus.LOST, amount_minor=4_000))
    assert owed(account) == before
    assert Dispute.objects.get().status == "needs_response"
    assert Case.objects.filter(kind="payment_mismatch").exists()


@pytest.mark.parametrize("changes", [{"payment_reference": "pay_other"}, {"currency": "XXX"}, {"amount_minor": 0}])
def test_a_dispute_about_nothing_of_ours_leaves_nothing(
    paid: Any, account: GatewayAccount, changes: dict[str, Any]
) -> None:
    facts = {"payment_reference": paid["id"], "amount_minor": 5_000, "currency": "USD", **changes}
    said = DisputeNotice(gateway_reference="dp_1", status=DisputeStatus.NEEDS_RESPONSE, **facts)
    with nothing_changes(), pytest.raises(NotFound):
        tell(account, said)


def test_the_provider_may_name_its_own_number_only(paid: Any, account: GatewayAccount) -> None:
    theirs = Payment.objects.get().gateway_reference
    said = DisputeNotice("dp_1", "", DisputeStatus.LOST, 5_000, "USD", payment_gateway_reference=theirs)
    assert tell(account, said).payment_id == paid["id"]


def test_risk_hears_of_a_dispute_once(paid: Any, account: GatewayAccount) -> None:
    for status in (DisputeStatus.WARNING, DisputeStatus.NEEDS_RESPONSE, DisputeStatus.LOST):
        tell(account, notice(paid, status))
        run_background()
    assert Outcome.objects.filter(kind=Outcome.Kind.DISPUTED).count() == 1
    assert not OutboxMessage.objects.exclude(status="done").exists()


def test_every_pair_of_states_is_safe(paid: Any, account: GatewayAccount) -> None:
    for first, second in itertools.permutations(DisputeStatus, 2):
        reference = f"dp_{first}_{second}"
        for status in (first, second):
            said = DisputeNotice(reference, paid["id"], status, 10, "USD", evidence_due_at=DUE)
            tell(account, said)
    run_background()
    assert_books_are_whole()
