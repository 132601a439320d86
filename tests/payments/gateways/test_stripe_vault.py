"""Keeping a method without a payment, and forgetting it."""

from typing import Any

import pytest

from payments.gateways.abilities import (
    CaptureCapable,
    CloseCapable,
    DisputeCapable,
    ProbeCapable,
    StatementReader,
    StatementSource,
    VaultCapable,
)
from payments.gateways.contract import ActionKind, GatewayRejected, Outcome, SavedToken, SaveRequest, SaveResult
from tests.payments.gateways.contract_harness import a_payment
from tests.payments.gateways.stripe_harness import StripeHarness


@pytest.fixture
def harness() -> StripeHarness:
    return StripeHarness()


def _request(**changes: Any) -> SaveRequest:
    facts: dict[str, Any] = {
        "reference": "pm_1",
        "method": "card",
        "payer_reference": "usr_1",
        "description": "Your card",
        "currency": "USD",
        "return_url": "http://127.0.0.1:8000/back",
    }
    return SaveRequest(**(facts | changes))


def test_adapter_has_all_its_abilities(harness: StripeHarness) -> None:
    for ability in (
        CaptureCapable,
        CloseCapable,
        VaultCapable,
        DisputeCapable,
        ProbeCapable,
        StatementSource,
        StatementReader,
    ):
        assert isinstance(harness.gateway, ability)


def test_payer_keeps_a_card_in_the_sheet(harness: StripeHarness) -> None:
    started = harness.gateway.save_method(_request())
    assert started.outcome is Outcome.REQUIRES_ACTION
    assert started.action is not None
    assert started.action.kind is ActionKind.APP
    assert set(started.action.app_parameters) == {
        "client_secret",
        "publishable_key",
        "setup_intent",
        "customer",
        "customer_session",
    }
    harness.simulator.pay_in_sheet("pm_1")
    kept = harness.gateway.fetch_saved("pm_1", gateway_reference=started.gateway_reference)
    assert kept.outcome is Outcome.SUCCEEDED
    assert kept.saved is not None
    assert (kept.saved.brand, kept.saved.last4, kept.saved.country) == ("visa", "4242", "US")
    told = [notice for notice in harness.notices() if isinstance(notice, SaveResult)]
    assert told[-1].outcome is Outcome.SUCCEEDED
    assert told[-1].saved is not None
    assert told[-1].saved.token == kept.saved.token


def test_kept_card_is_found_without_stripes_number(harness: StripeHarness) -> None:
    harness.gateway.save_method(_request(options={"token": "pm_card_visa"}))
    assert harness.gateway.fetch_saved("pm_1").outcome is Outcome.SUCCEEDED
    assert harness.gateway.fetch_saved("pm_2").outcome is Outcome.NOT_FOUND
    assert harness.gateway.fetch_saved("pm_2", gateway_reference="seti_never").outcome is Outcome.NOT_FOUND


def test_same_request_again_says_how_it_is_now(harness: StripeHarness) -> None:
    harness.gateway.save_method(_request())
    harness.simulator.pay_in_sheet("pm_1")
    assert harness.gateway.save_method(_request()).outcome is Outcome.SUCCEEDED
    assert len(harness.simulator.book.all_of("setup_intent")) == 1


def test_declined_card_is_not_kept_and_the_try_is_ended(harness: StripeHarness) -> None:
    result = harness.gateway.save_method(_request(options={"token": "pm_card_chargeDeclinedIncorrectCvc"}))
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, "invalid_details")
    assert harness.simulator.intent("pm_1")["status"] == "canceled"
    assert harness.gateway.fetch_saved("pm_1", gateway_reference=result.gateway_reference) == result


def test_card_that_must_be_proven_sends_the_payer_to_the_bank(harness: StripeHarness) -> None:
    result = harness.gateway.save_method(_request(options={"token": "pm_card_authenticationRequired"}))
    assert result.action is not None
    assert result.action.kind is ActionKind.REDIRECT
    harness.simulator.prove("pm_1")
    assert harness.gateway.fetch_saved("pm_1").outcome is Outcome.SUCCEEDED


def test_forgotten_card_cannot_be_charged_and_forgetting_is_safe_to_repeat(harness: StripeHarness) -> None:
    kept = harness.gateway.save_method(_request(options={"token": "pm_card_visa"})).saved
    assert kept is not None
    token = SavedToken(kept.token, kept.customer_reference)
    for _ in range(2):
        harness.gateway.forget_method(token, method="card")
    assert harness.simulator.book.things[kept.token]["customer"] is None
    harness.gateway.forget_method(SavedToken("pm_never"), method="card")


def test_method_that_stripe_has_not_is_rejected_without_effect(harness: StripeHarness) -> None:
    with pytest.raises(GatewayRejected):
        harness.gateway.save_method(_request(method="wechat_app"))
    assert harness.simulator.seen == []


def test_token_that_is_a_card_number_never_leaves_the_house(harness: StripeHarness) -> None:
    with pytest.raises(GatewayRejected):
        harness.gateway.save_method(_request(customer_reference="cus_1", options={"token": "4242424242424242"}))
    assert harness.simulator.seen == []
    assert harness.create(a_payment(harness)).outcome is Outcome.SUCCEEDED
