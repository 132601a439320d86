"""What the WeChat Pay adapter costs a payment (CPU), beside the bare call of wechatpayv3. No network: both get the same
signed answer from memory, so each side signs its request, verifies the answer and reads it."""

import json
import os
import time
from collections.abc import Callable
from types import SimpleNamespace
from unittest import mock

import wechatpayv3.core
from wechatpayv3 import WeChatPay, WeChatPayType

from benchmarks.rig.rounds import Contestant, Sample, pace, play
from benchmarks.rig.tables import conditions, table
from payments.gateways.contract import GatewayConfiguration, HttpResponse, PaymentRequest
from payments.gateways.wechat.adapter import WechatGateway
from tests.payments.gateways.simulators.wechat.keyring import (
    API_V3_KEY,
    APPID,
    MCHID,
    PUBLIC_KEY_ID,
    merchant_key,
    public_key,
)
from tests.payments.gateways.simulators.wechat.provider import WechatSimulator

SECONDS = min(2.0, float(os.environ.get("BENCH_SECONDS", "2")))
NOTIFY_URL = "https://pay.example/webhooks/ga_1"
BODY = json.dumps({"code_url": "weixin://wxpay/bizpayurl?pr=p4lpSuKzz"}).encode()


def main() -> None:
    conditions(
        "a QR payment: sign, verify, read; no database", f"one process, one thread, {pace()} (here {SECONDS:.1f} s)"
    )
    results = play({"wechatpayv3": _while_time(_sdk()), "adapter": _while_time(_ours())})
    bound = results["wechatpayv3"].cpu_ms
    table(
        ["create a payment", "CPU ms", "of the SDK's"],
        [[name, result.cpu_ms, f"{result.cpu_ms / bound:.2f}"] for name, result in results.items()],
    )


class _Answer:
    """The same signed answer, its signature renewed each minute: it would be stale after five."""

    def __init__(self) -> None:
        self._made_at = -60.0
        self._headers: dict[str, str] = {}

    def headers(self) -> dict[str, str]:
        if time.monotonic() - self._made_at > 60:
            signature = WechatSimulator().signature(BODY, key=public_key())
            self._headers = {"Content-Type": "application/json; charset=utf-8", **signature}
            self._made_at = time.monotonic()
        return self._headers


def _ours() -> Callable[[], object]:
    answer = _Answer()
    gateway = WechatGateway(
        GatewayConfiguration(
            "ga_1",
            "https://api.mch.weixin.qq.com",
            {"private_key": merchant_key().private_pem, "api_v3_key": API_V3_KEY},
            lambda _: HttpResponse(200, answer.headers(), BODY),
            {
                "mchid": MCHID,
                "appid": APPID,
                "serial_no": merchant_key().serial,
                "public_key_id": PUBLIC_KEY_ID,
                "public_key": public_key().public_pem,
            },
        )
    )
    request = PaymentRequest(
        reference="pay_1",
        amount_minor=1234,
        currency="CNY",
        method="wechat_native",
        description="Premium, one month",
        order_reference="ord_1",
        webhook_url=NOTIFY_URL,
    )
    return lambda: gateway.create_payment(request)


def _sdk() -> Callable[[], object]:
    answer = _Answer()
    client = WeChatPay(
        wechatpay_type=WeChatPayType.NATIVE,
        mchid=MCHID,
        private_key=merchant_key().private_pem,
        cert_serial_no=merchant_key().serial,
        appid=APPID,
        apiv3_key=API_V3_KEY,
        notify_url=NOTIFY_URL,
        public_key=public_key().public_pem,
        public_key_id=PUBLIC_KEY_ID,
    )

    def post(**_: object) -> SimpleNamespace:
        return SimpleNamespace(status_code=200, headers=answer.headers(), text=BODY.decode(), content=BODY)

    wechatpayv3.core.requests = mock.Mock(post=post)
    amount = {"total": 1234, "currency": "CNY"}

    def pay() -> object:
        status, words = client.pay(description="Premium, one month", out_trade_no="pay_1", amount=amount)
        assert status == 200
        return json.loads(words)["code_url"]

    return pay


def _while_time(call: Callable[[], object]) -> Contestant:
    def contestant() -> Sample:
        operations, wall, cpu = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - wall < SECONDS:
            call()
            operations += 1
        return Sample(operations, time.perf_counter() - wall, time.process_time() - cpu)

    return contestant


if __name__ == "__main__":
    main()
