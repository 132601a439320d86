"""Two implementations that nobody here wrote, against the made-up WeChat Pay and against the adapter:
``wechatpayv3`` (Python) and ``wechatpay-axios-plugin`` (npm, also speaks the XML interface)."""

import base64
import gzip
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import wechatpayv3.utils
from wechatpayv3 import WeChatPay, WeChatPayType

from payments.gateways.contract import HttpRequest
from payments.gateways.wechat.adapter import WechatGateway
from tests.payments.gateways.contract_harness import a_payment, a_refund
from tests.payments.gateways.simulators.serving import serving
from tests.payments.gateways.simulators.wechat import papay
from tests.payments.gateways.simulators.wechat.bills import a_refund as a_refund_row
from tests.payments.gateways.simulators.wechat.bills import a_take, write_bill
from tests.payments.gateways.simulators.wechat.keyring import (
    API_V2_KEY,
    API_V3_KEY,
    APPID,
    MCHID,
    PLAN_ID,
    PUBLIC_KEY_ID,
    merchant_key,
    platform_key,
    public_key,
)
from tests.payments.gateways.simulators.wechat.provider import WechatSimulator
from tests.payments.gateways.wechat_harness import WechatHarness, a_saving, configuration, sign_mandate

COUNTERPARTS = Path(__file__).resolve().parents[2] / "counterparts"
NOTIFY_URL = "https://pay.example/webhooks/ga_1"
NUMBER = "pay_01jd3xkzt8q4w9v6m2n7r5b0yc"
AUTHORIZATION = re.compile(r'(\w+)="([^"]*)"')

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (COUNTERPARTS / "node_modules" / "wechatpay-axios-plugin").is_dir(),
    reason="needs Node.js and `make counterparts`",
)


@pytest.fixture
def provider() -> WechatSimulator:
    """On the real clock, which the others read as well; open all night."""
    simulator = WechatSimulator()
    simulator.papay.hours = range(24)
    return simulator


@pytest.fixture
def address(provider: WechatSimulator) -> Iterator[str]:
    with serving(provider) as address:
        provider.download_host = address
        yield address


# --- wechatpayv3 -----------------------------------------------------------------------------------------------


def a_wechatpay(address: str, **changes: Any) -> WeChatPay:
    settings: dict[str, Any] = {
        "wechatpay_type": WeChatPayType.NATIVE,
        "mchid": MCHID,
        "private_key": merchant_key().private_pem,
        "cert_serial_no": merchant_key().serial,
        "appid": APPID,
        "apiv3_key": API_V3_KEY,
        "notify_url": NOTIFY_URL,
    }
    wechatpay = WeChatPay(**settings | changes)
    wechatpay._core._gate_way = address
    return wechatpay


@pytest.fixture
def by_public_key(address: str) -> WeChatPay:
    return a_wechatpay(address, public_key=public_key().public_pem, public_key_id=PUBLIC_KEY_ID)


@pytest.fixture
def by_certificate(address: str, tmp_path: Path) -> WeChatPay:
    (tmp_path / "old.pem").write_text(platform_key("old").certificate)
    return a_wechatpay(address, cert_dir=str(tmp_path))


@pytest.fixture(params=["by_public_key", "by_certificate"])
def wechatpay(request: pytest.FixtureRequest) -> WeChatPay:
    client: WeChatPay = request.getfixturevalue(request.param)
    return client


def said(answer: tuple[int, str | bytes], *, status: int = 200) -> dict[str, Any]:
    assert answer[0] == status
    words: dict[str, Any] = json.loads(answer[1])
    return words


def test_wechatpayv3_pays_and_refunds_at_the_simulator(provider: WechatSimulator, wechatpay: WeChatPay) -> None:
    """It verifies every answer; with certificates it first downloads and decrypts them."""
    order = {"description": "会员", "out_trade_no": NUMBER, "amount": {"total": 1234, "currency": "CNY"}}
    assert said(wechatpay.pay(**order))["code_url"].startswith("weixin://")
    assert said(wechatpay.query(out_trade_no=NUMBER))["trade_state"] == "NOTPAY"
    provider.desk.approve(NUMBER)
    paid = said(wechatpay.query(out_trade_no=NUMBER))
    assert (paid["trade_state"], paid["amount"]["total"]) == ("SUCCESS", 1234)
    refund = {"out_refund_no": "ref_1", "transaction_id": paid["transaction_id"]}
    amount = {"refund": 234, "total": 1234, "currency": "CNY"}
    assert said(wechatpay.refund(**refund, amount=amount))["status"] == "SUCCESS"
    assert said(wechatpay.query_refund("ref_1"))["amount"]["refund"] == 234
    assert said(wechatpay.query(out_trade_no="pay_never"), status=404)["code"] == "ORDER_NOT_EXIST"


def test_wechatpayv3_closes_at_the_simulator(provider: WechatSimulator, by_public_key: WeChatPay) -> None:
    order = {"description": "会员", "out_trade_no": NUMBER, "amount": {"total": 1234, "currency": "CNY"}}
    by_public_key.pay(**order)
    assert by_public_key.close(NUMBER)[0] == 204
    assert said(by_public_key.query(out_trade_no=NUMBER))["trade_state"] == "CLOSED"
    assert said(by_public_key.pay(**order), status=400)["code"] == "ORDER_CLOSED"


def test_wechatpayv3_opens_the_simulators_callbacks(provider: WechatSimulator, wechatpay: WeChatPay) -> None:
    key = public_key() if wechatpay._core._public_key_id else platform_key()
    wechatpay.pay(description="会员", out_trade_no=NUMBER, amount={"total": 1234, "currency": "CNY"})
    provider.desk.approve(NUMBER)
    signed = provider.sign_callback(provider.callbacks()[-1].body, key=key)
    notice = wechatpay.callback(signed.headers, signed.body)
    assert notice["event_type"] == "TRANSACTION.SUCCESS"
    assert (notice["resource"]["out_trade_no"], notice["resource"]["amount"]["total"]) == (NUMBER, 1234)


def test_wechatpayv3_downloads_the_simulators_bill(provider: WechatSimulator, by_public_key: WeChatPay) -> None:
    provider.bills["2026-03-02"] = write_bill([a_take("pay_1", "12.34")])
    promise = said(by_public_key.trade_bill("2026-03-02"))
    status, body = by_public_key.download_bill(promise["download_url"])
    assert (status, gzip.decompress(body)) == (200, provider.bills["2026-03-02"])


def test_our_signature_is_the_one_that_wechatpayv3_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same request, second and nonce: PKCS#1 v1.5 leaves no room for a difference."""
    harness = WechatHarness()
    harness.create(a_payment(harness))
    harness.fetch()
    monkeypatch.setattr(wechatpayv3.utils.time, "time", harness.clock)
    own_key = wechatpayv3.utils.load_private_key(merchant_key().private_pem)
    assert len(harness.provider.requests) == 3
    for request in harness.provider.requests:
        written = request.headers["Authorization"]
        nonce = dict(AUTHORIZATION.findall(written))["nonce_str"]
        parts = urlsplit(request.url)
        theirs = wechatpayv3.utils.build_authorization(
            f"{parts.path}?{parts.query}" if parts.query else parts.path,
            request.method,
            MCHID,
            merchant_key().serial,
            own_key,
            data=request.body.decode(),
            nonce_str=nonce,
        )
        assert written == theirs


def test_what_the_app_gets_is_what_wechatpayv3_signs(by_public_key: WeChatPay) -> None:
    harness = WechatHarness()
    app = harness.gateway.create_payment(a_payment(harness, method="wechat_app")).action
    page = harness.gateway.create_payment(
        a_payment(harness, reference="pay_2", method="wechat_jsapi", options={"openid": "oUp"})
    ).action
    assert app is not None
    assert page is not None
    one, two = app.app_parameters, page.app_parameters
    assert one["sign"] == by_public_key.sign([APPID, one["timestamp"], one["noncestr"], one["prepayid"]])
    assert two["paySign"] == by_public_key.sign([APPID, two["timeStamp"], two["nonceStr"], two["package"]])


# --- wechatpay-axios-plugin ------------------------------------------------------------------------------------


def ask_node(job: str, **given: Any) -> dict[str, Any]:
    done = subprocess.run(
        ["node", "wechat.cjs"],
        cwd=COUNTERPARTS,
        input=json.dumps({"job": job, **given}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def an_account(address: str) -> dict[str, Any]:
    return {
        "mchid": MCHID,
        "serial": merchant_key().serial,
        "privateKey": merchant_key().private_pem,
        "certs": {platform_key().serial: platform_key().public_pem, PUBLIC_KEY_ID: public_key().public_pem},
        "secret": API_V2_KEY,
        "baseURL": f"{address}/",
    }


@needs_node
def test_axios_plugin_pays_closes_and_refunds_at_the_simulator(provider: WechatSimulator, address: str) -> None:
    """It checks signature and ±300 s of every answer."""
    gateway = WechatGateway(configuration(provider))
    harness_request = a_payment(WechatHarness(), reference="pay_paid")
    gateway.create_payment(harness_request)
    provider.desk.approve("pay_paid")
    order = {
        "appid": APPID,
        "mchid": MCHID,
        "description": "会员",
        "out_trade_no": NUMBER,
        "notify_url": NOTIFY_URL,
        "amount": {"total": 1234, "currency": "CNY"},
    }
    refund = {
        "out_trade_no": "pay_paid",
        "out_refund_no": "ref_1",
        "amount": {"refund": 1, "total": 1234, "currency": "CNY"},
    }
    outcome = ask_node("pay", account=an_account(address), order=order, refund=refund)
    assert [(name, one["status"], one.get("error")) for name, one in outcome.items()] == [
        ("created", 200, None),
        ("unpaid", 200, None),
        ("closed", 204, None),
        ("after", 200, None),
        ("refunded", 200, None),
        ("certificates", 200, None),
    ]
    assert outcome["created"]["data"]["code_url"].startswith("weixin://")
    assert [outcome[name]["data"]["trade_state"] for name in ("unpaid", "after")] == ["NOTPAY", "CLOSED"]
    assert outcome["refunded"]["data"]["status"] == "SUCCESS"


@needs_node
def test_axios_plugin_notices_what_the_simulator_does_wrong(provider: WechatSimulator, address: str) -> None:
    """So that its silence above means something."""
    provider.answers_with = platform_key("unknown to it")
    order = {"appid": APPID, "mchid": MCHID, "out_trade_no": NUMBER}
    outcome = ask_node("pay", account=an_account(address), order=order, refund={"out_refund_no": "r", "amount": {}})
    assert outcome["certificates"]["error"] == "EV3_RES_HEADER_PLATFORM_SERIAL"


@needs_node
def test_axios_plugin_charges_a_mandate_at_the_simulator(provider: WechatSimulator, address: str) -> None:
    WechatGateway(configuration(provider)).save_method(a_saving())
    contract = provider.papay.sign_contract("pmZ01jd3xkzt8q4")
    us = {"appid": APPID, "mch_id": MCHID}
    charge = us | {
        "body": "会员",
        "out_trade_no": NUMBER,
        "total_fee": "1234",
        "fee_type": "CNY",
        "spbill_create_ip": "127.0.0.1",
        "notify_url": NOTIFY_URL,
        "trade_type": "PAP",
        "contract_id": contract.contract_id,
    }
    signing = us | {
        "plan_id": PLAN_ID,
        "contract_code": "pmZ2",
        "request_serial": "1000",
        "contract_display_account": "微信代扣",
        "notify_url": NOTIFY_URL,
        "version": "1.0",
        "timestamp": str(int(time.time())),
        "sign_type": "HMAC-SHA256",
    }
    which = us | {"contract_id": contract.contract_id, "version": "1.0"}
    outcome = ask_node(
        "papay",
        account=an_account(address),
        asked={
            "sign": {"path": "papay/preentrustweb", "fields": signing, "nonceless": True},
            "contract": {"path": "papay/querycontract", "fields": which, "nonceless": True},
            "charge": {"path": "pay/pappayapply", "fields": charge},
            "order": {"path": "pay/paporderquery", "fields": us | {"out_trade_no": NUMBER}},
            "end": {
                "path": "papay/deletecontract",
                "fields": which | {"contract_termination_remark": "x"},
                "nonceless": True,
            },
            "refused": {"path": "pay/pappayapply", "fields": charge | {"out_trade_no": "pay_after_the_end"}},
        },
    )
    assert outcome["sign"]["data"]["pre_entrustweb_id"]
    assert outcome["contract"]["data"]["contract_state"] == "0"
    assert outcome["charge"]["data"]["result_code"] == "SUCCESS"
    assert outcome["order"]["data"]["trade_state"] == "ACCEPT"
    assert outcome["end"]["data"]["result_code"] == "SUCCESS"
    assert outcome["refused"]["data"]["err_code"] == "CONTRACT_NOT_EXIST"


def lines_of(request: HttpRequest) -> dict[str, Any]:
    fields = dict(AUTHORIZATION.findall(request.headers["Authorization"]))
    parts = urlsplit(request.url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [request.method, path, fields["timestamp"], fields["nonce_str"], request.body.decode()]
    return {"lines": lines, "signature": fields["signature"], "publicKey": merchant_key().public_pem}


@needs_node
def test_axios_plugin_accepts_what_we_sign_and_opens_what_the_simulator_sends() -> None:
    harness = WechatHarness()
    assert isinstance(harness.gateway, WechatGateway)
    harness.provider.bills["2026-03-02"] = write_bill(
        [a_take("pay_1", "12.34"), a_refund_row("pay_1", "ref_1", "1.00")]
    )
    harness.gateway.create_refund(a_refund(harness, harness.pay(a_payment(harness)), amount_minor=1))
    harness.gateway.fetch_statement(date(2026, 3, 2))
    v3 = list(harness.provider.requests)
    callback = harness.callbacks()[0]
    saved = sign_mandate(harness)
    harness.create(a_payment(harness, reference="pay_2", method="wechat_mandate", saved=saved))
    ours = [request.body.decode() for request in harness.provider.requests[len(v3) :]]
    theirs = [one.body.decode() for one in harness.callbacks()]
    outcome = ask_node(
        "check",
        requests=[lines_of(request) for request in v3],
        callback={
            "headers": callback.headers,
            "body": callback.body.decode(),
            "publicKey": platform_key().public_pem,
            "apiV3Key": API_V3_KEY,
        },
        xml=[{"body": body, "key": API_V2_KEY} for body in (*ours, *theirs)],
        bill=base64.b64encode(harness.provider.bills["2026-03-02"]).decode(),
    )
    assert outcome["requests"] == [True] * len(v3)
    assert len(v3) >= 5
    assert outcome["isGenuine"] is True
    assert (outcome["opened"]["out_trade_no"], outcome["opened"]["amount"]["total"]) == ("pay_1", 1234)
    assert [one["isGenuine"] for one in outcome["xml"]] == [True] * (len(ours) + len(theirs))
    assert (len(ours), len(theirs)) == (2, 1)
    assert outcome["xml"][1]["fields"]["out_trade_no"] == "pay_2"
    assert [row["商户订单号"] for row in outcome["bill"]["rows"]] == ["pay_1", "pay_1"]
    assert outcome["bill"]["summary"]["总交易单数"] == "2"


@needs_node
def test_axios_plugin_refuses_what_we_did_not_sign() -> None:
    harness = WechatHarness()
    harness.create(a_payment(harness))
    changed = lines_of(harness.provider.requests[-1])
    changed["lines"][1] += "x"
    fields = papay.from_xml(harness.provider.papay.notice({"a": "1"}).body) | {"a": "2"}
    outcome = ask_node("check", requests=[changed], xml=[{"body": papay.to_xml(fields).decode(), "key": API_V2_KEY}])
    assert outcome["requests"] == [False]
    assert outcome["xml"][0]["isGenuine"] is False
