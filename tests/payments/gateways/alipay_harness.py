"""The Alipay adapter beside its simulator, in this process and with a clock to turn."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from payments.gateways.alipay.adapter import AlipayGateway
from payments.gateways.contract import (
    GatewayConfiguration,
    MandateTerms,
    PaymentRequest,
    SavedToken,
    SaveRequest,
)
from tests.payments.gateways.contract_harness import GatewayHarness, SignedCallback, Trouble
from tests.payments.gateways.simulators.alipay import wire
from tests.payments.gateways.simulators.alipay.provider import AlipaySimulator

ADDRESS = "http://alipay.test/gateway.do"
APP_ID, SELLER_ID = "2021000000000001", "2088102175794899"
SCENE = "INDUSTRY|DIGITAL_MEDIA"


@dataclass
class TurnableClock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

    def at(self, seconds: float) -> datetime:
        """Aware UTC, that many seconds from now."""
        return datetime.fromtimestamp(self.now + seconds, UTC)


SETTINGS = {"app_id": APP_ID, "seller_id": SELLER_ID, "sign_scene": SCENE}


def credentials() -> dict[str, str]:
    return {
        "app_private_key": wire.private_pem(wire.key_pair("app")),
        "alipay_public_key": wire.public_base64(wire.key_pair("alipay")),
    }


def a_merchant(**changes: Any) -> wire.Merchant:
    merchant = wire.Merchant(app_id=APP_ID, seller_id=SELLER_ID, key=wire.key_pair("app").public_key())
    return replace(merchant, **changes)


def a_save_request(**changes: Any) -> SaveRequest:
    request = SaveRequest(
        reference="pm_1",
        method="alipay_mandate",
        payer_reference="usr_1",
        description="Premium",
        currency="CNY",
        return_url="http://127.0.0.1:8000/saved",
        webhook_url="http://127.0.0.1:8000/webhooks/ga_1",
        terms=MandateTerms(max_amount_minor=99_999_00, currency="CNY"),
    )
    return replace(request, **changes)


class AlipayHarness(GatewayHarness):
    """Charges under an agreement; asks the payer by QR code."""

    currency = "CNY"
    immediate_method = "alipay_mandate"
    action_method = "alipay_qr"

    closes_what_never_arrived: ClassVar[bool] = False
    """Nothing at Alipay refuses a number before the payer opened the cashier."""
    repeats_notices_for_long: ClassVar[bool] = True
    """Eight times in 25 hours, notify_time and signature unchanged."""

    def __init__(self) -> None:
        self.clock = TurnableClock()
        self.provider = AlipaySimulator(merchant=a_merchant(), clock=self.clock, scans_at_once=True)
        self.gateway: AlipayGateway = self.connect()
        self.agreement = ""

    def connect(self, **changes: str) -> AlipayGateway:
        """The adapter; ``changes`` to its credentials."""
        return AlipayGateway(
            GatewayConfiguration("ga_1", ADDRESS, credentials() | changes, self.provider, SETTINGS), clock=self.clock
        )

    def sign_agreement(self, **changes: Any) -> str:
        """An agreement that a payer signed; its number."""
        action = self.gateway.save_method(a_save_request(**changes)).action
        assert action is not None
        return self.provider.agree(urlsplit(action.url).query).agreement_no

    def dress(self, request: PaymentRequest) -> PaymentRequest:
        if request.method != "alipay_mandate" or request.saved is not None:
            return request
        if not self.agreement:
            self.agreement = self.sign_agreement()
            self.provider.sent.clear()
        return replace(request, saved=SavedToken(self.agreement), is_off_session=True)

    def approve(self, reference: str) -> None:
        self.provider.pay(reference)

    def payments_made(self) -> int:
        return len(self.provider.trades)

    def refunds_made(self) -> int:
        return sum(len(trade.refunds) for trade in self.provider.trades.values())

    def trouble_next_payment(self, reference: str, trouble: Trouble) -> None:
        self.provider.troubles[reference] = trouble

    def trouble_next_refund(self, reference: str, trouble: Trouble) -> None:
        self.provider.troubles[reference] = trouble

    def decline_next_payment(self, reference: str) -> None:
        self.provider.declines[reference] = "ACQ.BUYER_BALANCE_NOT_ENOUGH"

    def answer_unlisted_state(self, reference: str) -> None:
        self.provider.unlisted.add(reference)

    def callbacks(self) -> list[SignedCallback]:
        found = [SignedCallback({}, body) for _url, body in self.provider.sent]
        self.provider.sent.clear()
        return found

    def sign(self, body: bytes, *, age_seconds: int = 0, secret: str | None = None) -> SignedCallback:
        """The same words signed anew, with a time that long ago."""
        words = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
        for name in ("sign", "sign_type"):
            words.pop(name, None)
        if "notify_time" in words:
            at = datetime.fromtimestamp(self.clock(), wire.SHANGHAI) - timedelta(seconds=age_seconds)
            words["notify_time"] = at.strftime("%Y-%m-%d %H:%M:%S")
        return SignedCallback({}, wire.notice(words, key=wire.key_pair(secret or self.provider.key_name)))

    def changed(self, body: bytes) -> bytes:
        return body.replace(b"12.34", b"12.35")

    def unsigned(self, body: bytes) -> bytes:
        return urlencode([pair for pair in parse_qsl(body.decode()) if pair[0] != "sign"]).encode()


class AlipayQrHarness(AlipayHarness):
    """The same, where every payment asks the payer."""

    immediate_method = ""
    can_decline: ClassVar[bool] = False
    """Who scans a code may try again until it expires."""
