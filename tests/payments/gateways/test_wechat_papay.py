"""The XML interface of mandates: what is signed, what is read, and its notices."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from payments.gateways.contract import (
    GatewayOutcomeUnknown,
    HttpResponse,
    Outcome,
    PaymentResult,
    WebhookRefused,
)
from payments.gateways.wechat.adapter import WechatGateway
from payments.gateways.wechat.v2 import MAX_BYTES, XmlRefused, is_genuine, read_xml, signature, write_xml
from tests.payments.gateways.contract_harness import SignedCallback, a_payment
from tests.payments.gateways.simulators.wechat import papay
from tests.payments.gateways.simulators.wechat.keyring import API_V2_KEY, MCHID, OTHER_API_V2_KEY
from tests.payments.gateways.wechat_harness import (
    MandateHarness,
    configuration,
)

DOCUMENTED_FIELDS = {
    "appid": "wxd930ea5d5a258f4f",
    "mch_id": "10000100",
    "device_info": "1000",
    "body": "test",
    "nonce_str": "ibuaiVcKdpRxkhJA",
}
DOCUMENTED_KEY = "192006250b4c09247ec02edce69f6a2d"


@pytest.fixture
def harness() -> MandateHarness:
    return MandateHarness()


# --- the XML interface -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sign_type", "expected"),
    [
        ("MD5", "9A0A8659F005D6984697E2CA0A9CF3B7"),
        ("HMAC-SHA256", "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6"),
    ],
)
def test_signature_of_the_documented_example(sign_type: str, expected: str) -> None:
    """安全规范, 签名算法: the provider's own numbers."""
    assert signature(DOCUMENTED_FIELDS, key=DOCUMENTED_KEY, sign_type=sign_type) == expected
    assert is_genuine({**DOCUMENTED_FIELDS, "sign": expected}, keys=("x", DOCUMENTED_KEY))
    assert is_genuine({**DOCUMENTED_FIELDS, "sign": expected, "empty": ""}, keys=(DOCUMENTED_KEY,))
    assert not is_genuine({**DOCUMENTED_FIELDS, "sign": expected, "more": "1"}, keys=(DOCUMENTED_KEY,))
    assert not is_genuine({**DOCUMENTED_FIELDS, "sign": expected}, keys=("",))


@pytest.mark.parametrize("given", ["", "A" * 31, "签" * 32, "A" * 64])
def test_signature_of_another_shape_is_not_genuine(given: str) -> None:
    assert not is_genuine({**DOCUMENTED_FIELDS, "sign": given}, keys=(DOCUMENTED_KEY,))


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE xml [<!ENTITY a "b">]><xml><a>&a;</a></xml>',
        b'<!DOCTYPE xml SYSTEM "file:///etc/passwd"><xml><a>1</a></xml>',
        b'<?xml version="1.0"?><!DOCTYPE xml [<!ENTITY x SYSTEM "file:///etc/passwd">]><xml><a>&x;</a></xml>',
        b"<!DOCTYPE xml><xml><a>1</a></xml>",
        b"<html><body>502</body></html>",
        b"<xml><a>1</a>",
        b"<xml><a>1</a><a>2</a></xml>",
        b"<xml><a><b>1</b></a></xml>",
        b"",
        b"<",
        b"<xml>&nbsp;</xml>",
        b"<xml>" + b"<a>" * 5000,
        b"<xml><a>" + b"x" * MAX_BYTES + b"</a></xml>",
        "<xml><a>é</a></xml>".encode("latin-1"),
    ],
)
def test_xml_that_is_not_flat_and_plain_is_refused(body: bytes) -> None:
    with pytest.raises(XmlRefused):
        read_xml(body)


def test_xml_is_read_as_it_was_written() -> None:
    fields = {"body": "a < b & ]]> 会员", "empty": "", "sign": "X"}
    assert read_xml(write_xml(fields)) == fields
    assert papay.from_xml(write_xml(fields)) == fields
    assert read_xml(b"<xml><!-- seen --><a><![CDATA[<b>]]></a></xml>") == {"a": "<b>"}


def unsigned(response: HttpResponse) -> HttpResponse:
    fields = papay.from_xml(response.body)
    return replace(response, body=papay.to_xml({name: value for name, value in fields.items() if name != "sign"}))


def changed(response: HttpResponse) -> HttpResponse:
    return replace(response, body=response.body.replace(b"1234", b"1235"))


def torn(response: HttpResponse) -> HttpResponse:
    return replace(response, body=response.body[:-20])


def html(response: HttpResponse) -> HttpResponse:
    return replace(response, body=b"<html>busy</html>")


def doctype(response: HttpResponse) -> HttpResponse:
    return replace(response, body=b'<!DOCTYPE x [<!ENTITY a "b">]>' + response.body)


def server_error(response: HttpResponse) -> HttpResponse:
    return replace(response, status=502)


def refused_without_signature(response: HttpResponse) -> HttpResponse:
    return replace(response, body=papay.to_xml({"return_code": "FAIL", "return_msg": "系统繁忙"}))


def another_merchant(response: HttpResponse) -> HttpResponse:
    fields = papay.from_xml(response.body) | {"mch_id": "1900000999"}
    return replace(response, body=papay.to_xml(fields | {"sign": papay.sign(fields)}))


def another_order(response: HttpResponse) -> HttpResponse:
    fields = papay.from_xml(response.body) | {"out_trade_no": "pay_2"}
    return replace(response, body=papay.to_xml(fields | {"sign": papay.sign(fields)}))


@pytest.mark.parametrize(
    "change",
    [
        unsigned,
        changed,
        torn,
        html,
        doctype,
        server_error,
        refused_without_signature,
        another_merchant,
        another_order,
    ],
    ids=lambda f: f.__name__,
)
def test_xml_answer_that_cannot_be_believed_is_unknown(
    harness: MandateHarness, change: Callable[[HttpResponse], HttpResponse]
) -> None:
    harness.pay(a_payment(harness))
    harness.provider.spoils.append(change)
    with pytest.raises(GatewayOutcomeUnknown):
        harness.fetch()
    assert harness.fetch().outcome is Outcome.SUCCEEDED


# --- notices ---------------------------------------------------------------------------------------------------


def a_notice(harness: MandateHarness, reference: str = "pay_1") -> SignedCallback:
    harness.pay(a_payment(harness, reference=reference))
    return harness.callbacks()[-1]


def test_failed_charge_is_told_with_its_reason(harness: MandateHarness) -> None:
    harness.decline_next_payment("pay_1")
    notice = a_notice(harness)
    (result,) = harness.gateway.translate_webhook(notice.body)
    assert isinstance(result, PaymentResult)
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, "insufficient_funds")
    assert harness.gateway.verify_webhook(notice.headers, notice.body).event_id == "v2:pay_1:PAY_FAIL:"


def test_failure_told_by_result_code_alone_is_a_failure(harness: MandateHarness) -> None:
    fields = {"return_code": "SUCCESS", "result_code": "FAIL", "mch_id": MCHID, "out_trade_no": "pay_1"}
    notice = harness.provider.papay.notice(fields | {"err_code": "0", "err_code_des": "业务成功"})
    assert harness.gateway.verify_webhook(notice.headers, notice.body)
    (result,) = harness.gateway.translate_webhook(notice.body)
    assert isinstance(result, PaymentResult)
    assert (result.outcome, result.failure_code) == (Outcome.FAILED, "declined")


def test_replayed_notice_is_the_same_event_whenever_it_comes(harness: MandateHarness) -> None:
    notice = a_notice(harness)
    first = harness.gateway.verify_webhook(notice.headers, notice.body)
    harness.clock.advance(days=1)
    assert harness.gateway.verify_webhook(notice.headers, notice.body) == first


@pytest.mark.parametrize("days", [2.1, 365])
def test_notice_that_is_days_old_is_refused(harness: MandateHarness, days: float) -> None:
    notice = a_notice(harness)
    harness.clock.advance(days=days)
    with pytest.raises(WebhookRefused) as refused:
        harness.gateway.verify_webhook(notice.headers, notice.body)
    assert refused.value.code == "signature_stale"


def test_notice_from_the_future_is_refused(harness: MandateHarness) -> None:
    notice = a_notice(harness)
    harness.clock.advance(days=-1)
    with pytest.raises(WebhookRefused):
        harness.gateway.verify_webhook(notice.headers, notice.body)


def test_key_change_overlaps(harness: MandateHarness) -> None:
    notice = a_notice(harness)
    for credentials in (
        {"api_v2_key": OTHER_API_V2_KEY, "api_v2_key_previous": API_V2_KEY},
        {"api_v2_key": API_V2_KEY, "api_v2_key_previous": OTHER_API_V2_KEY},
    ):
        gateway = WechatGateway(configuration(harness.provider, credentials=credentials), clock=harness.clock)
        assert gateway.verify_webhook(notice.headers, notice.body)
    changed_over = configuration(harness.provider, credentials={"api_v2_key": OTHER_API_V2_KEY})
    with pytest.raises(WebhookRefused):
        WechatGateway(changed_over, clock=harness.clock).verify_webhook(notice.headers, notice.body)


def test_account_without_mandates_takes_no_xml_notice(harness: MandateHarness) -> None:
    notice = a_notice(harness)
    gateway = WechatGateway(configuration(harness.provider, credentials={"api_v2_key": ""}), clock=harness.clock)
    with pytest.raises(WebhookRefused) as refused:
        gateway.verify_webhook(notice.headers, notice.body)
    assert refused.value.code == "key_unknown"


def test_notice_with_entities_is_refused(harness: MandateHarness) -> None:
    notice = a_notice(harness)
    body = b'<!DOCTYPE xml [<!ENTITY a "b">]>' + notice.body
    with pytest.raises(WebhookRefused):
        harness.gateway.verify_webhook(notice.headers, body)
    with pytest.raises(WebhookRefused):
        harness.gateway.translate_webhook(body)


def test_notice_for_another_merchant_is_refused(harness: MandateHarness) -> None:
    fields = papay.from_xml(a_notice(harness).body) | {"mch_id": "1900000999"}
    notice = harness.provider.papay.notice({name: value for name, value in fields.items() if name != "sign"})
    with pytest.raises(WebhookRefused) as refused:
        harness.gateway.verify_webhook(notice.headers, notice.body)
    assert refused.value.code == "foreign_merchant"


def test_signed_notice_of_nothing_that_is_known_says_nothing(harness: MandateHarness) -> None:
    notice = harness.provider.papay.notice({"return_code": "SUCCESS", "result_code": "SUCCESS", "mch_id": MCHID})
    assert harness.gateway.verify_webhook(notice.headers, notice.body).event_type == "papay.other"
    assert harness.gateway.translate_webhook(notice.body) == []


@pytest.mark.parametrize("err_code", ["SYSTEMERROR", "BANKERROR", "USERPAYING"])
def test_notice_of_an_undecided_failure_does_not_fail_the_charge(harness: MandateHarness, err_code: str) -> None:
    fields = {"return_code": "SUCCESS", "result_code": "FAIL", "mch_id": MCHID, "out_trade_no": "pay_1"}
    notice = harness.provider.papay.notice(fields | {"err_code": err_code})
    [result] = harness.gateway.translate_webhook(notice.body)
    assert isinstance(result, PaymentResult)
    assert (result.outcome, result.failure_code) == (Outcome.PENDING, "")


def test_words_that_we_signed_ourselves_cannot_be_cut_anew_into_a_notice(harness: MandateHarness) -> None:
    """The address that a payer's browser opens is signed with the key of the notices, over ``a=1&b=2``."""
    ours = {"contract_display_account": f"x&mch_id={MCHID}&out_trade_no=pay_1&result_code=SUCCESS&return_code=SUCCESS"}
    ours |= {"timestamp": "1", "trade_state": "SUCCESS"}
    cut = {"contract_display_account": "x", "mch_id": MCHID, "out_trade_no": "pay_1", "result_code": "SUCCESS"}
    cut |= {"return_code": "SUCCESS&timestamp=1", "trade_state": "SUCCESS"}
    made = signature(ours, key=API_V2_KEY, sign_type="MD5")
    assert is_genuine(cut | {"sign": made}, keys=(API_V2_KEY,))
    with pytest.raises(WebhookRefused) as refused:
        harness.gateway.verify_webhook({}, write_xml(cut | {"sign": made}))
    assert refused.value.code == "malformed"


@pytest.mark.parametrize("total", ["", "many", "1234567890123"])
def test_charge_told_without_an_amount_credits_nobody(harness: MandateHarness, total: str) -> None:
    fields = {"return_code": "SUCCESS", "result_code": "SUCCESS", "mch_id": MCHID, "out_trade_no": "pay_1"}
    notice = harness.provider.papay.notice(fields | {"trade_state": "SUCCESS", "total_fee": total})
    [result] = harness.gateway.translate_webhook(notice.body)
    assert isinstance(result, PaymentResult)
    assert (result.outcome, result.captured_minor) == (Outcome.PENDING, None)
