"""Whom the adapter believes: signatures, keys, shapes, errors."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from payments.gateways.contract import (
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    HttpResponse,
    Outcome,
)
from payments.gateways.wechat.adapter import WechatGateway
from tests.payments.gateways.contract_harness import a_payment, paid
from tests.payments.gateways.simulators.wechat.keyring import (
    MCHID,
    merchant_key,
    platform_key,
    public_key,
    stranger,
    with_certificate,
)
from tests.payments.gateways.wechat_harness import (
    WechatHarness,
    answering,
    configuration,
    gateway_of,
    prepared,
    spoil,
    with_public_key,
)


@pytest.fixture
def harness() -> WechatHarness:
    return WechatHarness()


# --- answers that must not be believed -------------------------------------------------------------------------


def unsigned(response: HttpResponse) -> HttpResponse:
    headers = {name: value for name, value in response.headers.items() if not name.startswith("Wechatpay")}
    return replace(response, headers=headers)


def changed_body(response: HttpResponse) -> HttpResponse:
    return replace(response, body=response.body.replace(b"SUCCESS", b"CLOSED "))


def html(response: HttpResponse) -> HttpResponse:
    return HttpResponse(200, {"Content-Type": "text/html"}, b"<html>Bad gateway</html>")


def html_error(response: HttpResponse) -> HttpResponse:
    return HttpResponse(404, {"Content-Type": "text/html"}, b"<html>Not found</html>")


def html_unauthorized(response: HttpResponse) -> HttpResponse:
    return HttpResponse(401, {"Content-Type": "text/html"}, b"<html>Log in to the proxy</html>")


def probe_signature(response: HttpResponse) -> HttpResponse:
    return replace(response, headers={**response.headers, "Wechatpay-Signature": "WECHATPAY/SIGNTEST/abc"})


@pytest.mark.parametrize(
    "change", [unsigned, changed_body, html, html_error, html_unauthorized, probe_signature], ids=lambda f: f.__name__
)
def test_answer_that_wechat_did_not_sign_is_unknown(
    harness: WechatHarness, change: Callable[[HttpResponse], HttpResponse]
) -> None:
    paid(harness)
    spoil(harness, change)
    with pytest.raises(GatewayOutcomeUnknown):
        harness.fetch()
    assert harness.fetch().outcome is Outcome.SUCCEEDED


def test_unsigned_success_of_a_creation_is_unknown(harness: WechatHarness) -> None:
    prepared(harness)
    spoil(harness, unsigned)
    with pytest.raises(GatewayOutcomeUnknown) as unknown:
        harness.create(a_payment(harness))
    assert unknown.value.code == "signature_missing"


def test_unsigned_204_does_not_close(harness: WechatHarness) -> None:
    harness.create(a_payment(harness))
    spoil(harness, unsigned)
    with pytest.raises(GatewayOutcomeUnknown):
        harness.close()


@pytest.mark.parametrize(
    ("signer", "age_seconds", "code"),
    [("stranger", 0, "signature_wrong"), ("us", 301, "signature_stale"), ("us", -310, "signature_from_the_future")],
)
def test_answer_signed_wrongly_is_unknown(harness: WechatHarness, signer: str, age_seconds: int, code: str) -> None:
    paid(harness)
    private = stranger() if signer == "stranger" else None

    def resign(response: HttpResponse) -> HttpResponse:
        headers = harness.provider.signature(response.body, private=private, age_seconds=age_seconds)
        return replace(response, headers={**response.headers, **headers})

    spoil(harness, resign)
    with pytest.raises(GatewayOutcomeUnknown) as unknown:
        harness.fetch()
    assert unknown.value.code == code


def test_answer_about_a_foreign_order_is_unknown(harness: WechatHarness) -> None:
    paid(harness)
    harness.pay(a_payment(harness, reference="pay_2", amount_minor=77))
    other = harness.provider.desk.transaction(harness.provider.book.orders["pay_2"])

    def misdirected(response: HttpResponse) -> HttpResponse:
        body = json.dumps(other).encode()
        return HttpResponse(200, harness.provider.signature(body), body)

    spoil(harness, misdirected)
    with pytest.raises(GatewayOutcomeUnknown) as unknown:
        harness.fetch("pay_1")
    assert unknown.value.code == "wrong_reference"


@pytest.mark.parametrize("changes", [{"mchid": "1900000999"}, {"out_trade_no": 7}, {"amount": {"total": "1234"}}])
def test_signed_answer_of_another_shape_is_unknown(harness: WechatHarness, changes: dict[str, Any]) -> None:
    paid(harness)

    def reshaped(response: HttpResponse) -> HttpResponse:
        body = json.dumps(json.loads(response.body) | changes).encode()
        return HttpResponse(200, harness.provider.signature(body), body)

    spoil(harness, reshaped)
    with pytest.raises(GatewayOutcomeUnknown):
        harness.fetch()


def test_wrong_amount_and_currency_are_reported_as_they_are_said(harness: WechatHarness) -> None:
    """The door compares; the adapter must not hide it."""
    paid(harness)

    def repriced(response: HttpResponse) -> HttpResponse:
        words = json.loads(response.body)
        words["amount"] = {"total": 1, "currency": "HKD"}
        body = json.dumps(words).encode()
        return HttpResponse(200, harness.provider.signature(body), body)

    spoil(harness, repriced)
    result = harness.fetch()
    assert (result.outcome, result.amount_minor, result.currency) == (Outcome.SUCCEEDED, 1, "HKD")


@pytest.mark.parametrize(
    ("status", "code", "error", "ours"),
    [
        (400, "PARAM_ERROR", GatewayRejected, "gateway_rejected"),
        (400, "NEVER_HEARD_OF", GatewayRejected, "gateway_rejected"),
        (403, "NO_AUTH", GatewayRejected, "account_misconfigured"),
        (403, "NOT_ENOUGH", GatewayRejected, "insufficient_funds"),
        (403, "RULE_LIMIT", GatewayRejected, "gateway_limit"),
        (403, "TRADE_ERROR", GatewayRejected, "declined"),
        (500, "OPENID_MISMATCH", GatewayRejected, "invalid_details"),
        (429, "FREQUENCY_LIMITED", GatewayUnavailable, "gateway_unavailable"),
        (202, "USERPAYING", GatewayOutcomeUnknown, "http_202"),
        (500, "SYSTEM_ERROR", GatewayOutcomeUnknown, "http_500"),
        (500, "BANK_ERROR", GatewayOutcomeUnknown, "http_500"),
        (503, "SERVICE_UNAVAILABLE", GatewayOutcomeUnknown, "http_503"),
        (302, "", GatewayOutcomeUnknown, "http_302"),
    ],
)
def test_signed_error_says_what_to_do(
    harness: WechatHarness, status: int, code: str, error: type[Exception], ours: str
) -> None:
    prepared(harness)
    spoil(harness, answering(harness, status, code))
    with pytest.raises(error) as raised:
        harness.create(a_payment(harness))
    assert getattr(raised.value, "code", "") == ours


@pytest.mark.parametrize("has_public_key", [True, False])
def test_wrong_merchant_key_is_the_accounts_fault_and_nothing_happened(
    harness: WechatHarness, has_public_key: bool
) -> None:
    credentials = {"private_key": replace(merchant_key(), private=stranger()).private_pem}
    settings = with_public_key() if has_public_key else {}
    wrong = configuration(harness.provider, credentials=credentials, settings=settings)
    gateway = WechatGateway(wrong, clock=harness.clock)
    with pytest.raises(GatewayRejected) as refused:
        gateway.create_payment(a_payment(harness))
    assert refused.value.code == "account_misconfigured"
    assert harness.payments_made() == 0


@pytest.mark.parametrize(
    ("credentials", "settings"),
    [
        ({"private_key": ""}, {}),
        ({"private_key": "not a key"}, {}),
        ({"private_key": public_key().public_pem}, {}),
        ({"api_v3_key": "too short"}, {}),
        ({}, {"public_key_id": "PUB_KEY_ID_01", "public_key": "no key"}),
        ({}, {"platform_certificates": "no certificate"}),
    ],
)
def test_account_with_a_key_that_cannot_be_read_cannot_be_saved(
    harness: WechatHarness, credentials: dict[str, str], settings: dict[str, str]
) -> None:
    """The form for gateway accounts tries to build the adapter."""
    with pytest.raises(ValueError):
        WechatGateway(configuration(harness.provider, credentials=credentials, settings=settings))


# --- WeChat's keys ---------------------------------------------------------------------------------------------


def certificate_downloads(harness: WechatHarness) -> int:
    return sum(request.url.endswith("/v3/certificates") for request in harness.provider.requests)


def test_certificates_are_downloaded_once(harness: WechatHarness) -> None:
    for number in range(3):
        harness.create(a_payment(harness, reference=f"pay_{number}"))
    assert certificate_downloads(harness) == 1


def test_payments_at_the_same_moment_wait_for_the_one_download(harness: WechatHarness) -> None:
    """A process that starts under load must not call WeChat unavailable."""
    barrier = threading.Barrier(8)

    def slowly(response: HttpResponse) -> HttpResponse:
        time.sleep(0.05)
        return response

    spoil(harness, slowly)

    def create(number: int) -> Outcome:
        barrier.wait()
        return harness.gateway.create_payment(a_payment(harness, reference=f"pay_{number}")).outcome

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(create, range(8))) == [Outcome.REQUIRES_ACTION] * 8
    assert certificate_downloads(harness) == 1


def test_new_certificate_is_fetched_when_it_first_signs(harness: WechatHarness) -> None:
    prepared(harness)
    harness.provider.certificates = [platform_key(), platform_key("next")]
    harness.provider.answers_with = platform_key("next")
    harness.clock.advance(seconds=61)
    assert paid(harness).outcome is Outcome.SUCCEEDED
    assert certificate_downloads(harness) == 2


def test_unknown_serial_is_looked_up_once_a_minute_and_then_refused(harness: WechatHarness) -> None:
    prepared(harness)
    harness.provider.answers_with = platform_key("nobody told us")
    for _ in range(5):
        with pytest.raises(GatewayOutcomeUnknown) as unknown:
            harness.fetch()
        assert unknown.value.code == "key_unknown"
    assert certificate_downloads(harness) == 1
    harness.clock.advance(seconds=61)
    for _ in range(5):
        with pytest.raises(GatewayOutcomeUnknown):
            harness.fetch()
    assert certificate_downloads(harness) == 2


def test_expired_certificate_signs_nothing(harness: WechatHarness) -> None:
    ended = with_certificate("ended", ends=datetime.now(UTC) - timedelta(days=2))
    prepared(harness)
    harness.clock.advance(seconds=61)
    harness.provider.certificates, harness.provider.answers_with = [platform_key(), ended], ended
    with pytest.raises(GatewayOutcomeUnknown) as unknown:
        harness.create(a_payment(harness))
    assert unknown.value.code == "key_unknown"


def signed_by_nobody_listed(harness: WechatHarness) -> None:
    harness.provider.certificates = [platform_key("next")]


def under_another_api_key(harness: WechatHarness) -> None:
    harness.provider.encrypts_with = "z" * 32


def listed_under_another_serial(harness: WechatHarness) -> None:
    harness.provider.certificates = [replace(platform_key(), serial="0ABCDEF")]


def torn(harness: WechatHarness) -> None:
    spoil(harness, lambda response: replace(response, body=response.body[:100]))


def resigned_by_a_stranger(harness: WechatHarness) -> None:
    def resign(response: HttpResponse) -> HttpResponse:
        return replace(response, headers=harness.provider.signature(response.body, private=stranger()))

    spoil(harness, resign)


def timed_out(harness: WechatHarness) -> None:
    def lose(_: HttpResponse) -> HttpResponse:
        raise GatewayOutcomeUnknown("no answer")

    spoil(harness, lose)


@pytest.mark.parametrize(
    "trouble",
    [
        signed_by_nobody_listed,
        under_another_api_key,
        listed_under_another_serial,
        torn,
        resigned_by_a_stranger,
        timed_out,
    ],
    ids=lambda f: f.__name__,
)
def test_without_a_key_to_check_answers_nothing_is_sent(
    harness: WechatHarness, trouble: Callable[[WechatHarness], None]
) -> None:
    """Nothing happened, so another account may try: better than an answer that nobody can believe."""
    trouble(harness)
    for _ in range(2):
        with pytest.raises(GatewayUnavailable):
            harness.create(a_payment(harness))
    assert harness.payments_made() == 0
    assert certificate_downloads(harness) == len(harness.provider.requests) == 1


def test_first_keys_are_asked_for_again_soon_after_a_failure(harness: WechatHarness) -> None:
    timed_out(harness)
    with pytest.raises(GatewayUnavailable):
        harness.create(a_payment(harness))
    harness.clock.advance(seconds=5)
    assert paid(harness).outcome is Outcome.SUCCEEDED


def test_both_schemes_work_at_once_while_a_merchant_changes_over() -> None:
    harness = WechatHarness(settings=with_public_key())
    result = harness.pay(a_payment(harness))  # answers: public key, for that is what the request names
    assert result.outcome is Outcome.SUCCEEDED
    assert certificate_downloads(harness) == 0
    assert [notice.reference for notice in harness.notices()] == ["pay_1"]
    assert certificate_downloads(harness) == 1  # the callback was signed by a certificate


def test_previous_public_key_is_accepted_beside_the_new_one() -> None:
    settings = with_public_key(
        public_key_id="PUB_KEY_ID_0199",
        public_key=replace(public_key(), private=stranger()).public_pem,
        public_key_id_previous=public_key().serial,
        public_key_previous=public_key().public_pem,
    )
    harness = WechatHarness(settings=settings)
    harness.provider.answers_with = public_key()
    assert paid(harness).outcome is Outcome.SUCCEEDED


def test_given_certificates_stand_in_for_downloaded_ones() -> None:
    harness = WechatHarness(settings={"platform_certificates": platform_key().certificate})
    assert paid(harness).outcome is Outcome.SUCCEEDED
    assert certificate_downloads(harness) == 0
    overrides = {field.name for field in WechatGateway.account_fields if field.is_override}
    assert overrides == {"platform_certificates"}


def test_new_api_v3_key_overlaps_with_the_previous_one(harness: WechatHarness) -> None:
    credentials = {"api_v3_key": "n" * 32, "api_v3_key_previous": harness.provider.encrypts_with}
    gateway = WechatGateway(configuration(harness.provider, credentials=credentials), clock=harness.clock)
    harness.gateway = gateway
    paid(harness)
    harness.provider.encrypts_with = "n" * 32
    harness.pay(a_payment(harness, reference="pay_2"))
    assert [notice.reference for notice in harness.notices()] == ["pay_1", "pay_2"]


def test_probe_says_which_merchant_and_refuses_wrong_keys(harness: WechatHarness) -> None:
    assert gateway_of(harness).probe() == MCHID
    credentials = {"private_key": replace(merchant_key(), private=stranger()).private_pem}
    wrong = WechatGateway(configuration(harness.provider, credentials=credentials), clock=harness.clock)
    with pytest.raises(GatewayRejected):
        wrong.probe()
