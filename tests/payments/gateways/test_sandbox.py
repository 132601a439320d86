import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payments.gateways.abilities import CaptureCapable, CloseCapable, StatementSource
from payments.gateways.contract import (
    ActionKind,
    Gateway,
    GatewayConfiguration,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    HttpRequest,
    Outcome,
    PaymentResult,
)
from payments.gateways.registry import GATEWAYS, UnknownGateway, build_gateway
from payments.gateways.sandbox.adapter import SandboxGateway
from payments.gateways.sandbox.provider.payments import fee_on
from payments.gateways.sandbox.provider.scripts import ScriptRefused
from tests.payments.gateways.contract_harness import GatewayHarness, a_payment, a_refund, paid
from tests.payments.gateways.contract_tests import GatewayContractTests
from tests.payments.gateways.sandbox_harness import BASE_URL, SECRET, SandboxHarness, noticed, scripted


class TestSandboxKeepsTheContract(GatewayContractTests):
    @pytest.fixture
    def harness(self) -> GatewayHarness:
        return SandboxHarness()


@pytest.fixture
def harness() -> SandboxHarness:
    return SandboxHarness()


def test_sandbox_is_in_the_registry_with_all_its_abilities(harness: SandboxHarness) -> None:
    gateway = build_gateway("sandbox", harness.gateway.configuration)
    assert isinstance(gateway, GATEWAYS["sandbox"])
    assert isinstance(gateway, CaptureCapable)
    assert isinstance(gateway, CloseCapable)
    assert isinstance(gateway, StatementSource)
    with pytest.raises(UnknownGateway):
        build_gateway("seashells", harness.gateway.configuration)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("decline", "card_declined"),
        ("decline(insufficient_funds)", "insufficient_funds"),
        ({"scenario": "decline", "code": "expired_card"}, "expired_card"),
        ("decline(never_heard_of)", "declined"),
    ],
)
def test_decline_code_is_translated_and_an_unlisted_one_is_plain_declined(
    harness: SandboxHarness, script: str | dict[str, Any], code: str
) -> None:
    result = scripted(harness, script)
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, code)


@pytest.mark.parametrize(
    ("token", "outcome", "code"),
    [
        ("tok_approve", Outcome.SUCCEEDED, ""),
        ("tok_decline", Outcome.FAILED, "card_declined"),
        ("tok_decline_insufficient_funds", Outcome.FAILED, "insufficient_funds"),
        ("tok_require_action", Outcome.REQUIRES_ACTION, ""),
    ],
)
def test_test_token_decides_the_outcome(harness: SandboxHarness, token: str, outcome: Outcome, code: str) -> None:
    result = harness.gateway.create_payment(a_payment(harness, options={"token": token}))
    assert (result.outcome, result.failure_code) == (outcome, code)


@pytest.mark.parametrize(
    "options",
    [
        {"sandbox": "no_such_scenario"},
        {"sandbox": {"scenario": "approve", "surprise": 1}},
        {"sandbox": "succeed_after(nan)"},
        {"sandbox": "succeed_after(-1)"},
        {"sandbox": "duplicate_callbacks(1000000)"},
        {"sandbox": ["approve"]},
        {"sandbox": {"scenario": 7}},
        {"token": "4242424242424242"},
        {"token": 7},
    ],
)
def test_script_that_makes_no_sense_is_rejected_without_effect(
    harness: SandboxHarness, options: dict[str, Any]
) -> None:
    with pytest.raises(GatewayRejected) as refused:
        harness.gateway.create_payment(a_payment(harness, options=options))
    assert refused.value.code == "bad_script"
    assert harness.payments_made() == 0


def test_succeed_after_is_pending_until_then(harness: SandboxHarness) -> None:
    assert scripted(harness, "succeed_after(30)").outcome is Outcome.PENDING
    harness.clock.advance(29)
    assert harness.gateway.fetch_payment("pay_1").outcome is Outcome.PENDING
    assert harness.callbacks() == []
    harness.clock.advance(1)
    assert noticed(harness) == [(Outcome.SUCCEEDED, 1234, "USD")]
    assert harness.gateway.fetch_payment("pay_1").outcome is Outcome.SUCCEEDED


def test_decline_after_is_pending_until_then(harness: SandboxHarness) -> None:
    assert scripted(harness, "decline_after(30)").outcome is Outcome.PENDING
    harness.clock.advance(30)
    assert harness.gateway.fetch_payment("pay_1").outcome is Outcome.FAILED


def test_decline_then_succeed_plays_a_late_success(harness: SandboxHarness) -> None:
    assert scripted(harness, "decline_then_succeed(60)").outcome is Outcome.FAILED
    harness.clock.advance(60)
    assert [outcome for outcome, _, _ in noticed(harness)] == [Outcome.FAILED, Outcome.SUCCEEDED]


def test_closing_a_declined_payment_ends_its_late_success(harness: SandboxHarness) -> None:
    scripted(harness, "decline_then_succeed(60)")
    assert harness.gateway.close_payment("pay_1").outcome is Outcome.FAILED
    harness.clock.advance(3600)
    harness.provider.tick()
    assert harness.gateway.fetch_payment("pay_1").outcome is Outcome.FAILED


def test_card_asked_for_action_redirects_and_qr_shows_a_code(harness: SandboxHarness) -> None:
    card = scripted(harness, "require_action")
    square = harness.gateway.create_payment(a_payment(harness, reference="pay_2", method="sandbox_qr"))
    assert card.action is not None
    assert square.action is not None
    assert (card.action.kind, square.action.kind) == (ActionKind.REDIRECT, ActionKind.QR_CODE)
    assert card.action.url.startswith(f"{BASE_URL}/approve/")
    assert square.action.qr_text.startswith(f"{BASE_URL}/approve/")


def test_payer_who_declines_fails_the_payment_and_cannot_change_it(harness: SandboxHarness) -> None:
    scripted(harness, "require_action")
    harness.provider.decline("pay_1")
    result = harness.gateway.fetch_payment("pay_1")
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, "payer_declined")
    assert harness.provider.approve("pay_1") == "DECLINED"


def test_unpaid_payment_lapses_and_can_no_longer_be_approved(harness: SandboxHarness) -> None:
    expires_at = datetime.fromtimestamp(harness.clock.now + 600, UTC)
    result = scripted(harness, "require_action", expires_at=expires_at)
    assert result.action is not None
    assert result.action.expires_at == expires_at
    harness.clock.advance(600)
    assert harness.provider.approve("pay_1") == "SHUT"
    assert harness.gateway.fetch_payment("pay_1").outcome is Outcome.CANCELED


def test_explicit_try_elsewhere_is_unavailable_every_time_and_leaves_nothing(harness: SandboxHarness) -> None:
    for _ in range(3):
        with pytest.raises(GatewayUnavailable):
            scripted(harness, "unavailable")
    assert harness.gateway.fetch_payment("pay_1").outcome is Outcome.NOT_FOUND
    assert harness.payments_made() == 0


def test_reject_is_a_rejection_and_leaves_nothing(harness: SandboxHarness) -> None:
    with pytest.raises(GatewayRejected):
        scripted(harness, "reject")
    assert harness.payments_made() == 0


def test_not_found_for_hides_a_payment_that_was_made(harness: SandboxHarness) -> None:
    with pytest.raises(GatewayOutcomeUnknown):
        scripted(harness, "timeout_after_effect+not_found_for(20)")
    assert harness.gateway.fetch_payment("pay_1").outcome is Outcome.NOT_FOUND
    assert harness.gateway.close_payment("pay_1").outcome is Outcome.SUCCEEDED
    harness.clock.advance(20)
    assert harness.gateway.fetch_payment("pay_1").outcome is Outcome.SUCCEEDED


def test_fault_plays_as_often_as_it_is_told(harness: SandboxHarness) -> None:
    scripted(harness, "fetch_error_5xx_before_effect(2)")
    for _ in range(2):
        with pytest.raises(GatewayOutcomeUnknown):
            harness.gateway.fetch_payment("pay_1")
    assert harness.gateway.fetch_payment("pay_1").outcome is Outcome.SUCCEEDED


def test_lost_answer_to_a_capture_is_unknown_though_it_happened(harness: SandboxHarness) -> None:
    scripted(harness, "capture_timeout_after_effect", capture=False)
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.capture_payment("pay_1", capture_reference="cap_1", amount_minor=1234, currency="USD")
    assert harness.gateway.fetch_payment("pay_1").captured_minor == 1234


def test_lost_answer_to_a_void_is_unknown_though_it_happened(harness: SandboxHarness) -> None:
    scripted(harness, "void_timeout_after_effect", capture=False)
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.void_payment("pay_1")
    assert harness.gateway.fetch_payment("pay_1").outcome is Outcome.CANCELED


def test_default_script_holds_until_ended_and_yields_to_what_a_payment_asks(harness: SandboxHarness) -> None:
    harness.provider.set_default_script("decline")
    assert harness.gateway.create_payment(a_payment(harness)).outcome is Outcome.FAILED
    assert scripted(harness, "approve", reference="pay_2").outcome is Outcome.SUCCEEDED
    harness.provider.set_default_script("")
    assert harness.gateway.create_payment(a_payment(harness, reference="pay_3")).outcome is Outcome.SUCCEEDED


def test_bad_default_script_is_refused_and_the_old_one_stays(harness: SandboxHarness) -> None:
    harness.provider.set_default_script("decline")
    with pytest.raises(ScriptRefused):
        harness.provider.set_default_script("no_such_scenario")
    assert harness.gateway.create_payment(a_payment(harness)).outcome is Outcome.FAILED


def test_declined_refund_frees_what_it_reserved(harness: SandboxHarness) -> None:
    payment = scripted(harness, "refund_decline")
    declined = harness.gateway.create_refund(a_refund(harness, payment, amount_minor=1234))
    assert (declined.outcome, declined.failure_code) == (Outcome.FAILED, "account_closed")
    harness.provider.script("ref_2", "approve")
    again = replace(a_refund(harness, payment, amount_minor=1234), reference="ref_2")
    assert harness.gateway.create_refund(again).outcome is Outcome.SUCCEEDED


def test_pending_refund_reserves_and_then_succeeds(harness: SandboxHarness) -> None:
    payment = scripted(harness, "refund_pending_then_success(60)")
    assert harness.gateway.create_refund(a_refund(harness, payment, amount_minor=1234)).outcome is Outcome.PENDING
    with pytest.raises(GatewayRejected):
        harness.gateway.create_refund(replace(a_refund(harness, payment, amount_minor=1), reference="ref_2"))
    harness.clock.advance(60)
    assert harness.gateway.fetch_refund("ref_1").outcome is Outcome.SUCCEEDED


def test_refund_in_another_currency_is_refused(harness: SandboxHarness) -> None:
    payment = paid(harness)
    with pytest.raises(GatewayRejected):
        harness.gateway.create_refund(replace(a_refund(harness, payment, amount_minor=1), currency="EUR"))
    assert harness.refunds_made() == 0


@pytest.mark.parametrize(
    ("amount", "fee"), [(1, 1), (31, 31), (50, 31), (1234, 66), (10_000, 320), (10**12, 29 * 10**9 + 30)]
)
def test_fee_is_two_point_nine_percent_and_thirty(amount: int, fee: int) -> None:
    assert fee_on(amount) == fee


def test_statement_lists_takes_and_give_backs_when_the_day_is_over(harness: SandboxHarness) -> None:
    day = datetime.fromtimestamp(harness.clock.now, UTC).date()
    harness.gateway.create_refund(a_refund(harness, paid(harness), amount_minor=234))
    assert harness.gateway.fetch_statement(day) is None
    harness.clock.advance(86_400)
    statement = harness.gateway.fetch_statement(day)
    assert statement is not None
    header, take, give_back = statement.decode().splitlines()
    assert header == "kind,reference,payment_reference,txn,coin,gross,fee,net,at"
    assert take.startswith("TAKE,pay_1,pay_1,stx_")
    assert ",USD,1234,66,1168,2027-01-15T08:00:00.000Z" in take
    assert give_back.startswith("GIVE_BACK,ref_1,pay_1,sgb_")
    assert ",USD,-234,0,-234," in give_back
    assert harness.gateway.fetch_statement(day - timedelta(days=1)) == (header + "\r\n").encode()


def test_partial_captures_add_up_and_voiding_keeps_what_was_taken(harness: SandboxHarness) -> None:
    gateway = harness.gateway
    gateway.create_payment(a_payment(harness, capture=False))
    gateway.capture_payment("pay_1", capture_reference="cap_1", amount_minor=400, currency="USD")
    result = gateway.capture_payment("pay_1", capture_reference="cap_2", amount_minor=500, currency="USD")
    assert (result.captured_minor, result.fee_minor) == (900, fee_on(400) + fee_on(500))
    with pytest.raises(GatewayRejected):
        gateway.capture_payment("pay_1", capture_reference="cap_3", amount_minor=335, currency="USD")
    voided = gateway.void_payment("pay_1")
    assert (voided.outcome, voided.captured_minor) == (Outcome.SUCCEEDED, 900)
    with pytest.raises(GatewayRejected):
        gateway.capture_payment("pay_1", capture_reference="cap_4", amount_minor=1, currency="USD")


def test_answer_without_signature_is_unknown(harness: SandboxHarness) -> None:
    with pytest.raises(GatewayOutcomeUnknown):
        scripted(harness, "unsigned_answer")
    assert harness.gateway.fetch_payment("pay_1").outcome is Outcome.SUCCEEDED


def test_answer_about_another_payment_is_unknown(harness: SandboxHarness) -> None:
    paid(harness)

    def misdirected(request: HttpRequest) -> Any:
        return harness.transport(replace(request, url=f"{BASE_URL}/v1/payments/pay_1"))

    gateway = SandboxGateway(GatewayConfiguration("ga_1", BASE_URL, {"secret": SECRET}, misdirected))
    with pytest.raises(GatewayOutcomeUnknown):
        gateway.fetch_payment("pay_2")


def test_answers_of_somebody_with_another_secret_are_unknown(harness: SandboxHarness) -> None:
    stranger: Gateway = SandboxGateway(GatewayConfiguration("ga_1", BASE_URL, {"secret": "another"}, harness.transport))
    with pytest.raises(GatewayOutcomeUnknown):
        stranger.create_payment(a_payment(harness))
    assert harness.payments_made() == 0


def test_same_reference_from_many_threads_at_once_is_one_payment(harness: SandboxHarness) -> None:
    barrier = threading.Barrier(8)

    def create(_: int) -> PaymentResult:
        barrier.wait()
        return harness.gateway.create_payment(a_payment(harness))

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(create, range(8)))
    assert len({result.gateway_reference for result in results}) == 1
    assert harness.payments_made() == 1
    assert len(harness.callbacks()) == 1
