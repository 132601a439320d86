import json
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from payments.gateways.abilities import (
    CaptureCapable,
    CloseCapable,
    MandateCapable,
    ProbeCapable,
    StatementReader,
    StatementSource,
)
from payments.gateways.contract import (
    ActionKind,
    GatewayOutcomeUnknown,
    GatewayRejected,
    HttpResponse,
    Outcome,
)
from payments.gateways.failures import FAILURES
from payments.gateways.registry import build_gateway
from payments.gateways.wechat.adapter import WechatGateway
from payments.gateways.wechat.words import FAILURE_CODES, REFUND_FAILURE_CODES, shorten
from tests.payments.gateways.contract_harness import GatewayHarness, Trouble, a_payment, a_refund, paid
from tests.payments.gateways.contract_tests import GatewayContractTests
from tests.payments.gateways.simulators.wechat.keyring import (
    APPID,
    MCHID,
    merchant_key,
    public_key,
)
from tests.payments.gateways.wechat_harness import (
    MandateHarness,
    WechatHarness,
    answering,
    configuration,
    sent,
    spoil,
    with_public_key,
)

REAL_NUMBER = "pay_01jd3xkzt8q4w9v6m2n7r5b0yc"


class TestWechatKeepsTheContract(GatewayContractTests):
    """With certificates that it downloads."""

    @pytest.fixture
    def harness(self) -> GatewayHarness:
        return WechatHarness()


class TestWechatKeepsTheContractWithAPublicKey(GatewayContractTests):
    @pytest.fixture
    def harness(self) -> GatewayHarness:
        harness = WechatHarness(settings=with_public_key())
        harness.provider.answers_with = public_key()
        return harness


class TestMandatesKeepTheContract(GatewayContractTests):
    @pytest.fixture
    def harness(self) -> GatewayHarness:
        return MandateHarness()


@pytest.fixture
def harness() -> WechatHarness:
    return WechatHarness()


def test_wechat_is_in_the_registry_with_its_abilities(harness: WechatHarness) -> None:
    gateway = build_gateway("wechat", harness.gateway.configuration)
    assert isinstance(gateway, WechatGateway)
    for ability in (CloseCapable, MandateCapable, ProbeCapable, StatementSource, StatementReader):
        assert isinstance(gateway, ability)
    assert not isinstance(gateway, CaptureCapable)


def test_every_failure_code_is_one_of_ours() -> None:
    assert {*FAILURE_CODES.values(), *REFUND_FAILURE_CODES.values()} <= set(FAILURES)


# --- the four ways to pay --------------------------------------------------------------------------------------


def lines_are_signed(signature: str, *lines: str) -> bool:
    message = "".join(f"{line}\n" for line in lines).encode()
    merchant_key().private.public_key().verify(b64decode(signature), message, PKCS1v15(), SHA256())
    return True


def test_app_gets_signed_parameters_for_the_sdk(harness: WechatHarness) -> None:
    result = harness.gateway.create_payment(a_payment(harness, method="wechat_app"))
    assert result.action is not None
    said = result.action.app_parameters
    assert result.action.kind is ActionKind.APP
    assert set(said) == {"appid", "partnerid", "prepayid", "package", "noncestr", "timestamp", "sign"}
    assert (said["appid"], said["partnerid"], said["package"]) == (APPID, MCHID, "Sign=WXPay")
    assert lines_are_signed(said["sign"], APPID, said["timestamp"], said["noncestr"], said["prepayid"])


def test_page_inside_wechat_gets_signed_parameters_for_the_bridge(harness: WechatHarness) -> None:
    request = a_payment(harness, method="wechat_jsapi", options={"openid": "oUpF8uMuAJO"})
    result = harness.gateway.create_payment(request)
    assert result.action is not None
    said = result.action.app_parameters
    assert set(said) == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert said["package"].startswith("prepay_id=wx")
    assert said["signType"] == "RSA"
    assert lines_are_signed(said["paySign"], APPID, said["timeStamp"], said["nonceStr"], said["package"])
    assert sent(harness)["payer"] == {"openid": "oUpF8uMuAJO"}


def test_native_gives_a_code_to_scan(harness: WechatHarness) -> None:
    action = harness.gateway.create_payment(a_payment(harness)).action
    assert action is not None
    assert (action.kind, action.qr_text.partition("?")[0]) == (ActionKind.QR_CODE, "weixin://wxpay/bizpayurl")


def test_browser_is_sent_to_wechat_and_back(harness: WechatHarness) -> None:
    request = a_payment(harness, method="wechat_h5", options={"payer_ip": "203.0.113.7"})
    action = harness.gateway.create_payment(request).action
    assert action is not None
    assert action.url.startswith("https://wx.tenpay.com/")
    assert action.url.endswith("&redirect_url=http%3A%2F%2F127.0.0.1%3A8000%2Fpay%2Fcs_1")
    assert sent(harness)["scene_info"] == {"payer_client_ip": "203.0.113.7", "h5_info": {"type": "Wap"}}
    assert "wechat_h5" in WechatGateway.methods_that_need_ip


def test_order_says_what_the_documentation_asks_for(harness: WechatHarness) -> None:
    expires_at = datetime(2027, 1, 15, 8, 30, 0, 999, tzinfo=UTC)
    request = a_payment(harness, reference=REAL_NUMBER, description="会员" * 50, expires_at=expires_at)
    result = harness.gateway.create_payment(request)
    assert result.action is not None
    assert result.action.expires_at == expires_at
    assert sent(harness) == {
        "appid": APPID,
        "mchid": MCHID,
        "description": "会员" * 21,
        "out_trade_no": REAL_NUMBER,
        "notify_url": "http://127.0.0.1:8000/webhooks/ga_1",
        "amount": {"total": 1234, "currency": "CNY"},
        "time_expire": "2027-01-15T16:30:00+08:00",
    }


def test_text_is_cut_between_characters_and_loses_control_characters() -> None:
    assert shorten("会员会员", max_bytes=7) == "会员"
    assert shorten("a\x00b\nc", max_bytes=10) == "a b c"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"method": "wechat_jsapi"}, "invalid_details"),
        ({"method": "wechat_jsapi", "options": {"openid": 7}}, "invalid_details"),
        ({"method": "wechat_h5"}, "invalid_details"),
        ({"method": "wechat_mandate"}, "method_not_supported"),
        ({"method": "card"}, "method_not_supported"),
        ({"capture": False}, "method_not_supported"),
        ({"currency": "USD"}, "currency_not_supported"),
        ({"amount_minor": 0}, "amount_not_supported"),
        ({"reference": "x" * 33}, "gateway_rejected"),
        ({"reference": "pay/1"}, "gateway_rejected"),
    ],
)
def test_what_wechat_cannot_do_is_refused_before_anything_is_sent(
    harness: WechatHarness, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(GatewayRejected) as refused:
        harness.gateway.create_payment(a_payment(harness, **changes))
    assert refused.value.code == code
    assert harness.provider.requests == []


def test_each_way_may_have_its_own_appid(harness: WechatHarness) -> None:
    settings = {"appid": "wxother", "appid_app": APPID}
    gateway = WechatGateway(configuration(harness.provider, settings=settings), clock=harness.clock)
    action = gateway.create_payment(a_payment(harness, method="wechat_app")).action
    assert action is not None
    assert action.app_parameters["appid"] == APPID
    with pytest.raises(GatewayRejected) as refused:
        gateway.create_payment(a_payment(harness, reference="pay_2", method="wechat_native"))
    assert refused.value.code == "account_misconfigured"


# --- states ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ("SUCCESS", Outcome.SUCCEEDED),
        ("REFUND", Outcome.SUCCEEDED),
        ("NOTPAY", Outcome.REQUIRES_ACTION),
        ("CLOSED", Outcome.CANCELED),
        ("REVOKED", Outcome.CANCELED),
        ("USERPAYING", Outcome.PENDING),
        ("PAYERROR", Outcome.PENDING),
        ("ACCEPT", Outcome.PENDING),
        ("", Outcome.PENDING),
    ],
)
def test_trade_state_means(harness: WechatHarness, state: str, outcome: Outcome) -> None:
    harness.create(a_payment(harness))
    harness.provider.book.orders["pay_1"].state = state
    assert harness.fetch().outcome is outcome


def test_unpaid_payment_needs_the_payer_and_says_no_capture(harness: WechatHarness) -> None:
    harness.create(a_payment(harness))
    result = harness.fetch()
    assert (result.outcome, result.captured_minor, result.gateway_reference) == (Outcome.REQUIRES_ACTION, None, "")


def test_repeating_a_lost_request_tells_the_payer_where_to_go(harness: WechatHarness) -> None:
    """Asking tells the state only; the code comes with the same request again."""
    harness.trouble_next_payment("pay_1", Trouble.TIMEOUT_AFTER_EFFECT)
    with pytest.raises(GatewayOutcomeUnknown):
        harness.create(a_payment(harness))
    assert harness.fetch().action is None
    again = harness.create(a_payment(harness)).action
    assert again is not None
    assert again.qr_text
    assert WechatGateway.resolves_by_repeating
    assert harness.payments_made() == 1


def test_number_of_an_unpaid_payment_is_not_used_for_another(harness: WechatHarness) -> None:
    harness.create(a_payment(harness))
    with pytest.raises(GatewayRejected):
        harness.create(a_payment(harness, amount_minor=9999))
    assert harness.provider.book.orders["pay_1"].total == 1234


def test_repeating_what_was_paid_meanwhile_says_that_it_is_paid(harness: WechatHarness) -> None:
    payment = paid(harness)
    assert harness.create(a_payment(harness)) == payment


# --- closing ---------------------------------------------------------------------------------------------------


def test_closing_twice_is_canceled_twice(harness: WechatHarness) -> None:
    harness.create(a_payment(harness))
    assert [harness.close().outcome, harness.close().outcome] == [Outcome.CANCELED, Outcome.CANCELED]


def test_closing_what_never_arrived_is_canceled_and_leaves_nothing_to_pay(harness: WechatHarness) -> None:
    """WeChat would take the number later: a request that was under way makes an order, but nobody holds its code."""
    assert harness.close().outcome is Outcome.CANCELED
    harness.trouble_next_payment("pay_1", Trouble.TIMEOUT_AFTER_EFFECT)
    with pytest.raises(GatewayOutcomeUnknown):
        harness.create(a_payment(harness))
    assert harness.close().outcome is Outcome.CANCELED
    assert harness.provider.book.orders["pay_1"].state == "CLOSED"


def test_closing_while_the_payer_types_the_password_is_not_yet_closed(harness: WechatHarness) -> None:
    harness.create(a_payment(harness))
    harness.provider.book.orders["pay_1"].state = "USERPAYING"
    assert harness.close().outcome is Outcome.PENDING


def test_paid_in_the_moment_of_closing_is_paid(harness: WechatHarness) -> None:
    harness.create(a_payment(harness))

    def pays_meanwhile(response: HttpResponse) -> HttpResponse:
        harness.provider.book.orders["pay_1"].state = "NOTPAY"
        harness.approve("pay_1")
        return response

    spoil(harness, pays_meanwhile)
    assert harness.close().outcome is Outcome.SUCCEEDED


# --- refunds ---------------------------------------------------------------------------------------------------


def test_refund_under_way_is_pending_until_it_is_done(harness: WechatHarness) -> None:
    harness.provider.desk.refunds_take_time = True
    request = a_refund(harness, paid(harness), amount_minor=234)
    assert harness.gateway.create_refund(request).outcome is Outcome.PENDING
    harness.provider.desk.finish_refund("ref_1")
    result = harness.fetch_refund()
    assert (result.outcome, result.amount_minor, result.currency) == (Outcome.SUCCEEDED, 234, "CNY")


@pytest.mark.parametrize(
    ("state", "outcome", "code"), [("CLOSED", Outcome.FAILED, "closed"), ("ABNORMAL", Outcome.PENDING, "")]
)
def test_refund_that_went_wrong(harness: WechatHarness, state: str, outcome: Outcome, code: str) -> None:
    """ABNORMAL: the payer's card is gone; it stays open until somebody finishes it in WeChat's console."""
    harness.provider.desk.refunds_take_time = True
    harness.gateway.create_refund(a_refund(harness, paid(harness), amount_minor=234))
    harness.callbacks()
    harness.provider.desk.finish_refund("ref_1", state=state)
    result = harness.fetch_refund()
    assert (result.outcome, result.failure_code, result.failure_message) == (outcome, code, state)
    assert [notice.outcome for notice in harness.notices()] == [outcome]  # type: ignore[union-attr]  # a refund's notice


def test_refund_names_the_transaction_or_else_our_number(harness: WechatHarness) -> None:
    payment = paid(harness)
    harness.gateway.create_refund(a_refund(harness, payment, amount_minor=1))
    assert sent(harness)["transaction_id"] == payment.gateway_reference
    request = replace(a_refund(harness, payment, amount_minor=2), reference="ref_2", payment_gateway_reference="")
    harness.gateway.create_refund(request)
    assert sent(harness)["out_trade_no"] == "pay_1"
    assert "transaction_id" not in sent(harness)


def test_refund_without_the_payments_total_asks_for_it(harness: WechatHarness) -> None:
    request = replace(a_refund(harness, paid(harness), amount_minor=1), payment_amount_minor=None)
    harness.gateway.create_refund(request)
    assert sent(harness)["amount"] == {"refund": 1, "total": 1234, "currency": "CNY"}


def test_same_refund_number_with_another_amount_is_refused(harness: WechatHarness) -> None:
    request = a_refund(harness, paid(harness), amount_minor=100)
    harness.gateway.create_refund(request)
    with pytest.raises(GatewayRejected):
        harness.gateway.create_refund(replace(request, amount_minor=101))
    assert harness.fetch_refund().amount_minor == 100


def test_answer_about_a_foreign_refund_is_unknown(harness: WechatHarness) -> None:
    payment = paid(harness)
    harness.gateway.create_refund(a_refund(harness, payment, amount_minor=1))
    harness.gateway.create_refund(replace(a_refund(harness, payment, amount_minor=2), reference="ref_2"))
    other = harness.provider.desk.refund_words(harness.provider.book.refunds["ref_2"])

    def misdirected(_: HttpResponse) -> HttpResponse:
        body = json.dumps(other).encode()
        return HttpResponse(200, harness.provider.signature(body), body)

    spoil(harness, misdirected)
    with pytest.raises(GatewayOutcomeUnknown) as unknown:
        harness.fetch_refund("ref_1")
    assert unknown.value.code == "wrong_reference"


def test_too_many_refunds_at_once_is_unknown_because_wechat_says_so(harness: WechatHarness) -> None:
    payment = paid(harness)
    spoil(harness, answering(harness, 429, "FREQUENCY_LIMITED"))
    with pytest.raises(GatewayOutcomeUnknown):
        harness.gateway.create_refund(a_refund(harness, payment, amount_minor=1))


def test_our_own_balance_is_not_the_payers(harness: WechatHarness) -> None:
    payment = paid(harness)
    spoil(harness, answering(harness, 403, "NOT_ENOUGH"))
    with pytest.raises(GatewayRejected) as refused:
        harness.gateway.create_refund(a_refund(harness, payment, amount_minor=1))
    assert refused.value.code == "try_again_later"


def test_refund_in_another_currency_is_refused(harness: WechatHarness) -> None:
    with pytest.raises(GatewayRejected):
        harness.gateway.create_refund(replace(a_refund(harness, paid(harness), amount_minor=1), currency="USD"))
    assert harness.refunds_made() == 0


def test_request_carries_no_secret(harness: WechatHarness) -> None:
    harness.create(a_payment(harness))
    written = repr([(sent.url, dict(sent.headers), sent.body) for sent in harness.provider.requests])
    for secret in harness.gateway.configuration.credentials.values():
        assert secret not in written
