"""Stripe's smallest units and its words for failures, against ours."""

import pytest

from paycore.money import CURRENCIES
from payments.gateways.contract import GatewayRejected
from payments.gateways.failures import FAILURES
from payments.gateways.stripe import amounts, words
from payments.gateways.stripe.json_words import NotUnderstood
from tests.payments.gateways.contract_harness import a_payment
from tests.payments.gateways.stripe_harness import StripeHarness


@pytest.fixture
def harness() -> StripeHarness:
    return StripeHarness()


@pytest.mark.parametrize(
    ("minor", "currency", "theirs"),
    [(1234, "USD", 1234), (500, "JPY", 500), (5, "ISK", 500), (5, "UGX", 500), (5120, "KWD", 5120), (100, "HUF", 100)],
)
def test_amounts_are_said_in_stripes_smallest_units(minor: int, currency: str, theirs: int) -> None:
    assert amounts.to_stripe(minor, currency) == theirs
    assert amounts.from_stripe(theirs, currency) == minor


def test_third_decimal_that_is_not_zero_is_refused_before_anything_is_sent(harness: StripeHarness) -> None:
    with pytest.raises(GatewayRejected) as refused:
        harness.gateway.create_payment(a_payment(harness, amount_minor=5124, currency="KWD"))
    assert refused.value.code == "amount_not_supported"
    assert harness.simulator.seen == []


def test_half_a_krona_is_not_understood() -> None:
    with pytest.raises(NotUnderstood):
        amounts.from_stripe(550, "ISK")


def test_zero_decimal_payment_goes_there_and_back(harness: StripeHarness) -> None:
    harness.simulator.intents.settles_in = "isk"
    result = harness.create(a_payment(harness, currency="ISK", amount_minor=1234))
    assert harness.simulator.intent("pay_1")["amount"] == 123_400
    assert (result.amount_minor, result.captured_minor) == (1234, 1234)


def test_every_currency_is_one_of_ours() -> None:
    assert set(CURRENCIES) >= amounts.CURRENCIES
    assert not amounts.CURRENCIES & {"IQD", "LYD"}


def test_currency_that_stripe_does_not_take_is_refused_before_anything_is_sent(harness: StripeHarness) -> None:
    with pytest.raises(GatewayRejected) as refused:
        harness.gateway.create_payment(a_payment(harness, currency="IQD"))
    assert refused.value.code == "currency_not_supported"
    assert harness.simulator.seen == []


def test_every_code_of_stripes_leads_to_one_of_ours() -> None:
    ours = set(words.FAILURE_CODES.values()) | set(words.REFUND_FAILURE_CODES.values())
    assert ours <= set(FAILURES)
    assert words.failure_code(code="card_declined", decline_code="made_up") == "card_declined"
    assert words.failure_code(code="made_up") == "declined"
