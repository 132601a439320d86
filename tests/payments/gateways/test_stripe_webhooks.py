"""Stripe's callbacks: signatures from elsewhere, rotation, the future, and what each kind of event says."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import stripe

from payments.gateways.contract import (
    DisputeNotice,
    DisputeStatus,
    GatewayConfiguration,
    Outcome,
    PaymentResult,
    SaveResult,
    WebhookRefused,
)
from payments.gateways.stripe import webhooks
from payments.gateways.stripe.adapter import StripeGateway
from tests.payments.gateways.contract_harness import a_payment, paid
from tests.payments.gateways.stripe_harness import StripeHarness

FIXTURES = json.loads((Path(__file__).parent / "fixtures" / "stripe_objects.json").read_text())
# Recorded: the secret and payload of the SDK's own tests, signed once by stripe.WebhookSignature (stripe 16.1).
RECORDED_SECRET = "whsec_test_secret"
RECORDED_BODY = b'{\n  "id": "evt_test_webhook",\n  "object": "event"\n}'
RECORDED_AT = 1_700_000_000
RECORDED_MAC = "4f1cd7feda9826e746b7d482c4badebb657398df1099e1046364f6196a230150"


@pytest.fixture
def harness() -> StripeHarness:
    return StripeHarness()


def _check(
    header: str, body: bytes = RECORDED_BODY, *, now: float = RECORDED_AT, secret: str = RECORDED_SECRET
) -> None:
    webhooks.check_signature(header, body, secrets=[secret], now=now)


def test_recorded_signature_is_good() -> None:
    _check(f"t={RECORDED_AT},v1={RECORDED_MAC}")


def test_stripes_own_sdk_signs_and_checks_as_we_do(harness: StripeHarness) -> None:
    now = int(datetime.now(UTC).timestamp())
    theirs = stripe.WebhookSignature._compute_signature(f"{now}.{RECORDED_BODY.decode()}", RECORDED_SECRET)
    _check(f"t={now},v1={theirs}", now=now)
    harness.clock.now = now
    paid(harness)
    for callback in harness.callbacks():
        header = callback.headers["stripe-signature"]
        event = stripe.Webhook.construct_event(callback.body, header, harness.simulator.webhook_secret)
        assert harness.gateway.verify_webhook(callback.headers, callback.body).event_id == event.id


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=,v1=",
        f"v1={RECORDED_MAC}",
        f"t={RECORDED_AT}",
        f"t={RECORDED_AT},v0={RECORDED_MAC}",
        f"t={RECORDED_AT},t={RECORDED_AT},v1={RECORDED_MAC}",
        f"t=-{RECORDED_AT},v1={RECORDED_MAC}",
        f"t=1e9,v1={RECORDED_MAC}",
        f"t=²,v1={RECORDED_MAC}",
        f"t=0{RECORDED_AT},v1={RECORDED_MAC}",
        f"t={RECORDED_AT},v1={RECORDED_MAC[:-1]}",
        f"t={RECORDED_AT},v1={RECORDED_MAC.upper()}",
        f"t={RECORDED_AT},v1={RECORDED_MAC}" + ",v1=x" * 1000,
        f"t={RECORDED_AT},v1=é",
    ],
)
def test_signature_that_is_not_exactly_one_is_refused(header: str) -> None:
    with pytest.raises(WebhookRefused):
        _check(header)


@pytest.mark.parametrize(("offset", "code"), [(301, "signature_stale"), (-301, "signature_from_the_future")])
def test_age_counts_both_ways(offset: int, code: str) -> None:
    header = f"t={RECORDED_AT},v1={RECORDED_MAC}"
    _check(header, now=RECORDED_AT + offset - (1 if offset > 0 else -1))
    with pytest.raises(WebhookRefused) as refused:
        _check(header, now=RECORDED_AT + offset)
    assert refused.value.code == code


def test_two_signatures_while_stripe_rolls_and_two_secrets_while_we_do(harness: StripeHarness) -> None:
    paid(harness)
    body = harness.callbacks()[-1].body
    new, old = (harness.sign(body, secret=secret).headers["stripe-signature"] for secret in ("whsec_new", "whsec_old"))
    both = {"stripe-signature": f"{new.partition(',v0')[0]},{old.partition(',')[2]}"}
    for secrets in ({"webhook_secret": "whsec_old"}, {"webhook_secret": "whsec_new"}):
        assert _with(harness, secrets).verify_webhook(both, body).event_id
    rotating = _with(harness, {"webhook_secret": "whsec_new", "webhook_secret_previous": "whsec_old"})
    for header in (new, old):
        assert rotating.verify_webhook({"stripe-signature": header}, body).event_id
    with pytest.raises(WebhookRefused):
        _with(harness, {"webhook_secret": "whsec_new"}).verify_webhook({"stripe-signature": old}, body)


def _with(harness: StripeHarness, secrets: dict[str, str]) -> StripeGateway:
    configuration = GatewayConfiguration(
        "ga_1", "https://api.stripe.com", {"secret_key": "sk_test", **secrets}, harness.simulator
    )
    return StripeGateway(configuration, clock=harness.clock)


# --- what events say ------------------------------------------------------------------------------------------------


def _event(kind: str, subject: Any) -> bytes:
    return json.dumps({**FIXTURES["event"], "type": kind, "data": {"object": subject}}).encode()


def test_payment_callback_says_what_a_query_says_but_the_fee(harness: StripeHarness) -> None:
    payment = paid(harness)
    told = harness.notices()[-1]
    assert isinstance(told, PaymentResult)
    assert told.fee_minor is None
    assert {**_facts(told), "fee_minor": 66} == _facts(payment)


def _facts(result: PaymentResult) -> dict[str, Any]:
    return {name: getattr(result, name) for name in result.__slots__}


@pytest.mark.parametrize(
    "kind",
    ["payment_intent.succeeded", "refund.updated", "charge.refund.updated", "setup_intent.succeeded"],
)
def test_what_carries_no_number_of_ours_says_nothing(harness: StripeHarness, kind: str) -> None:
    name = {"payment_intent": "payment_intent", "setup_intent": "setup_intent"}.get(kind.partition(".")[0], "refund")
    assert harness.gateway.translate_webhook(_event(kind, FIXTURES[name])) == []


@pytest.mark.parametrize("kind", ["customer.created", "charge.refunded", "charge.succeeded", "payout.paid", "made.up"])
def test_other_events_say_nothing(harness: StripeHarness, kind: str) -> None:
    assert harness.gateway.translate_webhook(_event(kind, FIXTURES["charge"])) == []


@pytest.mark.parametrize(
    "subject",
    [
        None,
        "pi_1",
        [],
        {},
        {"object": "payment_intent"},
        {**FIXTURES["payment_intent"], "amount": "1099"},
        {**FIXTURES["payment_intent"], "amount": 10.99},
        {**FIXTURES["payment_intent"], "amount": True},
        {**FIXTURES["payment_intent"], "status": 7},
        {**FIXTURES["payment_intent"], "created": 10**30},
        {**FIXTURES["payment_intent"], "metadata": {"reference": ["pay_1"]}},
        {**FIXTURES["payment_intent"], "object": "charge"},
    ],
)
def test_event_about_a_malformed_payment_is_refused(harness: StripeHarness, subject: Any) -> None:
    with pytest.raises(WebhookRefused) as refused:
        harness.gateway.translate_webhook(_event("payment_intent.succeeded", subject))
    assert refused.value.code == "malformed"


def test_dispute_names_the_payment_by_stripes_own_number(harness: StripeHarness) -> None:
    payment = paid(harness)
    harness.callbacks()
    charge = harness.simulator.charge_of("pay_1")
    harness.simulator.desk.open_dispute(charge, amount=1000, reason="product_not_received", status="needs_response")
    [notice] = harness.notices()
    assert isinstance(notice, DisputeNotice)
    assert (notice.status, notice.reason) == (DisputeStatus.NEEDS_RESPONSE, "not_received")
    assert (notice.payment_reference, notice.payment_gateway_reference) == ("", payment.gateway_reference)
    assert (notice.amount_minor, notice.currency, notice.fee_minor) == (1000, "USD", 1500)
    assert notice.evidence_due_at is not None


@pytest.mark.parametrize(
    ("status", "due_by", "expected"),
    [
        ("warning_needs_response", 1, DisputeStatus.WARNING),
        ("warning_closed", None, DisputeStatus.WON),
        ("prevented", None, DisputeStatus.LOST),
        ("made_up", 1, DisputeStatus.NEEDS_RESPONSE),
        ("made_up", None, DisputeStatus.UNDER_REVIEW),
    ],
)
def test_each_status_of_a_dispute_has_its_meaning(
    harness: StripeHarness, status: str, due_by: int | None, expected: DisputeStatus
) -> None:
    dispute = {**FIXTURES["dispute"], "status": status, "evidence_details": {"due_by": due_by}}
    [notice] = harness.gateway.translate_webhook(_event("charge.dispute.updated", dispute))
    assert isinstance(notice, DisputeNotice)
    assert notice.status is expected


def test_early_fraud_warning_is_a_warning_about_the_whole_payment(harness: StripeHarness) -> None:
    payment = paid(harness)
    harness.callbacks()
    harness.simulator.desk.warn_of_fraud(harness.simulator.charge_of("pay_1"))
    [notice] = harness.notices()
    assert isinstance(notice, DisputeNotice)
    assert (notice.status, notice.reason) == (DisputeStatus.WARNING, "fraudulent")
    assert notice.payment_gateway_reference == payment.gateway_reference
    known = harness.gateway.fetch_dispute(notice.gateway_reference)
    assert (known.payment_reference, known.amount_minor, known.currency) == ("pay_1", 1234, "USD")
    assert known.payment_gateway_reference == payment.gateway_reference


def test_callbacks_are_read_anew_because_they_do_not_say_all(harness: StripeHarness) -> None:
    assert harness.gateway.webhooks_are_hints


def test_setup_that_succeeds_names_the_method(harness: StripeHarness) -> None:
    harness.create(a_payment(harness))
    setup = {
        **FIXTURES["setup_intent"],
        "status": "succeeded",
        "payment_method": "pm_1",
        "metadata": {"reference": "pm_x"},
    }
    [notice] = harness.gateway.translate_webhook(_event("setup_intent.succeeded", setup))
    assert isinstance(notice, SaveResult)
    assert notice.outcome is Outcome.SUCCEEDED
    assert notice.saved is not None
    assert notice.saved.token == "pm_1"


def test_dispute_is_told_with_the_events_time_so_that_a_later_word_is_later(harness: StripeHarness) -> None:
    """The dispute itself says only when it was made: nothing that was decided could ever be opened anew."""
    paid(harness)
    charge = harness.simulator.charge_of("pay_1")
    made = harness.simulator.desk.open_dispute(charge, amount=1234, reason="fraudulent", status="needs_response")
    harness.clock.advance(60)
    harness.simulator.desk.end_dispute(harness.simulator.book.things[made["id"]], "won")
    opened, won = [notice for notice in harness.notices() if isinstance(notice, DisputeNotice)]
    assert opened.occurred_at is not None
    assert won.occurred_at is not None
    assert (won.occurred_at - opened.occurred_at).total_seconds() == 60
