import pytest

from payments.gateways.contract import (
    GatewayConfiguration,
    Outcome,
    PaymentResult,
    WebhookRefused,
)
from payments.gateways.sandbox.adapter import SandboxGateway
from payments.gateways.sandbox.signature import SignatureRefused, check_signature, sign
from tests.payments.gateways.contract_harness import paid
from tests.payments.gateways.sandbox_harness import BASE_URL, SECRET, SandboxHarness, noticed, scripted


@pytest.fixture
def harness() -> SandboxHarness:
    return SandboxHarness()


def test_duplicate_callbacks_are_the_same_event(harness: SandboxHarness) -> None:
    scripted(harness, "duplicate_callbacks(4)")
    identities = {
        harness.gateway.verify_webhook(callback.headers, callback.body).event_id for callback in harness.callbacks()
    }
    assert len(identities) == 1
    scripted(harness, "duplicate_callbacks(4)", reference="pay_2")
    assert len(harness.callbacks()) == 4


def test_late_callback_comes_late(harness: SandboxHarness) -> None:
    scripted(harness, "late_callback(90)")
    assert harness.callbacks() == []
    harness.clock.advance(90)
    assert noticed(harness) == [(Outcome.SUCCEEDED, 1234, "USD")]


def test_out_of_order_callbacks_tell_the_older_news_last(harness: SandboxHarness) -> None:
    scripted(harness, "out_of_order_callbacks")
    times = []
    outcomes = []
    for callback in harness.callbacks():
        identity = harness.gateway.verify_webhook(callback.headers, callback.body)
        [notice] = harness.gateway.translate_webhook(callback.body)
        assert isinstance(notice, PaymentResult)
        times.append(identity.occurred_at)
        outcomes.append(notice.outcome)
    assert outcomes == [Outcome.SUCCEEDED, Outcome.PENDING]
    assert times[0] is not None
    assert times[1] is not None
    assert times[0] > times[1]


def test_forged_callback_claims_success_and_is_refused(harness: SandboxHarness) -> None:
    scripted(harness, "require_action+forged_callback")
    [forged] = harness.callbacks()
    [claim] = harness.gateway.translate_webhook(forged.body)
    assert isinstance(claim, PaymentResult)
    assert claim.outcome is Outcome.SUCCEEDED
    with pytest.raises(WebhookRefused) as refused:
        harness.gateway.verify_webhook(forged.headers, forged.body)
    assert refused.value.code == "signature_wrong"


def test_wrong_callbacks_are_genuine_and_wrong_while_the_query_tells_the_truth(harness: SandboxHarness) -> None:
    scripted(harness, "wrong_amount_callback")
    assert noticed(harness) == [(Outcome.SUCCEEDED, 1235, "USD")]
    scripted(harness, "wrong_currency_callback", reference="pay_2")
    assert noticed(harness) == [(Outcome.SUCCEEDED, 1234, "EUR")]
    for reference in ("pay_1", "pay_2"):
        truth = harness.gateway.fetch_payment(reference)
        assert (truth.amount_minor, truth.currency) == (1234, "USD")


def test_no_callback_sends_none(harness: SandboxHarness) -> None:
    scripted(harness, "no_callback")
    harness.clock.advance(86_400)
    assert harness.callbacks() == []


def test_notice_of_an_unlisted_kind_says_nothing_about_money(harness: SandboxHarness) -> None:
    notice = harness.sign(b'{"notice": "ntc_1", "kind": "weather.changed", "at": 1, "subject": {}}')
    assert harness.gateway.verify_webhook(notice.headers, notice.body).event_id == "ntc_1"
    assert harness.gateway.translate_webhook(notice.body) == []


def test_both_secrets_are_good_during_a_rotation(harness: SandboxHarness) -> None:
    configuration = harness.gateway.configuration
    credentials = {"secret": "the new secret", "secret_previous": SECRET}
    rotating = SandboxGateway(GatewayConfiguration("ga_1", BASE_URL, credentials, configuration.transport))
    paid(harness)
    [callback] = harness.callbacks()
    assert rotating.verify_webhook(callback.headers, callback.body).event_id


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "signature_missing"),
        ("v1=00", "signature_malformed"),
        ("t=1", "signature_malformed"),
        ("t=1,t=2,v1=00", "signature_malformed"),
        ("t=-1,v1=00", "signature_malformed"),
        ("t=" + "9" * 30 + ",v1=00", "signature_malformed"),
        ("t=²,v1=00", "signature_malformed"),
        ("t=1,v1=00", "signature_wrong"),
        ("x" * 5000, "signature_malformed"),
    ],
)
def test_bad_signature_header_is_refused_with_its_reason(header: str, code: str) -> None:
    with pytest.raises(SignatureRefused) as refused:
        check_signature(header, b"{}", secrets=[SECRET], now=1_800_000_000)
    assert refused.value.code == code


def test_empty_secret_never_verifies() -> None:
    header = sign(b"{}", secrets=[""], timestamp=1_800_000_000)
    with pytest.raises(SignatureRefused):
        check_signature(header, b"{}", secrets=["", SECRET], now=1_800_000_000)
