"""What comes back may be torn, foreign, not JSON, or a lie: never a failure, and never a success that was not said."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from payments.gateways.contract import (
    GatewayConfiguration,
    GatewayOutcomeUnknown,
    GatewayRejected,
    HttpRequest,
    HttpResponse,
    Outcome,
)
from payments.gateways.stripe.adapter import StripeGateway
from tests.payments.gateways.contract_harness import a_payment, a_refund, paid
from tests.payments.gateways.stripe_harness import StripeHarness

JSON = {"content-type": "application/json"}


@pytest.fixture
def harness() -> StripeHarness:
    return StripeHarness()


def _answering(status: int, body: bytes) -> StripeGateway:
    def transport(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status, JSON, body)

    credentials = {"secret_key": "sk_test", "webhook_secret": "whsec"}
    return StripeGateway(GatewayConfiguration("ga_1", "https://api.stripe.com", credentials, transport))


NONSENSE = [
    b"",
    b"null",
    b"[]",
    b"7",
    b'"text"',
    b"{}",
    b"<html><body>It works!</body></html>",
    b"\xff\xfe\x00",
    b'{"object": "payment_intent"',
    b'{"a":' * 30_000,
    b'{"object": "payment_intent", "id": "pi_1"}',
    b'{"object": "charge", "id": "ch_1", "status": "succeeded", "amount": 1234, "currency": "usd"}',
]


@pytest.mark.parametrize("body", NONSENSE)
@pytest.mark.parametrize("status", [200, 201])
def test_success_that_says_nothing_is_unknown(harness: StripeHarness, status: int, body: bytes) -> None:
    gateway = _answering(status, body)
    with pytest.raises(GatewayOutcomeUnknown):
        gateway.create_payment(harness.dress(a_payment(harness)))
    with pytest.raises(GatewayOutcomeUnknown):
        gateway.fetch_payment("pay_1", gateway_reference="pi_1")


@pytest.mark.parametrize(
    "body", [*NONSENSE, b'{"error": []}', b'{"error": "invalid_grant"}', b'{"error": null}', b'{"error": 7}']
)
@pytest.mark.parametrize("status", [302, 400, 401, 402, 403, 404, 409, 418, 429, 500, 503, 599])
def test_failure_that_is_not_stripes_is_unknown(harness: StripeHarness, status: int, body: bytes) -> None:
    with pytest.raises(GatewayOutcomeUnknown):
        _answering(status, body).create_payment(harness.dress(a_payment(harness)))


@pytest.mark.parametrize("status", [409, 424, 429, 500, 502, 503])
def test_error_that_does_not_say_nothing_happened_is_unknown(harness: StripeHarness, status: int) -> None:
    body = b'{"error": {"type": "api_error", "code": ["odd"], "message": 7}}'
    with pytest.raises(GatewayOutcomeUnknown):
        _answering(status, body).create_payment(harness.dress(a_payment(harness)))


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        ({"type": "invalid_request_error", "code": "amount_too_small"}, "amount_not_supported"),
        ({"type": "invalid_request_error", "param": "currency"}, "currency_not_supported"),
        ({"type": "invalid_request_error", "code": "payment_method_unactivated"}, "account_misconfigured"),
        ({"type": "invalid_request_error", "code": "never_heard_of"}, "gateway_rejected"),
        ({"type": "idempotency_error"}, "gateway_rejected"),
        ({"type": "card_error", "code": "card_declined", "decline_code": "stolen_card"}, "lost_or_stolen"),
        ({"type": ["odd"], "code": {"odd": 1}, "message": None}, "gateway_rejected"),
    ],
)
def test_refusal_says_why_in_our_words(harness: StripeHarness, error: dict[str, Any], ours: str) -> None:
    with pytest.raises(GatewayRejected) as refused:
        _answering(400, json.dumps({"error": error}).encode()).create_payment(harness.dress(a_payment(harness)))
    assert refused.value.code == ours


def test_page_in_a_200_is_unknown_and_the_payment_is_found_later(harness: StripeHarness) -> None:
    harness.simulator.trouble["pay_1"] = "html_200"
    with pytest.raises(GatewayOutcomeUnknown):
        harness.create(a_payment(harness))
    assert harness.fetch().outcome is Outcome.SUCCEEDED


def _lying(harness: StripeHarness, lie: Callable[[dict[str, Any]], None]) -> None:
    harness.simulator.spoil = lambda shown: lie(shown) if shown["object"] in ("payment_intent", "refund") else None


def test_answer_about_another_payment_is_unknown(harness: StripeHarness) -> None:
    _lying(harness, lambda shown: shown.update(metadata={"reference": "pay_2"}))
    with pytest.raises(GatewayOutcomeUnknown) as unknown:
        harness.create(a_payment(harness))
    assert unknown.value.code == "wrong_reference"
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.fetch_payment("pay_1", gateway_reference=harness.simulator.intent("pay_1")["id"])


def test_refund_about_another_refund_is_unknown(harness: StripeHarness) -> None:
    payment = paid(harness)
    _lying(harness, lambda shown: shown.update(metadata={"reference": "ref_2"}))
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.create_refund(a_refund(harness, payment, amount_minor=100))


def test_wrong_amount_and_currency_are_told_as_stripe_says_them(harness: StripeHarness) -> None:
    """The door compares: the adapter must not hide it."""
    _lying(harness, lambda shown: shown.update(amount=1, amount_received=1, currency="eur"))
    result = harness.create(a_payment(harness))
    assert (result.amount_minor, result.captured_minor, result.currency) == (1, 1, "EUR")


def test_two_living_intents_under_one_number_are_unknown(harness: StripeHarness) -> None:
    """A number sent again after Stripe forgot its key, a day later."""
    harness.create(a_payment(harness))
    harness.simulator._kept.clear()
    harness.simulator.intents.create({"amount": "1234", "currency": "usd", "metadata": {"reference": "pay_1"}})
    harness.told.clear()
    with pytest.raises(GatewayOutcomeUnknown) as unknown:
        harness.fetch()
    assert unknown.value.code == "more_than_one"


@pytest.mark.parametrize("identifier", ["../v1/account", "pi_1?expand[]=x", "pi_1/cancel", "é", ""])
def test_only_an_id_is_put_into_an_address(harness: StripeHarness, identifier: str) -> None:
    with pytest.raises(GatewayRejected):
        harness.gateway.fetch_dispute(identifier)
    assert harness.simulator.seen == []
