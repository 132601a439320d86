"""Alipay's wire: what we sign, what we believe, both key modes, and a change of keys."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from payments.gateways.alipay import keys, words
from payments.gateways.alipay.adapter import AlipayGateway
from payments.gateways.contract import (
    GatewayConfiguration,
    GatewayOutcomeUnknown,
    GatewayRejected,
    HttpResponse,
    Outcome,
)
from tests.payments.gateways.alipay_harness import (
    ADDRESS,
    SETTINGS,
    AlipayHarness,
    a_merchant,
    credentials,
)
from tests.payments.gateways.contract_harness import a_payment, paid
from tests.payments.gateways.simulators.alipay import wire

QUERY = "alipay.trade.query"
PAID = {
    "code": "10000",
    "msg": "Success",
    "out_trade_no": "pay_1",
    "trade_no": "2026112222001400001",
    "total_amount": "12.34",
    "trade_status": "TRADE_SUCCESS",
    "send_pay_date": "2026-11-22 12:00:00",
}


@pytest.fixture
def alipay() -> AlipayHarness:
    return AlipayHarness()


def answering(harness: AlipayHarness, body: bytes, *, status: int = 200) -> AlipayGateway:
    return AlipayGateway(
        GatewayConfiguration("ga_1", ADDRESS, credentials(), lambda _request: HttpResponse(status, {}, body), SETTINGS),
        clock=harness.clock,
    )


def signed(told: dict[str, Any], *, method: str = QUERY, key: str = "alipay") -> bytes:
    return wire.answer(method, told, key=wire.key_pair(key))


# --- requests ----------------------------------------------------------------------------------------------------


def test_request_is_signed_over_its_sorted_parameters_and_stamped_in_beijing(alipay: AlipayHarness) -> None:
    alipay.clock.now = datetime(2026, 11, 22, 23, 30, tzinfo=UTC).timestamp()
    alipay.fetch()
    [sent] = alipay.provider.requests
    assert sent["timestamp"] == "2026-11-23 07:30:00"
    assert json.loads(sent["biz_content"]) == {"out_trade_no": "pay_1"}
    unsigned = "&".join(f"{name}={sent[name]}" for name in sorted(sent) if name != "sign")
    assert sent["sign"] == wire.sign(wire.key_pair("app"), unsigned)  # PKCS#1 v1.5 signatures are one and the same


def test_common_parameters_travel_in_the_query_and_content_in_the_body(alipay: AlipayHarness) -> None:
    seen = []
    gateway = AlipayGateway(
        GatewayConfiguration("ga_1", ADDRESS, credentials(), lambda request: seen.append(request), SETTINGS)  # type: ignore[arg-type,func-returns-value] # only looks
    )
    with pytest.raises(AttributeError):
        gateway.probe()
    [request] = seen
    assert request.body.startswith(b"biz_content=%7B")
    assert b"sign=" not in request.body
    assert "charset=utf-8" in request.url
    assert "biz_content" not in request.url


@pytest.mark.parametrize("private", [wire.private_pem(wire.key_pair("app")), wire.private_base64(wire.key_pair("app"))])
@pytest.mark.parametrize(
    "public", [wire.public_pem(wire.key_pair("alipay")), wire.public_base64(wire.key_pair("alipay"))]
)
def test_keys_work_as_alipays_tool_and_console_write_them(alipay: AlipayHarness, private: str, public: str) -> None:
    assert alipay.connect(app_private_key=private, alipay_public_key=public).probe()


def test_short_and_foreign_keys_are_refused() -> None:
    short = wire.rsa.generate_private_key(public_exponent=65537, key_size=1024)
    curve = ec.generate_private_key(ec.SECP256R1())
    pem = curve.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    for text in (wire.private_pem(short), pem):
        with pytest.raises(keys.KeyUnusable):
            keys.load_private_key(text)
    with pytest.raises(keys.KeyUnusable):
        keys.load_public_key(wire.public_pem(short))


# --- answers that are believed -----------------------------------------------------------------------------------


def test_answer_is_verified_over_its_own_characters(alipay: AlipayHarness) -> None:
    """Escaped slashes, blanks, Chinese, a brace in a text: written again it would be another text."""
    value = (
        r'{"code":"10000", "msg":"a\/b } \" { \\", "subject":"\u4f1a员", "out_trade_no":"pay_1",'
        r'"trade_no":"1","total_amount":12.34,"trade_status":"TRADE_SUCCESS"}'
    )
    signature = wire.sign(wire.key_pair("alipay"), value)
    for text in (
        f'{{"alipay_trade_query_response":{value},"sign":"{signature}"}}',
        f'{{ "sign" : "{signature}" ,\n "alipay_trade_query_response" : {value} , "alipay_cert_sn":"x" }}\n',
    ):
        assert answering(alipay, text.encode()).fetch_payment("pay_1").captured_minor == 1234


def test_error_response_is_read_when_it_is_signed(alipay: AlipayHarness) -> None:
    body = signed({"code": "40002", "sub_code": "isv.invalid-app-id"}, method="error")
    with pytest.raises(GatewayRejected) as refused:
        answering(alipay, body).fetch_payment("pay_1")
    assert refused.value.code == "account_misconfigured"


# --- answers that are not ----------------------------------------------------------------------------------------


def _value(body: bytes) -> bytes:
    return body[body.index(b":") + 1 : body.rindex(b',"sign"')]


BAD_ANSWERS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _body: b"",
    "html": lambda _body: b"<html><body>gateway</body></html>",
    "torn": lambda body: body[:-9],
    "half": lambda body: body[: len(body) // 2],
    "unsigned": lambda body: body[: body.rindex(b',"sign"')] + b"}",
    "empty signature": lambda body: body[: body.rindex(b',"sign"')] + b',"sign":""}',
    "signature of another kind": lambda body: body[: body.rindex(b',"sign"')] + b',"sign":["x"]}',
    "not base64": lambda body: body.replace(b'"sign":"', b'"sign":"!!'),
    "changed amount": lambda body: body.replace(b"12.34", b"12.35"),
    "changed number": lambda body: body.replace(b"pay_1", b"pay_2"),
    "signed by somebody else": lambda body: signed(json.loads(_value(body)), key="somebody"),
    "answer of another method": lambda body: body.replace(b"alipay_trade", b"alipay_truce"),
    "two answers": lambda body: body[: body.index(b":")] + b':{"code":"10000"},' + body.removeprefix(b"{"),
    "something behind": lambda body: body + b"{}",
    "a list": lambda body: b"[" + body + b"]",
    "not UTF-8": lambda body: body.replace(b"Success", b"\xff"),
    "deep": lambda _body: b'{"a":' * 100_000,
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_answer_that_is_not_alipays_is_unknown(alipay: AlipayHarness, name: str) -> None:
    paid(alipay)
    alipay.provider.tamper = BAD_ANSWERS[name]
    with pytest.raises(GatewayOutcomeUnknown):
        alipay.fetch()
    assert alipay.fetch().outcome is Outcome.SUCCEEDED  # and was not forgotten by it


@pytest.mark.parametrize("name", BAD_ANSWERS)
@pytest.mark.parametrize("method", ["alipay_qr", "alipay_mandate"])
def test_payment_with_such_an_answer_is_never_failed(alipay: AlipayHarness, name: str, method: str) -> None:
    request = alipay.dress(a_payment(alipay, method=method))
    alipay.provider.tamper = BAD_ANSWERS[name] if "amount" not in name or method == "alipay_mandate" else lambda _: b""
    with pytest.raises(GatewayOutcomeUnknown):
        alipay.create(request)


@pytest.mark.parametrize(
    "changes",
    [
        {"out_trade_no": "pay_2"},
        {"out_trade_no": None},
        {"trade_no": ""},
        {"trade_no": ["1"]},
        {"total_amount": "12.345"},
        {"total_amount": "1e3"},
        {"total_amount": "１２.34"},
        {"total_amount": ""},
        {"total_amount": None},
        {"send_pay_date": "yesterday"},
        {"trade_status": ["TRADE_SUCCESS"]},
        {"code": "20000", "sub_code": "isp.unknow-error"},
        {"code": "40004", "sub_code": "ACQ.SYSTEM_ERROR"},
        {"code": "40005", "sub_code": "isv.app-call-limited"},
        {"code": "99999"},
        {"code": None},
    ],
)
def test_signed_answer_that_cannot_be_used_is_unknown(alipay: AlipayHarness, changes: dict[str, Any]) -> None:
    with pytest.raises(GatewayOutcomeUnknown):
        answering(alipay, signed(PAID | changes)).fetch_payment("pay_1")


@pytest.mark.parametrize("status", [302, 400, 403, 404, 429, 500, 502, 503])
def test_other_status_is_unknown_even_with_a_good_answer(alipay: AlipayHarness, status: int) -> None:
    """Alipay answers 200 to everything it understands: another status is somebody between."""
    with pytest.raises(GatewayOutcomeUnknown):
        answering(alipay, signed(PAID), status=status).fetch_payment("pay_1")


def test_other_amount_and_currency_are_reported_as_said(alipay: AlipayHarness) -> None:
    told = answering(alipay, signed(PAID | {"total_amount": "0.01", "trans_currency": "USD"})).fetch_payment("pay_1")
    assert (told.outcome, told.amount_minor, told.currency) == (Outcome.SUCCEEDED, 1, "USD")


@pytest.mark.parametrize("value", ["1", "1.5", "0.01", "100000000.00", "-3.20"])
def test_amounts_are_read_without_a_float(value: str) -> None:
    assert words.minor(value) == round(float(value) * 100)


def test_amounts_are_written_with_two_decimals() -> None:
    assert [words.yuan(minor) for minor in (1, 10, 100, 1234, 10_000_000_000)] == [
        "0.01",
        "0.10",
        "1.00",
        "12.34",
        "100000000.00",
    ]


# --- certificates ------------------------------------------------------------------------------------------------


def a_name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


CHINA = (NameOID.COUNTRY_NAME, "CN")
ISSUER = a_name(
    CHINA,
    (NameOID.ORGANIZATION_NAME, "Ant Financial"),
    (NameOID.ORGANIZATIONAL_UNIT_NAME, "Certification Authority"),
    (NameOID.COMMON_NAME, "Ant Financial Certification Authority Class 2 R1"),
)


def a_certificate(key: Any, *, issuer: x509.Name = ISSUER, signer: Any = None) -> str:
    subject = a_name(CHINA, (NameOID.ORGANIZATION_NAME, "a shop"), (NameOID.COMMON_NAME, "2088102175794899"))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1825))
        .sign(signer or wire.key_pair("ca"), hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def certificate_mode(harness: AlipayHarness) -> AlipayGateway:
    """As an account in certificate mode is set up, on both sides."""
    own, theirs = a_certificate(wire.key_pair("app")), a_certificate(wire.key_pair("alipay"))
    curve = ec.generate_private_key(ec.SECP256R1())
    roots = "\n\n".join(
        [a_certificate(curve, signer=curve), a_certificate(wire.key_pair("ca")), a_certificate(wire.key_pair("ca"))]
    )
    harness.provider.merchant = a_merchant(
        certificates=(keys.certificate_number(own), keys.root_numbers(roots), keys.certificate_number(theirs))
    )
    given = {"app_private_key": credentials()["app_private_key"], "alipay_public_cert": theirs}
    settings = SETTINGS | {"app_cert": own, "alipay_root_cert": roots}
    return AlipayGateway(GatewayConfiguration("ga_1", ADDRESS, given, harness.provider, settings), clock=harness.clock)


def test_certificate_mode_names_both_certificates_and_believes_alipays(alipay: AlipayHarness) -> None:
    gateway = certificate_mode(alipay)
    assert gateway.probe()
    assert len(alipay.provider.requests[-1]["alipay_root_cert_sn"].split("_")) == 2  # the elliptic one is left out
    with pytest.raises(GatewayOutcomeUnknown):
        answering(alipay, signed(PAID, key="somebody")).fetch_payment("pay_1")


def test_unusable_certificates_are_the_accounts_fault(alipay: AlipayHarness) -> None:
    for settings in ({"app_cert": "x"}, {"app_cert": a_certificate(wire.key_pair("app")), "alipay_root_cert": "y"}):
        gateway = AlipayGateway(
            GatewayConfiguration("ga_1", ADDRESS, credentials(), alipay.provider, SETTINGS | settings)
        )
        with pytest.raises(GatewayRejected) as refused:
            gateway.probe()
        assert refused.value.code == "account_misconfigured"
    assert alipay.provider.requests == []


# --- a change of Alipay's key ------------------------------------------------------------------------------------


def test_both_keys_are_believed_while_alipays_is_being_changed(alipay: AlipayHarness) -> None:
    old, new = (wire.public_base64(wire.key_pair(name)) for name in ("alipay", "alipay next"))
    changing = alipay.connect(alipay_public_key=new, alipay_public_key_previous=old)
    only_new = alipay.connect(alipay_public_key=new)
    paid(alipay)
    callback = alipay.callbacks()[-1]
    assert changing.fetch_payment("pay_1").outcome is Outcome.SUCCEEDED
    assert changing.verify_webhook({}, callback.body).event_id
    with pytest.raises(GatewayOutcomeUnknown):
        only_new.fetch_payment("pay_1")
    alipay.provider.key_name = "alipay next"
    assert changing.fetch_payment("pay_1").outcome is Outcome.SUCCEEDED
    assert only_new.fetch_payment("pay_1").outcome is Outcome.SUCCEEDED
