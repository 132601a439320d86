import json
from dataclasses import replace
from typing import Any

import pytest

from payments.gateways.contract import Outcome, PaymentResult, WebhookRefused
from payments.gateways.wechat.adapter import WechatGateway
from payments.gateways.wechat.keys import NotDecrypted, decrypt
from tests.payments.gateways.contract_harness import SignedCallback, a_payment, a_refund, paid
from tests.payments.gateways.simulators.wechat.keyring import MCHID, platform_key, public_key
from tests.payments.gateways.wechat_harness import WechatHarness, with_public_key

YEAR = 365 * 86_400
NODE_CIPHERTEXT = "DUcclrHBE5NffFMk6pzEyhUqnBCPwM3d9Xr7bF/XsjXQ84WXwTpRLg=="


@pytest.fixture
def harness() -> WechatHarness:
    return WechatHarness()


def a_callback(harness: WechatHarness) -> SignedCallback:
    paid(harness)
    return harness.callbacks()[-1]


def refused(harness: WechatHarness, callback: SignedCallback) -> str:
    """The code that it is refused with."""
    with pytest.raises(WebhookRefused) as refusal:
        harness.gateway.verify_webhook(callback.headers, callback.body)
    return refusal.value.code


def certificate_downloads(harness: WechatHarness) -> int:
    return sum(request.url.endswith("/v3/certificates") for request in harness.provider.requests)


def test_callback_is_identified_by_the_notices_own_id(harness: WechatHarness) -> None:
    callback = a_callback(harness)
    identity = harness.gateway.verify_webhook(callback.headers, callback.body)
    assert identity.event_id == json.loads(callback.body)["id"]
    assert identity.event_type == "TRANSACTION.SUCCESS"
    assert identity.occurred_at == harness.clock.moment()


@pytest.mark.parametrize("age_seconds", [YEAR, 301, -301, -YEAR])
def test_year_old_callback_is_refused_though_its_signature_is_good(harness: WechatHarness, age_seconds: int) -> None:
    old = harness.sign(a_callback(harness).body, age_seconds=age_seconds)
    assert refused(harness, old) in ("signature_stale", "signature_from_the_future")


def test_callback_that_lay_for_a_year_is_refused(harness: WechatHarness) -> None:
    callback = a_callback(harness)
    assert harness.gateway.verify_webhook(callback.headers, callback.body)
    harness.clock.advance(seconds=YEAR)
    assert refused(harness, callback) == "signature_stale"


def test_probe_of_the_signature_check_is_refused_by_its_own_code(harness: WechatHarness) -> None:
    callback = a_callback(harness)
    headers = callback.headers | {"wechatpay-signature": "WECHATPAY/SIGNTEST/oGWHXZ8yPvYIDk+oJOhw"}
    before = len(harness.provider.requests)
    assert refused(harness, SignedCallback(headers, callback.body)) == "signtest"
    assert len(harness.provider.requests) == before


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"wechatpay-signature": ""}, "signature_missing"),
        ({"wechatpay-serial": ""}, "signature_missing"),
        ({"wechatpay-nonce": ""}, "signature_missing"),
        ({"wechatpay-timestamp": ""}, "signature_missing"),
        ({"wechatpay-timestamp": "soon"}, "signature_malformed"),
        ({"wechatpay-timestamp": "1" * 13}, "signature_malformed"),
        ({"wechatpay-signature": "%%%"}, "signature_malformed"),
        ({"wechatpay-signature": "签名"}, "signature_malformed"),
        ({"wechatpay-nonce": "n" * 4000}, "signature_malformed"),
        ({"wechatpay-signature-type": "WECHATPAY2-SM2-WITH-SM3"}, "signature_malformed"),
        ({"wechatpay-nonce": "another"}, "signature_wrong"),
        ({"wechatpay-serial": "PUB_KEY_ID_0999"}, "key_unknown"),
        ({"wechatpay-serial": "not hexadecimal"}, "key_unknown"),
        ({"wechatpay-serial": "AB" * 40}, "key_unknown"),
    ],
)
def test_header_that_does_not_fit_is_refused(harness: WechatHarness, changes: dict[str, str], code: str) -> None:
    callback = a_callback(harness)
    assert refused(harness, SignedCallback(callback.headers | changes, callback.body)) == code


def test_unknown_serial_fetches_the_certificates_once_and_then_refuses(harness: WechatHarness) -> None:
    callback = a_callback(harness)
    harness.clock.advance(seconds=61)
    before = certificate_downloads(harness)
    for number in range(5):
        forged = harness.provider.sign_callback(callback.body, key=platform_key(f"made up {number % 2}"))
        assert refused(harness, forged) == "key_unknown"
    assert certificate_downloads(harness) == before + 1


def test_callback_by_a_new_certificate_is_accepted(harness: WechatHarness) -> None:
    callback = a_callback(harness)
    harness.clock.advance(seconds=61)
    harness.provider.certificates.append(platform_key("next"))
    again = harness.provider.sign_callback(callback.body, key=platform_key("next"))
    assert harness.gateway.verify_webhook(again.headers, again.body).event_id


def test_callback_when_the_certificates_cannot_be_had_is_refused_and_comes_again(harness: WechatHarness) -> None:
    callback = a_callback(harness)
    fresh = WechatGateway(harness.gateway.configuration, clock=harness.clock)
    harness.provider.is_reachable = False
    with pytest.raises(WebhookRefused) as refusal:
        fresh.verify_webhook(callback.headers, callback.body)
    assert refusal.value.code == "key_unavailable"
    harness.provider.is_reachable = True
    harness.clock.advance(seconds=61)
    assert fresh.verify_webhook(callback.headers, callback.body).event_id


def test_callbacks_of_both_schemes_are_accepted_during_the_change() -> None:
    harness = WechatHarness(settings=with_public_key())
    callback = a_callback(harness)
    for key in (platform_key(), public_key()):
        signed = harness.provider.sign_callback(callback.body, key=key)
        assert harness.gateway.verify_webhook(signed.headers, signed.body).event_id


def reencrypted(harness: WechatHarness, body: bytes, **changes: Any) -> SignedCallback:
    notice = json.loads(body) | changes
    return harness.sign(json.dumps(notice).encode())


@pytest.mark.parametrize("part", ["ciphertext", "nonce", "associated_data", "algorithm"])
def test_notice_with_a_changed_envelope_is_refused_even_under_a_good_signature(
    harness: WechatHarness, part: str
) -> None:
    callback = a_callback(harness)
    resource = json.loads(callback.body)["resource"] | {part: "AAAAAAAAAAAA"}
    assert refused(harness, reencrypted(harness, callback.body, resource=resource)) == "not_decrypted"


@pytest.mark.parametrize("resource", [None, 7, [], {}, {"algorithm": 7}])
def test_notice_without_an_envelope_is_refused(harness: WechatHarness, resource: object) -> None:
    callback = a_callback(harness)
    assert refused(harness, reencrypted(harness, callback.body, resource=resource)) in ("not_decrypted", "malformed")


@pytest.mark.parametrize("changes", [{"id": ""}, {"id": 7}, {"event_type": []}])
def test_notice_without_an_identity_is_refused(harness: WechatHarness, changes: dict[str, Any]) -> None:
    assert refused(harness, reencrypted(harness, a_callback(harness).body, **changes)) == "malformed"


def test_notice_for_another_merchant_is_refused(harness: WechatHarness) -> None:
    """An app may serve several merchants; WeChat signs for all of them with the same key."""
    paid(harness)
    words = harness.provider.desk.transaction(harness.provider.book.orders["pay_1"]) | {"mchid": "1900000999"}
    assert refused(harness, harness.provider.notice("TRANSACTION.SUCCESS", "transaction", words)) == "foreign_merchant"


def test_notice_of_another_kind_says_nothing_about_money(harness: WechatHarness) -> None:
    notice = harness.provider.notice("MERCHANT_TRANSFER.BILL.FINISHED", "transfer", {"mchid": MCHID})
    assert harness.gateway.verify_webhook(notice.headers, notice.body).event_type == "MERCHANT_TRANSFER.BILL.FINISHED"
    assert harness.gateway.translate_webhook(notice.body) == []


@pytest.mark.parametrize("changes", [{"out_trade_no": ""}, {"out_trade_no": 7}, {"amount": {"total": 1.5}}])
def test_transaction_of_another_shape_is_refused(harness: WechatHarness, changes: dict[str, Any]) -> None:
    paid(harness)
    words = harness.provider.desk.transaction(harness.provider.book.orders["pay_1"]) | changes
    notice = harness.provider.notice("TRANSACTION.SUCCESS", "transaction", words)
    assert harness.gateway.verify_webhook(notice.headers, notice.body)
    with pytest.raises(WebhookRefused):
        harness.gateway.translate_webhook(notice.body)


def test_wrong_amount_in_a_notice_is_reported_as_it_is_said(harness: WechatHarness) -> None:
    paid(harness)
    words = harness.provider.desk.transaction(harness.provider.book.orders["pay_1"])
    words["amount"] = {"total": 1, "currency": "HKD"}
    notice = harness.provider.notice("TRANSACTION.SUCCESS", "transaction", words)
    (result,) = harness.gateway.translate_webhook(notice.body)
    assert isinstance(result, PaymentResult)
    assert (result.outcome, result.amount_minor, result.currency) == (Outcome.SUCCEEDED, 1, "HKD")


@pytest.mark.parametrize("amount", [None, {}, {"currency": "CNY"}])
def test_success_without_an_amount_credits_nobody(harness: WechatHarness, amount: dict[str, str] | None) -> None:
    paid(harness)
    words = harness.provider.desk.transaction(harness.provider.book.orders["pay_1"]) | {"amount": amount}
    with pytest.raises(WebhookRefused):
        harness.gateway.translate_webhook(harness.provider.notice("TRANSACTION.SUCCESS", "transaction", words).body)


def test_late_failure_notice_does_not_say_that_the_payment_failed(harness: WechatHarness) -> None:
    """A state that is not listed is pending, whatever the notice is called."""
    paid(harness)
    words = harness.provider.desk.transaction(harness.provider.book.orders["pay_1"]) | {"trade_state": "PAYERROR"}
    (result,) = harness.gateway.translate_webhook(
        harness.provider.notice("TRANSACTION.FAIL", "transaction", words).body
    )
    assert isinstance(result, PaymentResult)
    assert result.outcome is Outcome.PENDING


def test_callbacks_of_payment_and_refund_say_the_same_in_any_order(harness: WechatHarness) -> None:
    payment = paid(harness)
    refund = harness.gateway.create_refund(a_refund(harness, payment, amount_minor=234))
    callbacks = harness.callbacks()
    assert len(callbacks) == 2
    told = [harness.gateway.translate_webhook(callback.body)[0] for callback in reversed(callbacks)]
    assert told == [refund, payment]


def test_translating_asks_nothing_of_wechat(harness: WechatHarness) -> None:
    callback = a_callback(harness)
    before = len(harness.provider.requests)
    harness.gateway.translate_webhook(callback.body)
    assert len(harness.provider.requests) == before


def test_acknowledgement_is_the_success_that_both_interfaces_take() -> None:
    status, content_type, words = WechatGateway.webhook_acknowledgement
    assert (status, content_type) == (200, "text/xml")
    assert b"<return_code><![CDATA[SUCCESS]]></return_code>" in words


def test_envelope_made_by_openssl_is_opened() -> None:
    """A vector made outside of Python: node's crypto (OpenSSL), aes-256-gcm, key of 32 letters, 12-letter nonce."""
    envelope = {
        "algorithm": "AEAD_AES_256_GCM",
        "nonce": "fdasflkja484",
        "associated_data": "transaction",
        "ciphertext": NODE_CIPHERTEXT,
    }
    assert decrypt(envelope, keys=("x" * 32, "0123456789abcdef0123456789abcdef")) == b'{"out_trade_no":"pay_1"}'
    with pytest.raises(NotDecrypted):
        decrypt(envelope | {"associated_data": "refund"}, keys=("0123456789abcdef0123456789abcdef",))
    with pytest.raises(NotDecrypted):
        decrypt(envelope, keys=("too short",))


def test_second_payment_is_not_hidden_by_the_first(harness: WechatHarness) -> None:
    paid(harness)
    harness.pay(a_payment(harness, reference="pay_2"))
    ids = {harness.gateway.verify_webhook(c.headers, c.body).event_id for c in harness.callbacks()}
    assert len(ids) == 2


def test_replacing_the_body_keeps_no_old_signature(harness: WechatHarness) -> None:
    first = a_callback(harness)
    harness.pay(a_payment(harness, reference="pay_2", amount_minor=1))
    second = harness.callbacks()[-1]
    assert refused(harness, replace(first, body=second.body)) == "signature_wrong"
