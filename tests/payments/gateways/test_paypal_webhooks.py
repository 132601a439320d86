"""Callbacks: what is signed, by whom, where its certificate comes from; and that a forged body credits nothing."""

import json
import zlib
from typing import Any

import pytest

from payments.gateways.contract import (
    GatewayOutcomeUnknown,
    Outcome,
    PaymentResult,
    WebhookRefused,
)
from payments.gateways.paypal.certificates import ROOTS_PEM, CertificateStore
from tests.payments.gateways.contract_harness import SignedCallback, a_payment, paid
from tests.payments.gateways.paypal_harness import CERTIFICATE_URL, PayPalHarness
from tests.payments.gateways.simulators.paypal import signing

HOST = "https://api.sandbox.paypal.com"


@pytest.fixture
def harness() -> PayPalHarness:
    return PayPalHarness()


def a_callback(harness: PayPalHarness) -> SignedCallback:
    paid(harness)
    return harness.callbacks()[-1]


def refusal(harness: PayPalHarness, callback: SignedCallback) -> str:
    with pytest.raises(WebhookRefused) as refused:
        harness.gateway.verify_webhook(callback.headers, callback.body)
    return refused.value.code


def signed_by(harness: PayPalHarness, leaf: signing.Authority, **changes: Any) -> SignedCallback:
    """By another leaf, whose chain the certificate's address serves."""
    chain = changes.pop("chain", [leaf, signing.intermediate()])
    harness.transport.certificates["CERT-2"] = signing.chain_pem(chain)
    body = a_callback(harness).body
    headers = signing.signed_headers(
        body,
        key=leaf.key,
        webhook_id=harness.world.webhook_id,
        at=harness.clock(),
        certificate_url=f"{HOST}{signing.CERTIFICATE_PATH}CERT-2",
    )
    return SignedCallback(headers | changes, body)


# --- the vectors -------------------------------------------------------------------------------------------------


def test_genuine_callback_is_known_by_its_event(harness: PayPalHarness) -> None:
    callback = a_callback(harness)
    identity = harness.gateway.verify_webhook(callback.headers, callback.body)
    event = json.loads(callback.body)
    assert identity.event_id.startswith(event["id"])
    assert identity.event_type == "PAYMENT.CAPTURE.COMPLETED"
    assert identity.occurred_at is not None


def test_certificate_is_fetched_once(harness: PayPalHarness) -> None:
    callback = a_callback(harness)
    for _ in range(3):
        harness.gateway.verify_webhook(callback.headers, callback.body)
    assert len(harness.transport.asked("/certs/")) == 1


@pytest.mark.parametrize(
    "header",
    [
        "paypal-transmission-id",
        "paypal-transmission-time",
        "paypal-transmission-sig",
        "paypal-cert-url",
        "paypal-auth-algo",
    ],
)
def test_callback_without_one_of_its_headers_is_refused(harness: PayPalHarness, header: str) -> None:
    callback = a_callback(harness)
    del callback.headers[header]
    assert refusal(harness, callback) in ("unsigned", "wrong_algorithm")


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("paypal-transmission-id", "another", "forged"),
        ("paypal-transmission-sig", "AAAA", "forged"),
        ("paypal-transmission-sig", "not base64!", "forged"),
        ("paypal-auth-algo", "SHA1withRSA", "wrong_algorithm"),
        ("paypal-transmission-time", "yesterday", "malformed"),
        ("paypal-transmission-time", "2027-01-15T08:00:00", "malformed"),
    ],
)
def test_changed_header_is_refused(harness: PayPalHarness, header: str, value: str, code: str) -> None:
    callback = a_callback(harness)
    callback.headers[header] = value
    assert refusal(harness, callback) == code


def test_callback_of_another_webhook_is_refused(harness: PayPalHarness) -> None:
    callback = a_callback(harness)
    headers = signing.signed_headers(
        callback.body,
        key=signing.leaf().key,
        webhook_id="0XX00000XX000000X",
        at=harness.clock(),
        certificate_url=CERTIFICATE_URL,
    )
    assert refusal(harness, SignedCallback(headers, callback.body)) == "forged"


def test_account_without_a_webhook_id_believes_nobody(harness: PayPalHarness) -> None:
    body = a_callback(harness).body
    harness.gateway = harness.connect(webhook_id="")
    headers = signing.signed_headers(
        body, key=signing.leaf().key, webhook_id="", at=harness.clock(), certificate_url=CERTIFICATE_URL
    )
    assert refusal(harness, SignedCallback(headers, body)) == "no_webhook_id"


def test_older_callbacks_are_taken_where_the_account_says_so(harness: PayPalHarness) -> None:
    body = a_callback(harness).body
    old = harness.sign(body, age_seconds=86_400)
    assert refusal(harness, old) == "stale"
    for slip in ("three days", "-1", "9" * 30):
        with pytest.raises(WebhookRefused):
            harness.connect(webhook_max_age_seconds=slip).verify_webhook(old.headers, old.body)
    patient = harness.connect(webhook_max_age_seconds="259200")
    assert patient.verify_webhook(old.headers, old.body).event_id
    future = harness.sign(body, age_seconds=-310)
    with pytest.raises(WebhookRefused):
        patient.verify_webhook(future.headers, future.body)


# --- the certificate ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        f"http://api.paypal.com{signing.CERTIFICATE_PATH}CERT-1",
        f"https://api.paypal.com.evil.example{signing.CERTIFICATE_PATH}CERT-1",
        f"https://evil.example{signing.CERTIFICATE_PATH}CERT-1",
        f"https://evilpaypal.com{signing.CERTIFICATE_PATH}CERT-1",
        f"https://api.paypal.com@evil.example{signing.CERTIFICATE_PATH}CERT-1",
        f"https://evil.example#.paypal.com{signing.CERTIFICATE_PATH}CERT-1",
        f"https://evil.example\\.paypal.com{signing.CERTIFICATE_PATH}CERT-1",
        f"https://api.paypal.com:8443{signing.CERTIFICATE_PATH}CERT-1",
        f"https://api.paypal.com:port{signing.CERTIFICATE_PATH}CERT-1",
        f"https://api.paypal.com{signing.CERTIFICATE_PATH}../../../redirect?to=evil",
        f"https://api.paypal.com{signing.CERTIFICATE_PATH}CERT-1?to=evil",
        "https://api.paypal.com/",
        "file:///etc/passwd",
    ],
)
def test_certificate_is_only_fetched_from_paypal(harness: PayPalHarness, url: str) -> None:
    callback = a_callback(harness)
    callback.headers["paypal-cert-url"] = url
    assert refusal(harness, callback) == "wrong_certificate_host"
    assert harness.transport.asked("/certs/") == []


def test_certificate_address_of_a_trial_replaces_paypals(harness: PayPalHarness) -> None:
    harness.gateway = harness.connect(certificate_address="http://127.0.0.1:9")
    callback = a_callback(harness)
    assert refusal(harness, callback) == "wrong_certificate_host"
    callback.headers["paypal-cert-url"] = f"http://127.0.0.1:9{signing.CERTIFICATE_PATH}CERT-1"
    assert harness.gateway.verify_webhook(callback.headers, callback.body).event_id


def test_leaf_of_another_root_is_refused(harness: PayPalHarness) -> None:
    stranger = signing.leaf(above="Somebody's Root")
    chain = [stranger, signing.intermediate(above="Somebody's Root"), signing.root("Somebody's Root")]
    assert refusal(harness, signed_by(harness, stranger, chain=chain)) == "untrusted_certificate"


def test_leaf_that_signed_itself_is_refused(harness: PayPalHarness) -> None:
    own = signing.root(signing.COMMON_NAME)
    assert refusal(harness, signed_by(harness, own, chain=[own])) == "untrusted_certificate"


@pytest.mark.parametrize("name", ["www.example.com", "paypal.com.example.com", "evilpaypal.com"])
def test_leaf_of_the_right_root_with_somebody_elses_name_is_refused(harness: PayPalHarness, name: str) -> None:
    assert refusal(harness, signed_by(harness, signing.leaf(name))) == "wrong_certificate_name"


@pytest.mark.parametrize("days", [(-30, -1), (1, 30)])
def test_expired_leaf_and_one_of_tomorrow_are_refused(harness: PayPalHarness, days: tuple[int, int]) -> None:
    start, end = (harness.clock() + day * 86_400 for day in days)
    leaf = signing.leaf(good_from=start, good_until=end)
    assert refusal(harness, signed_by(harness, leaf)) == "certificate_expired"


def test_leaf_that_expires_while_it_is_kept_is_refused(harness: PayPalHarness) -> None:
    soon = signing.leaf(good_from=harness.clock() - 86_400, good_until=harness.clock() + 100)
    callback = signed_by(harness, soon)
    assert harness.gateway.verify_webhook(callback.headers, callback.body).event_id
    harness.clock.advance(150)
    assert refusal(harness, callback) == "certificate_expired"


def test_chain_without_its_intermediate_needs_it_from_the_account(harness: PayPalHarness) -> None:
    callback = signed_by(harness, signing.leaf(), chain=[signing.leaf()])
    assert refusal(harness, callback) == "untrusted_certificate"
    helped = harness.connect(webhook_intermediates_pem=signing.intermediate().pem)
    assert helped.verify_webhook(callback.headers, callback.body).event_id


def test_intermediate_of_the_account_is_no_root(harness: PayPalHarness) -> None:
    stranger = signing.leaf(above="Somebody's Root")
    callback = signed_by(harness, stranger, chain=[stranger])
    harness.gateway = harness.connect(
        webhook_intermediates_pem=signing.intermediate(above="Somebody's Root").pem
        + signing.root("Somebody's Root").pem
    )
    assert refusal(harness, callback) == "untrusted_certificate"


@pytest.mark.parametrize(
    "pem", [b"", b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_malformed_certificate_is_refused(harness: PayPalHarness, pem: bytes) -> None:
    callback = a_callback(harness)
    harness.transport.certificates["CERT-1"] = pem
    assert refusal(harness, callback) in ("malformed_certificate", "no_certificate")


def test_certificate_that_does_not_come_refuses_the_callback(harness: PayPalHarness) -> None:
    callback = a_callback(harness)
    harness.transport.trouble("/certs/", "timeout_before_effect")
    assert refusal(harness, callback) == "no_certificate"
    assert harness.gateway.verify_webhook(callback.headers, callback.body).event_id


@pytest.mark.parametrize("setting", ["trusted_roots_pem", "webhook_intermediates_pem"])
def test_slip_in_the_accounts_certificates_stops_callbacks_and_not_payments(
    harness: PayPalHarness, setting: str
) -> None:
    harness.gateway = harness.connect(**{setting: "a slip"})
    assert refusal(harness, a_callback(harness)) == "bad_certificates"


def test_forger_cannot_make_us_fetch_without_end(harness: PayPalHarness) -> None:
    callback = a_callback(harness)
    harness.gateway.verify_webhook(callback.headers, callback.body)
    for number in range(50):
        forged = callback.headers | {"paypal-cert-url": f"{HOST}{signing.CERTIFICATE_PATH}CERT-X{number}"}
        refusal(harness, SignedCallback(forged, callback.body))
    assert len(harness.transport.asked("/certs/")) == 20
    assert harness.gateway.verify_webhook(callback.headers, callback.body).event_id


def test_pinned_roots_are_digicerts_and_load(harness: PayPalHarness) -> None:
    assert ROOTS_PEM.count("BEGIN CERTIFICATE") == 4
    CertificateStore(harness.transport, clock=harness.clock)
    harness.gateway = harness.connect(trusted_roots_pem="")
    assert refusal(harness, a_callback(harness)) == "untrusted_certificate"


# --- a CRC32 binds nothing ---------------------------------------------------------------------------------------


def forged_body(genuine: bytes, **resource: Any) -> bytes:
    """Another event with the CRC32 of the genuine one."""
    event = json.loads(genuine)
    event["resource"] |= resource
    return signing.with_crc32_of(json.dumps(event).encode(), genuine)


def test_forged_body_under_a_genuine_signature_passes_the_signature_and_credits_nothing(
    harness: PayPalHarness,
) -> None:
    """What PayPal signs cannot tell 12.34 from 99999.00. So nothing of the body is believed: its notice is pending
    and without an amount, and what the API says of the payment is what is true."""
    harness.create(a_payment(harness, reference="pay_2"))
    genuine = a_callback(harness)
    forged = forged_body(
        genuine.body,
        custom_id="pay_2",
        amount={"currency_code": "USD", "value": "99999.00"},
        supplementary_data={"related_ids": {"order_id": harness.told["pay_2"]}},
    )
    assert zlib.crc32(forged) == zlib.crc32(genuine.body)
    assert harness.gateway.verify_webhook(genuine.headers, forged).event_type == "PAYMENT.CAPTURE.COMPLETED"
    assert harness.gateway.webhooks_are_hints
    [notice] = harness.gateway.translate_webhook(forged)
    assert isinstance(notice, PaymentResult)
    assert (notice.reference, notice.outcome) == ("pay_2", Outcome.PENDING)
    assert (notice.amount_minor, notice.captured_minor) == (None, None)
    asked = harness.gateway.fetch_payment(notice.reference, gateway_reference=notice.gateway_reference)
    assert (asked.outcome, asked.captured_minor) == (Outcome.REQUIRES_ACTION, 0)


def test_forged_body_that_names_a_paid_order_for_another_payment_is_unknown(harness: PayPalHarness) -> None:
    genuine = a_callback(harness)
    [notice] = harness.gateway.translate_webhook(forged_body(genuine.body, custom_id="pay_2"))
    assert isinstance(notice, PaymentResult)
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.fetch_payment(notice.reference, gateway_reference=notice.gateway_reference)


def test_forged_body_does_not_stand_in_the_way_of_the_genuine_one(harness: PayPalHarness) -> None:
    genuine = a_callback(harness)
    forged = forged_body(genuine.body, custom_id="pay_2")
    first = harness.gateway.verify_webhook(genuine.headers, forged).event_id
    assert harness.gateway.verify_webhook(genuine.headers, genuine.body).event_id != first
