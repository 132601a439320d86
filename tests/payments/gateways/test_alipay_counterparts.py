"""Two implementations that nobody here wrote, python-alipay-sdk and npm's alipay-sdk, judge both sides.

They talk to the simulator over HTTP, which proves it; they verify what the adapter signs, and its notices, which proves
the adapter.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import alipay as python_sdk
import pytest
from alipay.exceptions import AliPayValidationError

from payments.gateways.alipay import keys
from payments.gateways.alipay.adapter import AlipayGateway
from payments.gateways.contract import GatewayConfiguration, Outcome
from tests.payments.gateways.alipay_harness import APP_ID, SETTINGS, AlipayHarness, a_merchant, credentials
from tests.payments.gateways.contract_harness import a_payment, a_refund, paid
from tests.payments.gateways.simulators.alipay import wire
from tests.payments.gateways.simulators.alipay.provider import AlipaySimulator
from tests.payments.gateways.simulators.serving import serving
from tests.payments.gateways.test_alipay_wire import a_certificate

COUNTERPARTS = Path(__file__).parents[2] / "counterparts"
ORDER = {"out_trade_no": "sdk_1", "total_amount": "12.34", "subject": "会员/一个月"}


class _InBeijing:
    """python-alipay-sdk stamps the server's own clock, and Alipay wants Beijing's."""

    def build_body(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        body: dict[str, Any] = super().build_body(*args, **kwargs)  # type: ignore[misc] # a mixin of the SDK's classes
        return body | {"timestamp": datetime.now(wire.SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")}


class _PythonSdk(_InBeijing, python_sdk.AliPay):  # type: ignore[misc] # it has no types
    pass


class _PythonSdkWithCertificates(_InBeijing, python_sdk.DCAliPay):  # type: ignore[misc] # it has no types
    pass


def python_client(address: str = "", *, alipays: str = "alipay") -> Any:
    client = _PythonSdk(
        appid=APP_ID,
        app_notify_url="http://127.0.0.1/notify",
        app_private_key_string=wire.private_pem(wire.key_pair("app")),
        alipay_public_key_string=wire.public_pem(wire.key_pair(alipays)),
    )
    client._gateway = address
    return client


@pytest.fixture
def simulator() -> AlipaySimulator:
    return AlipaySimulator(merchant=a_merchant(), clock=time.time)


@pytest.fixture
def address(simulator: AlipaySimulator) -> Iterator[str]:
    with serving(simulator) as base:
        yield f"{base}/gateway.do"


def node(address: str, steps: list[dict[str, Any]], *, alipays: str = "alipay") -> list[Any]:
    """What npm's alipay-sdk makes of ``steps``; an error of its own is ``{"error": …}``."""
    program = shutil.which("node")
    if program is None or not (COUNTERPARTS / "node_modules" / "alipay-sdk").is_dir():
        pytest.skip("npm's alipay-sdk is not installed: make counterparts")
    config = {
        "appId": APP_ID,
        "privateKey": wire.private_pem(wire.key_pair("app")),
        "alipayPublicKey": wire.public_base64(wire.key_pair(alipays)),
        "gateway": address or "http://127.0.0.1:9/gateway.do",
    }
    done = subprocess.run(  # a program of the test set-up, its input made here
        [program, str(COUNTERPARTS / "alipay.mjs")],
        input=json.dumps({"config": config, "steps": steps}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | {"TZ": "Asia/Shanghai"},
    )
    return [step.get("result", step) for step in json.loads(done.stdout)]


def execute(method: str, **content: Any) -> dict[str, Any]:
    return {
        "operation": "exec",
        "method": f"alipay.{method}",
        "params": {"notifyUrl": "http://127.0.0.1/notify", "bizContent": content},
    }


# --- they talk to the simulator ----------------------------------------------------------------------------------


def test_python_sdk_pays_refunds_and_closes_at_the_simulator(simulator: AlipaySimulator, address: str) -> None:
    client = python_client(address)
    created = client.api_alipay_trade_precreate("会员/一个月", "sdk_1", "12.34")
    assert created["code"] == "10000"
    assert client.api_alipay_trade_query(out_trade_no="sdk_1")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    simulator.scan(created["qr_code"])
    simulator.pay("sdk_1")
    told = client.api_alipay_trade_query(out_trade_no="sdk_1")
    assert (told["trade_status"], told["total_amount"]) == ("TRADE_SUCCESS", "12.34")
    refunded = client.api_alipay_trade_refund("2.00", out_trade_no="sdk_1", out_request_no="r_1")
    assert (refunded["fund_change"], refunded["refund_fee"]) == ("Y", "2.00")
    asked = client.api_alipay_trade_fastpay_refund_query("r_1", out_trade_no="sdk_1")
    assert (asked["refund_status"], asked["refund_amount"]) == ("REFUND_SUCCESS", "2.00")
    assert client.api_alipay_trade_close(out_trade_no="sdk_1")["sub_code"] == "ACQ.TRADE_STATUS_ERROR"


def test_python_sdk_opens_the_simulators_cashier(simulator: AlipaySimulator) -> None:
    client = python_client()
    app = client.api_alipay_trade_app_pay(**ORDER)
    page = client.api_alipay_trade_page_pay(**ORDER | {"out_trade_no": "sdk_2"})
    assert simulator.open(app).subject == "会员/一个月"
    assert simulator.open(page).out_trade_no == "sdk_2"


def test_python_sdk_refuses_the_simulator_under_another_key(address: str) -> None:
    with pytest.raises(AliPayValidationError):
        python_client(address, alipays="somebody").api_alipay_trade_query(out_trade_no="sdk_1")


def test_node_sdk_pays_refunds_and_closes_at_the_simulator(simulator: AlipaySimulator, address: str) -> None:
    simulator.scans_at_once = True
    [created, waiting, closed] = node(
        address,
        [
            execute("trade.precreate", **ORDER),
            execute("trade.query", out_trade_no="sdk_1"),
            execute("trade.close", out_trade_no="sdk_1"),
        ],
    )
    assert created["qr_code"].startswith("https://qr.alipay.com/")
    assert (waiting["trade_status"], closed["code"]) == ("WAIT_BUYER_PAY", "10000")
    node(address, [execute("trade.precreate", **ORDER | {"out_trade_no": "sdk_2"})])
    simulator.pay("sdk_2")
    [refunded, asked, too_much, none] = node(
        address,
        [
            execute("trade.refund", out_trade_no="sdk_2", refund_amount="2.00", out_request_no="r_1"),
            execute("trade.fastpay.refund.query", out_trade_no="sdk_2", out_request_no="r_1"),
            execute("trade.refund", out_trade_no="sdk_2", refund_amount="10.35", out_request_no="r_2"),
            execute("user.agreement.query", agreement_no="1"),
        ],
    )
    assert (refunded["fund_change"], asked["refund_status"]) == ("Y", "REFUND_SUCCESS")
    assert too_much["sub_code"] == "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"
    assert none["sub_code"] == "USER_AGREEMENT_NOT_EXIST"


def test_node_sdk_opens_the_simulators_cashier_and_agreement(simulator: AlipaySimulator) -> None:
    rules = {"period_type": "MONTH", "period": 1, "execute_time": "2027-01-01", "single_amount": "15.00"}
    agreement = {
        "personal_product_code": "CYCLE_PAY_AUTH_P",
        "external_agreement_no": "sdk1",
        "sign_scene": "INDUSTRY|DIGITAL_MEDIA",
        "period_rule_params": rules,
    }
    [app, page, sign] = node(
        "",
        [
            {"operation": "sdkExecute", "method": "alipay.trade.app.pay", "params": {"bizContent": ORDER}},
            {
                "operation": "pageExecute",
                "method": "alipay.trade.page.pay",
                "params": {"bizContent": ORDER | {"out_trade_no": "sdk_2"}},
            },
            {
                "operation": "sdkExecute",
                "method": "alipay.user.agreement.page.sign",
                "params": {"bizContent": agreement},
            },
        ],
    )
    assert simulator.open(app).out_trade_no == "sdk_1"
    assert simulator.open(urlsplit(page).query).out_trade_no == "sdk_2"
    assert simulator.agree(sign).status == "NORMAL"


def test_node_sdk_refuses_the_simulator_under_another_key(address: str) -> None:
    [answer] = node(address, [execute("trade.query", out_trade_no="sdk_1")], alipays="somebody")
    assert "验签失败" in answer["error"]


# --- they verify what the adapter signs --------------------------------------------------------------------------


def signed_by_us(harness: AlipayHarness) -> list[dict[str, str]]:
    """Parameters of an order string, a page's address, an agreement's, and of every call."""
    app = harness.create(a_payment(harness, reference="pay_a", method="alipay_app", description="会员 一个月"))
    page = harness.create(a_payment(harness, reference="pay_p", method="alipay_page"))
    paid(harness)
    harness.refund(a_refund(harness, harness.fetch(), amount_minor=100))
    assert app.action is not None
    assert page.action is not None
    order, address = app.action.app_parameters["order_string"], urlsplit(page.action.url).query
    return [dict(parse_qsl(order)), dict(parse_qsl(address)), *harness.provider.requests]


def test_python_sdk_verifies_what_we_sign() -> None:
    verifier = python_client(alipays="app")
    sent = signed_by_us(AlipayHarness())
    assert len({parameters["method"] for parameters in sent}) >= 6
    for parameters in sent:
        signature = parameters.pop("sign")
        content = "&".join(f"{name}={value}" for name, value in verifier._ordered_data(parameters))
        assert verifier._verify(content, signature)
        assert not verifier._verify(content.replace("RSA2", "RSA"), signature)


def test_node_sdk_verifies_what_we_sign() -> None:
    sent = signed_by_us(AlipayHarness())
    changed = sent[0] | {"timestamp": "2027-01-01 00:00:00"}
    posts = [{"operation": "checkNotify", "post": parameters} for parameters in [*sent, changed]]
    assert node("", posts, alipays="app") == [True] * len(sent) + [False]


def test_both_verify_the_notices_that_we_believe() -> None:
    harness = AlipayHarness()
    payment = paid(harness)
    harness.refund(a_refund(harness, payment, amount_minor=100))
    harness.provider.end_agreement(harness.agreement)
    bodies = [callback.body for callback in harness.callbacks()]
    assert len(bodies) == 3
    for body in bodies:
        assert harness.gateway.verify_webhook({}, body).event_id
        words = dict(parse_qsl(body.decode()))
        signature = words.pop("sign")
        assert python_client().verify(words, signature)
    posts = [{"operation": "checkNotify", "post": dict(parse_qsl(body.decode()))} for body in bodies]
    assert node("", posts) == [True] * 3


# --- certificates ------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:X509.get_issuer is deprecated")
def test_python_sdk_names_certificates_as_we_do(simulator: AlipaySimulator, address: str) -> None:
    own, theirs = a_certificate(wire.key_pair("app")), a_certificate(wire.key_pair("alipay"))
    roots = "\n\n".join([a_certificate(wire.key_pair("ca")), a_certificate(wire.key_pair("ca 2"))])
    client = _PythonSdkWithCertificates(
        appid=APP_ID,
        app_private_key_string=wire.private_pem(wire.key_pair("app")),
        app_public_key_cert_string=own,
        alipay_public_key_cert_string=theirs,
        alipay_root_cert_string=roots,
    )
    assert client.app_cert_sn == keys.certificate_number(own)
    assert client.alipay_root_cert_sn == keys.root_numbers(roots)
    simulator.merchant = a_merchant(certificates=(client.app_cert_sn, client.alipay_root_cert_sn, "0" * 32))
    client._gateway = address
    assert client.api_alipay_trade_query(out_trade_no="sdk_1")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    ours = AlipayGateway(
        GatewayConfiguration(
            "ga_1",
            "http://alipay.test/gateway.do",
            {"app_private_key": credentials()["app_private_key"], "alipay_public_cert": theirs},
            simulator,
            SETTINGS | {"app_cert": own, "alipay_root_cert": roots},
        )
    )
    assert ours.fetch_payment("pay_1").outcome is Outcome.NOT_FOUND
