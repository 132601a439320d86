"""WeChat Pay for a direct merchant: in apps (APP), in WeChat (JSAPI), by QR code (Native), in browsers (H5), and by
mandate (委托代扣). Yuan only."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import IO, Any, ClassVar
from urllib.parse import quote, urlencode

from payments.gateways.abilities import StatementLine
from payments.gateways.contract import (
    AccountField,
    ActionKind,
    Gateway,
    GatewayConfiguration,
    GatewayOutcomeUnknown,
    GatewayRejected,
    NextAction,
    Outcome,
    PaymentRequest,
    PaymentResult,
    RefundRequest,
    RefundResult,
    SavedToken,
    SaveRequest,
    SaveResult,
    WebhookIdentity,
    WebhookNotice,
)
from payments.gateways.wechat.callbacks import Callbacks
from payments.gateways.wechat.client import Answer, WechatClient, new_nonce, refusal
from payments.gateways.wechat.mandates import NOTICE_DAYS, Mandates
from payments.gateways.wechat.statements import Bills, read_bill
from payments.gateways.wechat.transactions import payment_result, refund_result
from payments.gateways.wechat.v2 import V2Client
from payments.gateways.wechat.words import REFUND_FAILURE_CODES, NotUnderstood, part, shorten, text, write_time

MANDATE = "wechat_mandate"
API_V3_KEY_BYTES = 32
_SCENES = {"wechat_app": "app", "wechat_jsapi": "jsapi", "wechat_native": "native", "wechat_h5": "h5"}
_NUMBER_TAKEN = {"OUT_TRADE_NO_USED", "ORDER_CLOSED", "ORDER_PAID", "ORDERPAID"}
_NUMBER = re.compile(r"[0-9A-Za-z_\-|*]{1,32}")
_PROBED_NUMBER = "paycore_probe"


class WechatGateway(Gateway):
    """Implements CloseCapable, MandateCapable, ProbeCapable, StatementSource and StatementReader. Cannot be made with
    keys that cannot be read (KeyError, ValueError)."""

    name: ClassVar[str] = "wechat"
    methods: ClassVar[tuple[str, ...]] = (*_SCENES, MANDATE)
    currencies: ClassVar[frozenset[str]] = frozenset({"CNY"})
    addresses: ClassVar[tuple[str, ...]] = ("https://api.mch.weixin.qq.com", "https://api2.mch.weixin.qq.com")
    account_fields: ClassVar[tuple[AccountField, ...]] = (
        AccountField("mchid", is_secret=False),
        AccountField("appid", is_secret=False),
        AccountField("appid_app", is_secret=False, is_required=False),
        AccountField("appid_jsapi", is_secret=False, is_required=False),
        AccountField("appid_mandate", is_secret=False, is_required=False),
        AccountField("serial_no", is_secret=False),
        AccountField("private_key", is_multiline=True),
        AccountField("api_v3_key", can_overlap=True),
        AccountField("api_v2_key", is_required=False, can_overlap=True),
        AccountField("plan_id", is_secret=False, is_required=False),
        AccountField("public_key_id", is_secret=False, is_required=False, can_overlap=True),
        AccountField("public_key", is_secret=False, is_required=False, is_multiline=True, can_overlap=True),
        AccountField("platform_certificates", is_secret=False, is_required=False, is_multiline=True, is_override=True),
    )
    methods_that_need_ip: ClassVar[frozenset[str]] = frozenset({"wechat_h5"})
    resolves_by_repeating: ClassVar[bool] = True
    """A number that was sent twice gives the same order, and only the answer to sending tells what the payer needs."""
    webhook_acknowledgement: ClassVar[tuple[int, str, bytes]] = (
        200,
        "text/xml",
        b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>",
    )
    """APIv3 looks at the status alone; the notices of mandates want these words."""

    saveable_methods: ClassVar[frozenset[str]] = frozenset({MANDATE})
    mandate_methods: ClassVar[frozenset[str]] = frozenset({MANDATE})
    notice_days: ClassVar[int] = NOTICE_DAYS
    statement_zone: ClassVar[str] = "Asia/Shanghai"
    statement_ready_after_seconds: ClassVar[int] = 10 * 3600

    def __init__(self, configuration: GatewayConfiguration, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(configuration)
        if len(configuration.credentials["api_v3_key"].encode()) != API_V3_KEY_BYTES:
            raise ValueError("api_v3_key has 32 letters")
        self._client = WechatClient(configuration, clock=clock)
        v2 = V2Client(configuration, clock=clock)
        self._mandates = Mandates(configuration, self._client, v2)
        self._callbacks = Callbacks(configuration, keys=self._client.keys, v2=v2, clock=clock)
        self._bills = Bills(configuration, self._client)

    # --- payments ----------------------------------------------------------------------------------------------

    def create_payment(self, request: PaymentRequest) -> PaymentResult:
        _require_possible(request)
        if request.method == MANDATE:
            return self._mandates.charge(request)
        scene = _SCENES[request.method]
        answer = self._client.ask("POST", f"/v3/pay/transactions/{scene}", self._order(request, scene=scene))
        if answer.is_ok:
            return PaymentResult(
                request.reference, Outcome.REQUIRES_ACTION, action=self._action(request, answer.words, scene=scene)
            )
        if answer.code in _NUMBER_TAKEN:
            return self._what_became_of(request, answer)
        raise refusal(answer)

    def fetch_payment(self, reference: str, *, gateway_reference: str = "", method: str = "") -> PaymentResult:
        if method == MANDATE:
            return self._mandates.fetch_charge(reference)
        answer = self._client.ask("GET", f"{_order_path(reference)}?{urlencode({'mchid': self._mchid()})}")
        if answer.status == 404 and answer.code in ("ORDER_NOT_EXIST", "RESOURCE_NOT_EXISTS"):
            return PaymentResult(reference, Outcome.NOT_FOUND)
        if not answer.is_ok:
            raise refusal(answer)
        return self._payment(answer, reference=reference)

    def close_payment(
        self, reference: str, *, gateway_reference: str = "", method: str = "", expires_at: datetime | None = None
    ) -> PaymentResult:
        """WeChat answers 204 for a number that it never saw as well, and would still take that number later. Such a
        late order is no danger: only the answer to it, which nobody read, says how to pay it. A mandate's charge needs
        no payer and cannot be closed: its answer is what is known of it."""
        if method == MANDATE:
            return self._mandates.fetch_charge(reference)
        answer = self._client.ask("POST", f"{_order_path(reference)}/close", {"mchid": self._mchid()})
        known = self.fetch_payment(reference)
        if answer.is_ok and known.outcome in (Outcome.NOT_FOUND, Outcome.REQUIRES_ACTION):
            return PaymentResult(reference, Outcome.CANCELED)
        if not answer.is_ok and known.outcome is Outcome.NOT_FOUND:
            if answer.code == "ORDER_NOT_EXIST":
                return PaymentResult(reference, Outcome.CANCELED)
            raise refusal(answer)
        return known

    # --- refunds -----------------------------------------------------------------------------------------------

    def create_refund(self, request: RefundRequest) -> RefundResult:
        _require_yuan(request.currency)
        total = request.payment_amount_minor
        if total is None:
            total = self.fetch_payment(request.payment_reference).amount_minor
        which = (
            {"transaction_id": request.payment_gateway_reference}
            if request.payment_gateway_reference
            else {"out_trade_no": request.payment_reference}
        )
        words: dict[str, Any] = which | {
            "out_refund_no": request.reference,
            "amount": {"refund": request.amount_minor, "total": total, "currency": request.currency},
        }
        if reason := shorten(request.reason, max_bytes=80):
            words["reason"] = reason
        if request.webhook_url:
            words["notify_url"] = request.webhook_url
        answer = self._client.ask("POST", "/v3/refund/domestic/refunds", words)
        if answer.is_ok:
            return self._refund(answer, reference=request.reference)
        if answer.status == 429:
            raise GatewayOutcomeUnknown(
                "too many refunds at once: WeChat does not say whether this one", code="http_429"
            )
        raise refusal(answer, codes=REFUND_FAILURE_CODES)

    def fetch_refund(
        self, reference: str, *, payment_reference: str = "", payment_gateway_reference: str = ""
    ) -> RefundResult:
        answer = self._client.ask("GET", f"/v3/refund/domestic/refunds/{quote(reference, safe='')}")
        if answer.status == 404 and answer.code in ("RESOURCE_NOT_EXISTS", "REFUND_NOT_EXISTS"):
            return RefundResult(reference, Outcome.NOT_FOUND)
        if not answer.is_ok:
            raise refusal(answer, codes=REFUND_FAILURE_CODES)
        return self._refund(answer, reference=reference)

    # --- callbacks ---------------------------------------------------------------------------------------------

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookIdentity:
        return self._callbacks.verify(headers, body)

    def translate_webhook(self, body: bytes) -> list[WebhookNotice]:
        return self._callbacks.translate(body)

    # --- mandates ----------------------------------------------------------------------------------------------

    def save_method(self, request: SaveRequest) -> SaveResult:
        """``options``: ``scene`` app (default), jsapi (inside WeChat) or h5 (with ``payer_ip``)."""
        if request.method != MANDATE:
            raise GatewayRejected(f"WeChat Pay keeps no {request.method}", code="method_not_supported")
        return self._mandates.save(request)

    def fetch_saved(self, reference: str, *, gateway_reference: str = "") -> SaveResult:
        return self._mandates.fetch(reference, contract_id=gateway_reference)

    def forget_method(self, saved: SavedToken, *, method: str) -> None:
        self._mandates.end(saved)

    def announce_charge(self, saved: SavedToken, *, amount_minor: int, currency: str, charge_at: datetime) -> None:
        self._mandates.announce(saved, amount_minor=amount_minor, currency=currency, charge_at=charge_at)

    # --- statements, account -----------------------------------------------------------------------------------

    def fetch_statement(self, day: date) -> bytes | None:
        return self._bills.fetch(day)

    def read_statement(self, file: IO[bytes]) -> Iterator[StatementLine]:
        return read_bill(file)

    def probe(self) -> str:
        """Asks for an order that does not exist: a signed "no" proves the merchant's key and WeChat's."""
        self.fetch_payment(_PROBED_NUMBER)
        return self._mchid()

    # --- words -------------------------------------------------------------------------------------------------

    def _order(self, request: PaymentRequest, *, scene: str) -> dict[str, Any]:
        words: dict[str, Any] = {
            "appid": self._appid(scene),
            "mchid": self._mchid(),
            "description": shorten(request.description, max_bytes=127) or "-",
            "out_trade_no": request.reference,
            "notify_url": request.webhook_url,
            "amount": {"total": request.amount_minor, "currency": request.currency},
        }
        if request.expires_at is not None:
            words["time_expire"] = write_time(request.expires_at)
        if scene == "jsapi":
            words["payer"] = {"openid": _option(request, "openid")}
        if scene == "h5":
            h5 = {"type": str(request.options.get("h5_type", "Wap"))}
            words["scene_info"] = {"payer_client_ip": _option(request, "payer_ip"), "h5_info": h5}
        return words

    def _action(self, request: PaymentRequest, words: Mapping[str, Any], *, scene: str) -> NextAction:
        name = {"native": "code_url", "h5": "h5_url"}.get(scene, "prepay_id")
        try:
            given = text(words, name)
        except NotUnderstood:
            given = ""
        if not given:
            raise GatewayOutcomeUnknown(f"no {name} in the answer", code="malformed")
        if scene == "native":
            return NextAction(ActionKind.QR_CODE, qr_text=given, expires_at=request.expires_at)
        if scene == "h5":
            back = f"&{urlencode({'redirect_url': request.return_url})}" if request.return_url else ""
            return NextAction(ActionKind.REDIRECT, url=given + back, expires_at=request.expires_at)
        parameters = self._for_app(given) if scene == "app" else self._for_wechat(given)
        return NextAction(ActionKind.APP, app_parameters=parameters, expires_at=request.expires_at)

    def _for_app(self, prepay_id: str) -> dict[str, str]:
        """APP调起支付: what the app hands to WeChat's SDK."""
        appid, stamp, nonce = self._appid("app"), str(self._client.now()), new_nonce()
        return {
            "appid": appid,
            "partnerid": self._mchid(),
            "prepayid": prepay_id,
            "package": "Sign=WXPay",
            "noncestr": nonce,
            "timestamp": stamp,
            "sign": self._client.sign(appid, stamp, nonce, prepay_id),
        }

    def _for_wechat(self, prepay_id: str) -> dict[str, str]:
        """JSAPI调起支付: what a page inside WeChat hands to its bridge."""
        appid, stamp, nonce = self._appid("jsapi"), str(self._client.now()), new_nonce()
        package = f"prepay_id={prepay_id}"
        return {
            "appId": appid,
            "timeStamp": stamp,
            "nonceStr": nonce,
            "package": package,
            "signType": "RSA",
            "paySign": self._client.sign(appid, stamp, nonce, package),
        }

    def _what_became_of(self, request: PaymentRequest, answer: Answer) -> PaymentResult:
        """The number is taken: by the same payment, which ended, or by another one, which must not be touched."""
        known = self.fetch_payment(request.reference)
        is_same = known.amount_minor in (None, request.amount_minor) and known.currency in (None, request.currency)
        if is_same and known.outcome in (Outcome.SUCCEEDED, Outcome.CANCELED, Outcome.PENDING):
            return known
        raise refusal(answer)

    def _payment(self, answer: Answer, *, reference: str) -> PaymentResult:
        try:
            result = payment_result(answer.words)
            merchant = text(answer.words, "mchid")
        except NotUnderstood as problem:
            raise GatewayOutcomeUnknown(f"the answer is malformed: {problem}", code="malformed") from None
        if result.reference != reference or merchant != self._mchid():
            raise GatewayOutcomeUnknown("the answer is about another payment", code="wrong_reference")
        return result

    def _refund(self, answer: Answer, *, reference: str) -> RefundResult:
        try:
            part(answer.words, "amount")
            result = refund_result(answer.words, state=text(answer.words, "status"))
        except NotUnderstood as problem:
            raise GatewayOutcomeUnknown(f"the answer is malformed: {problem}", code="malformed") from None
        if result.reference != reference:
            raise GatewayOutcomeUnknown("the answer is about another refund", code="wrong_reference")
        return result

    def _appid(self, scene: str) -> str:
        settings = self.configuration.settings
        return settings.get(f"appid_{scene}") or settings.get("appid", "")

    def _mchid(self) -> str:
        return self.configuration.settings.get("mchid", "")


def _order_path(reference: str) -> str:
    return f"/v3/pay/transactions/out-trade-no/{quote(reference, safe='')}"


def _require_possible(request: PaymentRequest) -> None:
    if request.method not in WechatGateway.methods or not request.capture:
        raise GatewayRejected(f"WeChat Pay cannot do this with {request.method}", code="method_not_supported")
    _require_yuan(request.currency)
    if not _NUMBER.fullmatch(request.reference):
        raise GatewayRejected("a reference that cannot be an out_trade_no", code="gateway_rejected")
    if request.amount_minor < 1:
        raise GatewayRejected("at least one fen", code="amount_not_supported")


def _require_yuan(currency: str) -> None:
    if currency != "CNY":
        raise GatewayRejected("WeChat Pay takes yuan", code="currency_not_supported")


def _option(request: PaymentRequest, name: str) -> str:
    value = request.options.get(name)
    if not isinstance(value, str) or not value:
        raise GatewayRejected(f"{request.method} needs {name}", code="invalid_details")
    return value
