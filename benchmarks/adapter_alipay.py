"""What the Alipay adapter costs a payment (CPU), beside the bare call of python-alipay-sdk. No network: a transport
that already has the signed answer, so each side signs its request, verifies the answer and reads it."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from unittest import mock

import alipay

from benchmarks.rig.rounds import Contestant, Sample, pace, play
from benchmarks.rig.tables import conditions, table
from payments.gateways.alipay.adapter import AlipayGateway
from payments.gateways.contract import GatewayConfiguration, HttpResponse, PaymentRequest
from tests.payments.gateways.simulators.alipay import wire

SECONDS = min(2.0, float(os.environ.get("BENCH_SECONDS", "2")))
APP_ID, SELLER_ID = "2021000000000001", "2088102175794899"
METHOD = "alipay.trade.precreate"
ANSWER = wire.answer(
    METHOD,
    {"code": "10000", "msg": "Success", "out_trade_no": "pay_1", "qr_code": "https://qr.alipay.com/bax0001"},
    key=wire.key_pair("alipay"),
)


def main() -> None:
    conditions(
        "a QR payment: sign, verify, read; no database", f"one process, one thread, {pace()} (here {SECONDS:.1f} s)"
    )
    results = play({"python-alipay-sdk": _while_time(_sdk()), "adapter": _while_time(_ours())})
    bound = results["python-alipay-sdk"].cpu_ms
    table(
        ["create a payment", "CPU ms", "of the SDK's"],
        [[name, result.cpu_ms, f"{result.cpu_ms / bound:.2f}"] for name, result in results.items()],
    )


def _ours() -> Callable[[], object]:
    keys = {
        "app_private_key": wire.private_pem(wire.key_pair("app")),
        "alipay_public_key": wire.public_base64(wire.key_pair("alipay")),
    }
    answer = HttpResponse(200, {}, ANSWER)
    settings = {"app_id": APP_ID, "seller_id": SELLER_ID}
    gateway = AlipayGateway(
        GatewayConfiguration("ga_1", "https://openapi.alipay.com/gateway.do", keys, lambda _: answer, settings)
    )
    request = PaymentRequest(
        reference="pay_1",
        amount_minor=1234,
        currency="CNY",
        method="alipay_qr",
        description="Premium, one month",
        order_reference="ord_1",
        webhook_url="https://pay.example/webhooks/ga_1",
        expires_at=datetime(2099, 1, 1, tzinfo=UTC),
    )
    return lambda: gateway.create_payment(request)


def _sdk() -> Callable[[], object]:
    client = alipay.AliPay(
        appid=APP_ID,
        app_notify_url="https://pay.example/webhooks/ga_1",
        app_private_key_string=wire.private_pem(wire.key_pair("app")),
        alipay_public_key_string=wire.public_pem(wire.key_pair("alipay")),
    )
    opened = mock.Mock(**{"return_value.read.return_value": ANSWER})
    alipay.urlopen = opened
    return lambda: client.api_alipay_trade_precreate(
        "Premium, one month", "pay_1", "12.34", time_expire="2099-01-01 08:00:00"
    )


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
