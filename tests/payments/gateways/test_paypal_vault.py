"""Wallets kept without taking money: setup token, the payer's yes on PayPal's page, payment token."""

from typing import Any

import pytest

from payments.gateways.contract import (
    GatewayOutcomeUnknown,
    GatewayRejected,
    Outcome,
    SavedToken,
    SaveRequest,
    SaveResult,
)
from tests.payments.gateways.contract_harness import a_payment
from tests.payments.gateways.paypal_harness import PayPalHarness
from tests.payments.gateways.simulators.paypal import vault


@pytest.fixture
def harness() -> PayPalHarness:
    return PayPalHarness()


def a_request(**changes: Any) -> SaveRequest:
    words: dict[str, Any] = {
        "reference": "pm_1",
        "method": "paypal",
        "payer_reference": "usr_1",
        "description": "Premium",
        "currency": "USD",
        "return_url": "http://127.0.0.1:8000/saved",
    }
    return SaveRequest(**(words | changes))


def agreed(harness: PayPalHarness) -> tuple[str, SaveResult]:
    setup_id = harness.gateway.save_method(a_request()).gateway_reference
    vault.approve_setup(harness.world, setup_id)
    return setup_id, harness.gateway.fetch_saved("pm_1", gateway_reference=setup_id)


def test_payer_is_sent_to_paypal_and_nothing_is_kept_before(harness: PayPalHarness) -> None:
    result = harness.gateway.save_method(a_request(customer_reference="C1"))
    assert result.outcome is Outcome.REQUIRES_ACTION
    assert result.action is not None
    assert result.action.url.startswith("https://www.sandbox.paypal.com/agreements/approve")
    assert harness.world.tokens == {}
    [setup] = harness.world.setups.values()
    assert setup["customer"] == {"id": "C1", "merchant_customer_id": "usr_1"}
    waiting = harness.gateway.fetch_saved("pm_1", gateway_reference=result.gateway_reference)
    assert waiting == result


def test_same_reference_twice_is_one_setup(harness: PayPalHarness) -> None:
    assert harness.gateway.save_method(a_request()) == harness.gateway.save_method(a_request())
    assert len(harness.world.setups) == 1


def test_agreed_wallet_is_kept_and_told_masked(harness: PayPalHarness) -> None:
    setup_id, result = agreed(harness)
    assert (result.reference, result.outcome, result.gateway_reference) == ("pm_1", Outcome.SUCCEEDED, setup_id)
    assert result.saved is not None
    assert result.saved.label == "j***@example.com"
    assert [result.saved.token] == list(harness.world.tokens)


def test_asking_again_finds_the_same_token(harness: PayPalHarness) -> None:
    setup_id, first = agreed(harness)
    assert harness.gateway.fetch_saved("pm_1", gateway_reference=setup_id) == first
    assert len(harness.world.tokens) == 1


def test_lost_answer_to_keeping_is_unknown_and_asking_finds_the_token(harness: PayPalHarness) -> None:
    setup_id = harness.gateway.save_method(a_request()).gateway_reference
    vault.approve_setup(harness.world, setup_id)
    harness.transport.trouble("^POST /v3/vault/payment-tokens$", "timeout_after_effect")
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.fetch_saved("pm_1", gateway_reference=setup_id)
    result = harness.gateway.fetch_saved("pm_1", gateway_reference=setup_id)
    assert result.saved is not None
    assert [result.saved.token] == list(harness.world.tokens)


def test_used_setup_of_a_payer_with_several_wallets_stays_pending(harness: PayPalHarness) -> None:
    """Which one it became cannot be told: nothing is guessed."""
    setup_id, first = agreed(harness)
    assert first.saved is not None
    harness.world.tokens["T2"] = harness.world.tokens[first.saved.token] | {"id": "T2"}
    assert harness.gateway.fetch_saved("pm_1", gateway_reference=setup_id).outcome is Outcome.PENDING


def test_token_can_be_charged_unasked(harness: PayPalHarness) -> None:
    _, result = agreed(harness)
    assert result.saved is not None
    token = SavedToken(result.saved.token, result.saved.customer_reference)
    paid = harness.create(a_payment(harness, saved=token, is_off_session=True))
    assert (paid.outcome, paid.captured_minor) == (Outcome.SUCCEEDED, 1234)


def test_token_that_the_payer_ended_is_canceled_and_named(harness: PayPalHarness) -> None:
    _, result = agreed(harness)
    assert result.saved is not None
    token = result.saved.token
    assert harness.gateway.fetch_saved("", gateway_reference=token).outcome is Outcome.SUCCEEDED
    vault.delete_token(harness.world, token)
    ended = harness.gateway.fetch_saved("", gateway_reference=token)
    assert ended.outcome is Outcome.CANCELED
    assert ended.saved is not None
    assert ended.saved.token == token


def test_reference_that_was_never_sent_is_not_found(harness: PayPalHarness) -> None:
    assert harness.gateway.fetch_saved("pm_never").outcome is Outcome.NOT_FOUND


def test_wallet_that_is_forgotten_twice_is_forgotten(harness: PayPalHarness) -> None:
    _, result = agreed(harness)
    assert result.saved is not None
    for _ in range(2):
        harness.gateway.forget_method(SavedToken(result.saved.token), method="paypal")
    assert harness.world.tokens == {}


@pytest.mark.parametrize("changes", [{"method": "card"}, {"return_url": ""}])
def test_request_that_paypal_cannot_take_is_rejected_without_effect(
    harness: PayPalHarness, changes: dict[str, Any]
) -> None:
    with pytest.raises(GatewayRejected):
        harness.gateway.save_method(a_request(**changes))
    assert harness.world.setups == {}


def test_unlisted_state_of_a_setup_is_pending(harness: PayPalHarness) -> None:
    setup_id = harness.gateway.save_method(a_request()).gateway_reference
    harness.world.setups[setup_id]["status"] = "PONDERING"
    assert harness.gateway.fetch_saved("pm_1", gateway_reference=setup_id).outcome is Outcome.PENDING
