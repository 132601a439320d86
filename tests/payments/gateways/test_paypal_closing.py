"""Closing what the payer may still approve, charging saved wallets, taking in parts, giving back."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from payments.gateways.contract import (
    GatewayOutcomeUnknown,
    GatewayRejected,
    HttpRequest,
    HttpResponse,
    Outcome,
    SavedToken,
)
from tests.payments.gateways.contract_harness import a_payment, a_refund, hold, paid
from tests.payments.gateways.paypal_harness import PayPalHarness


@pytest.fixture
def harness() -> PayPalHarness:
    return PayPalHarness()


# --- closing -----------------------------------------------------------------------------------------------------


def test_close_beats_a_capture_that_is_on_its_way(harness: PayPalHarness) -> None:
    """The question saw an approved order; the close came before its capture."""
    harness.create(a_payment(harness))
    harness.approve("pay_1")

    def closing_first(request: HttpRequest) -> HttpResponse:
        if request.url.endswith("/capture"):
            assert harness.close().outcome is Outcome.CANCELED
        return harness.transport(request)

    racing = harness.connect(transport=closing_first)
    result = racing.fetch_payment("pay_1", gateway_reference=harness.told["pay_1"])
    assert result.outcome is Outcome.CANCELED
    assert harness.world.captures == {}


def test_capture_that_came_first_makes_the_close_say_that_it_is_paid(harness: PayPalHarness) -> None:
    harness.create(a_payment(harness))
    harness.approve("pay_1")

    def capturing_first(request: HttpRequest) -> HttpResponse:
        if request.method == "PATCH":
            assert harness.fetch().outcome is Outcome.SUCCEEDED
        return harness.transport(request)

    racing = harness.connect(transport=capturing_first)
    assert racing.close_payment("pay_1", gateway_reference=harness.told["pay_1"]).outcome is Outcome.SUCCEEDED


def test_approve_and_close_in_many_races_never_take_money_for_what_was_closed() -> None:
    for _ in range(20):
        harness = PayPalHarness()
        harness.create(a_payment(harness))
        harness.approve("pay_1")
        barrier = threading.Barrier(2)

        def after(act: str, harness: PayPalHarness = harness, barrier: threading.Barrier = barrier) -> Outcome:
            barrier.wait()
            return (harness.fetch() if act == "fetch" else harness.close()).outcome

        with ThreadPoolExecutor(2) as pool:
            fetched, closed = pool.map(after, ("fetch", "close"))
        assert fetched is closed
        assert (closed is Outcome.SUCCEEDED) == bool(harness.world.captures)


def test_closing_a_payment_whose_answer_was_lost_finds_its_order_and_closes_that(harness: PayPalHarness) -> None:
    harness.transport.trouble("^POST /v2/checkout/orders$", "timeout_after_effect")
    with pytest.raises(GatewayOutcomeUnknown):
        harness.create(a_payment(harness))
    assert harness.close().outcome is Outcome.CANCELED
    harness.approve("pay_1")
    assert harness.fetch().outcome is Outcome.CANCELED
    assert harness.payments_made() == 1


def test_closing_a_saved_charge_whose_answer_was_lost_says_that_it_was_paid(harness: PayPalHarness) -> None:
    token = a_saved_wallet(harness)
    harness.transport.trouble("^POST /v2/checkout/orders$", "timeout_after_effect")
    with pytest.raises(GatewayOutcomeUnknown):
        harness.create(a_payment(harness, saved=token, is_off_session=True))
    result = harness.close()
    assert (result.outcome, result.captured_minor) == (Outcome.SUCCEEDED, 1234)


def test_close_of_an_order_that_takes_no_change_is_still_a_close(harness: PayPalHarness) -> None:
    harness.create(a_payment(harness))
    harness.transport.takes_patches = False
    assert harness.close().outcome is Outcome.CANCELED
    assert harness.world.captures == {}


# --- saved wallets -----------------------------------------------------------------------------------------------


def a_saved_wallet(harness: PayPalHarness) -> SavedToken:
    first = harness.pay(a_payment(harness, reference="pay_0", saves_method=True))
    assert first.saved is not None
    return SavedToken(first.saved.token, first.saved.customer_reference)


def test_wallet_kept_with_a_payment_is_told_masked(harness: PayPalHarness) -> None:
    result = harness.pay(a_payment(harness, saves_method=True))
    assert result.saved is not None
    assert (result.saved.brand, result.saved.label) == ("paypal", "j***@example.com")
    assert result.saved.token in harness.world.tokens
    assert result.saved.customer_reference
    assert "jane.doe" not in repr(result)


def test_saved_wallet_is_charged_at_once_without_the_payer(harness: PayPalHarness) -> None:
    token = a_saved_wallet(harness)
    result = harness.create(a_payment(harness, saved=token, is_off_session=True, return_url=""))
    assert (result.outcome, result.captured_minor) == (Outcome.SUCCEEDED, 1234)
    asked = harness.transport.asked("^POST /v2/checkout/orders$")[-1]
    assert b'"payment_initiator": "MERCHANT"' in asked.body


def test_saved_wallet_can_be_held(harness: PayPalHarness) -> None:
    token = a_saved_wallet(harness)
    assert harness.create(a_payment(harness, saved=token, capture=False)).outcome is Outcome.AUTHORIZED


def test_saved_wallet_that_needs_the_payer_fails_off_session_and_never_succeeds_later(harness: PayPalHarness) -> None:
    token = a_saved_wallet(harness)
    harness.world.declines["pay_1"] = "PAYER_ACTION_REQUIRED"
    result = harness.create(a_payment(harness, saved=token, is_off_session=True))
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, "authentication_required")
    harness.approve("pay_1")
    assert harness.fetch().outcome is Outcome.CANCELED
    assert len(harness.world.captures) == 1  # the first payment's


def test_saved_wallet_that_needs_the_payer_sends_a_present_one_to_paypal(harness: PayPalHarness) -> None:
    token = a_saved_wallet(harness)
    harness.world.declines["pay_1"] = "PAYER_ACTION_REQUIRED"
    assert harness.create(a_payment(harness, saved=token)).outcome is Outcome.REQUIRES_ACTION


@pytest.mark.parametrize(
    ("issue", "code"),
    [
        ("INSTRUMENT_DECLINED", "declined"),
        ("PAYER_ACCOUNT_LOCKED_OR_CLOSED", "account_closed"),
        ("AGREEMENT_ALREADY_CANCELLED", "mandate_ended"),
        ("TRANSACTION_LIMIT_EXCEEDED", "limit_exceeded"),
    ],
)
def test_refused_charge_of_a_saved_wallet_fails_and_says_why(harness: PayPalHarness, issue: str, code: str) -> None:
    token = a_saved_wallet(harness)
    harness.world.declines["pay_1"] = issue
    result = harness.create(a_payment(harness, saved=token, is_off_session=True))
    assert (result.outcome, result.failure_code, result.failure_message) == (Outcome.FAILED, code, issue)


def test_wallet_that_was_forgotten_cannot_be_charged(harness: PayPalHarness) -> None:
    token = a_saved_wallet(harness)
    for _ in range(2):
        harness.gateway.forget_method(token, method="paypal")
    result = harness.create(a_payment(harness, saved=token, is_off_session=True))
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, "mandate_ended")


@pytest.mark.parametrize(
    "trouble", ["connection_refused", "refuse:429:RATE_LIMIT_REACHED", "refuse:403:NOT_AUTHORIZED"]
)
def test_charge_whose_short_answer_cannot_be_read_up_on_is_unknown_and_not_undone(
    harness: PayPalHarness, trouble: str
) -> None:
    """The wallet was charged: that we cannot ask now must neither fail it nor send it elsewhere."""
    token = a_saved_wallet(harness)

    def shortly(request: HttpRequest) -> HttpResponse:
        response = harness.transport(request)
        if request.method == "POST" and request.url.endswith("/v2/checkout/orders"):
            words = json.loads(response.body)
            body = json.dumps({"id": words["id"], "status": words["status"]}).encode()
            harness.transport.trouble("^GET /v2/checkout/orders/", trouble)
            return replace(response, body=body)
        return response

    adapter = harness.connect(transport=shortly)
    with pytest.raises(GatewayOutcomeUnknown):
        adapter.create_payment(harness.dress(a_payment(harness, saved=token, is_off_session=True)))
    assert len(harness.world.captures) == 2  # the first payment's, and this one's


# --- holding, refunds --------------------------------------------------------------------------------------------


def test_void_after_a_part_keeps_the_part(harness: PayPalHarness) -> None:
    hold(harness)
    harness.take(amount_minor=400)
    result = harness.void()
    assert (result.outcome, result.captured_minor) == (Outcome.SUCCEEDED, 400)


def test_last_part_ends_the_hold(harness: PayPalHarness) -> None:
    hold(harness)
    harness.take(amount_minor=400)
    result = harness.take(amount_minor=834, reference="cap_2")
    assert (result.outcome, result.captured_minor) == (Outcome.SUCCEEDED, 1234)
    assert harness.fetch() == result


def test_refund_comes_from_the_capture_that_has_enough_left(harness: PayPalHarness) -> None:
    payment = hold(harness)
    harness.take(amount_minor=400)
    harness.take(amount_minor=834, reference="cap_2")
    assert harness.refund(a_refund(harness, payment, amount_minor=800)).outcome is Outcome.SUCCEEDED
    second = replace(a_refund(harness, payment, amount_minor=400), reference="ref_2")
    assert harness.refund(second).outcome is Outcome.SUCCEEDED
    with pytest.raises(GatewayRejected):
        harness.refund(replace(second, reference="ref_3", amount_minor=35))
    assert harness.refund(replace(second, reference="ref_4", amount_minor=34)).outcome is Outcome.SUCCEEDED
    assert harness.refunds_made() == 3


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("PENDING", Outcome.PENDING), ("FAILED", Outcome.FAILED), ("CANCELLED", Outcome.FAILED), ("ODD", Outcome.PENDING)],
)
def test_state_of_the_refund_decides(harness: PayPalHarness, status: str, outcome: Outcome) -> None:
    harness.world.refund_states["ref_1"] = status
    assert harness.gateway.create_refund(a_refund(harness, paid(harness), amount_minor=100)).outcome is outcome
    assert harness.fetch_refund().outcome is outcome
