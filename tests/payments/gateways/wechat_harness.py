"""The hands that move the made-up WeChat Pay, for payments in WeChat and for charges under a mandate."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

from payments.gateways.contract import (
    GatewayConfiguration,
    HttpResponse,
    Outcome,
    PaymentRequest,
    PaymentResult,
    SavedToken,
    SaveRequest,
)
from payments.gateways.wechat.adapter import WechatGateway
from tests.payments.gateways.contract_harness import GatewayHarness, SignedCallback, Trouble
from tests.payments.gateways.simulators.wechat import papay
from tests.payments.gateways.simulators.wechat.keyring import (
    API_V2_KEY,
    API_V3_KEY,
    APPID,
    MCHID,
    PLAN_ID,
    PUBLIC_KEY_ID,
    merchant_key,
    public_key,
    stranger,
)
from tests.payments.gateways.simulators.wechat.provider import WechatSimulator

BASE_URL = "https://api.mch.weixin.qq.com"
BEIJING = timezone(timedelta(hours=8))


class Clock:
    """Stands at ten in the morning, today in Beijing, until moved."""

    def __init__(self) -> None:
        today = datetime.fromtimestamp(time.time(), BEIJING).replace(hour=10, minute=0, second=0, microsecond=0)
        self.now = today.timestamp()

    def __call__(self) -> float:
        return self.now

    def advance(self, *, seconds: float = 0, days: float = 0) -> None:
        self.now += seconds + days * 86_400

    def beijing_hour(self, hour: int, *, minute: int = 0) -> None:
        self.now = datetime.fromtimestamp(self.now, BEIJING).replace(hour=hour, minute=minute).timestamp()

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


def configuration(
    transport: Any,
    *,
    base_url: str = BASE_URL,
    settings: Mapping[str, str] | None = None,
    credentials: Mapping[str, str] | None = None,
) -> GatewayConfiguration:
    usual = {"mchid": MCHID, "appid": APPID, "serial_no": merchant_key().serial, "plan_id": PLAN_ID}
    secret = {"private_key": merchant_key().private_pem, "api_v3_key": API_V3_KEY, "api_v2_key": API_V2_KEY}
    return GatewayConfiguration(
        "ga_1", base_url, secret | dict(credentials or {}), transport, usual | dict(settings or {})
    )


def with_public_key(**more: str) -> dict[str, str]:
    return {"public_key_id": PUBLIC_KEY_ID, "public_key": public_key().public_pem, **more}


class WechatHarness(GatewayHarness):
    currency = "CNY"
    immediate_method = ""
    action_method = "wechat_native"
    can_decline: ClassVar[bool] = False
    """A sheet or code lets the payer try again; TestMandatesKeepTheContract has declines."""
    closes_what_never_arrived: ClassVar[bool] = False
    """WeChat answers 204 and forgets: docs/gateways/wechat.md says why no money can come of it."""

    def __init__(self, *, settings: Mapping[str, str] | None = None) -> None:
        self.clock = Clock()
        self.provider = WechatSimulator(clock=self.clock)
        self.gateway = WechatGateway(configuration(self.provider, settings=settings), clock=self.clock)

    def approve(self, reference: str) -> None:
        self.provider.desk.approve(reference)

    def payments_made(self) -> int:
        return len(self.provider.book.orders)

    def refunds_made(self) -> int:
        return len(self.provider.book.refunds)

    def trouble_next_payment(self, reference: str, trouble: Trouble) -> None:
        self.provider.trouble(reference, trouble)

    trouble_next_refund = trouble_next_payment

    def decline_next_payment(self, reference: str) -> None:
        raise NotImplementedError

    def answer_unlisted_state(self, reference: str) -> None:
        self.provider.says_instead[reference] = "NEVER_HEARD_OF"

    def callbacks(self) -> list[SignedCallback]:
        return self.provider.callbacks()

    def sign(self, body: bytes, *, age_seconds: int = 0, secret: str | None = None) -> SignedCallback:
        key = self.provider.answers_with
        return self.provider.sign_callback(
            body, key=replace(key, private=stranger()) if secret else key, age_seconds=age_seconds
        )

    def changed(self, body: bytes) -> bytes:
        return body.replace(b"EV-", b"EW-")


class MandateHarness(WechatHarness):
    """Charges under a signed mandate: accepted first, made (or failed) by :meth:`settle`."""

    immediate_method = "wechat_mandate"
    action_method = ""
    can_decline: ClassVar[bool] = True
    repeats_notices_for_long: ClassVar[bool] = True
    """XML notices carry no time of sending; test_wechat_mandates shows what is done about old ones."""

    def __init__(self, *, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(settings=settings)
        self.saved = sign_mandate(self)
        self.provider.callbacks()

    def dress(self, request: PaymentRequest) -> PaymentRequest:
        return replace(request, saved=self.saved, is_off_session=True)

    def settle(self, result: PaymentResult) -> PaymentResult:
        if result.outcome is Outcome.PENDING:
            self.approve(result.reference)
            return self.fetch(result.reference)
        return result

    def recover(self, request: PaymentRequest) -> PaymentResult:
        return self.settle(super().recover(request))

    def approve(self, reference: str) -> None:
        self.provider.papay.execute(reference)

    def decline_next_payment(self, reference: str) -> None:
        self.provider.papay.refuses[reference] = "NOTENOUGH"

    def sign(self, body: bytes, *, age_seconds: int = 0, secret: str | None = None) -> SignedCallback:
        if not body.startswith(b"<"):
            return super().sign(body, age_seconds=age_seconds, secret=secret)
        return self.provider.papay.notice(papay.from_xml(self.unsigned(body)), key=secret or API_V2_KEY)

    def changed(self, body: bytes) -> bytes:
        return body.replace(b"1234", b"1235")

    def unsigned(self, body: bytes) -> bytes:
        return re.sub(rb"<sign>.*</sign>", b"", body)


def a_saving(**changes: Any) -> SaveRequest:
    request = SaveRequest(
        reference="pm_01jd3xkzt8q4",
        method="wechat_mandate",
        payer_reference="usr_1",
        description="Premium 会员",
        currency="CNY",
        return_url="https://pay.example/pay/cs_1",
        webhook_url="https://pay.example/webhooks/ga_1",
    )
    return replace(request, **changes)


def sign_mandate(harness: WechatHarness) -> SavedToken:
    """From the request to the payer's signature."""
    gateway = harness.gateway
    assert isinstance(gateway, WechatGateway)
    gateway.save_method(a_saving())
    contract = harness.provider.papay.sign_contract("pmZ01jd3xkzt8q4")
    return SavedToken(contract.contract_id, contract.openid)


def gateway_of(harness: WechatHarness) -> WechatGateway:
    assert isinstance(harness.gateway, WechatGateway)
    return harness.gateway


def spoil(harness: WechatHarness, change: Callable[[HttpResponse], HttpResponse]) -> None:
    """The next answer is changed on its way."""
    harness.provider.spoils.append(change)


def sent(harness: WechatHarness) -> dict[str, Any]:
    """The body of the last request that had one."""
    words: dict[str, Any] = json.loads([request.body for request in harness.provider.requests if request.body][-1])
    return words


def prepared(harness: WechatHarness) -> None:
    """The certificates are known, so that the next answer is the one that a test spoils."""
    gateway_of(harness).probe()


def answering(harness: WechatHarness, status: int, code: str) -> Callable[[HttpResponse], HttpResponse]:
    def answer(_: HttpResponse) -> HttpResponse:
        body = json.dumps({"code": code, "message": "因为"}).encode()
        return HttpResponse(status, harness.provider.signature(body), body)

    return answer
