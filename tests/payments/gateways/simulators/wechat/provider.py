"""A made-up WeChat Pay: APIv3 of a direct merchant, and the XML interface of mandates beside it.

Written from the provider's pages, not from the adapter: it signs, checks signatures and reads XML by code of its own.
It is a transport (``HttpRequest`` → ``HttpResponse``); :mod:`..serving` puts it on loopback for other people's clients.
"""

import base64
import json
import re
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from threading import RLock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from payments.gateways.contract import GatewayOutcomeUnknown, GatewayUnavailable, HttpRequest, HttpResponse
from tests.payments.gateways.contract_harness import SignedCallback, Trouble
from tests.payments.gateways.simulators.wechat.bills import packed, promise
from tests.payments.gateways.simulators.wechat.book import Book, Refusal
from tests.payments.gateways.simulators.wechat.desk import Desk
from tests.payments.gateways.simulators.wechat.keyring import (
    API_V3_KEY,
    MCHID,
    PUBLIC_KEY_ID,
    SigningKey,
    merchant_key,
    platform_key,
    public_key,
)
from tests.payments.gateways.simulators.wechat.papay import Papay

BEIJING = timezone(timedelta(hours=8))
_AUTHORIZATION = re.compile(r'(\w+)="([^"]*)"')
Handler = Callable[..., Any]


class WechatSimulator:
    """``answers_with`` is the key that signs when a request does not name the public key."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.book = Book()
        self.desk = Desk(self)
        self.papay = Papay(self)
        self.answers_with: SigningKey = platform_key()
        self.certificates: list[SigningKey] = [platform_key()]
        self.encrypts_with = API_V3_KEY
        self.is_reachable = True
        self.requests: list[HttpRequest] = []
        self.sent: list[SignedCallback] = []
        self.spoils: list[Callable[[HttpResponse], HttpResponse]] = []
        """Each is used on one answer: what a broken or hostile network makes of it."""
        self.bills: dict[str, bytes | None] = {}
        """By date: a prepared file; None: still being made."""
        self.download_host = "https://api.mch.weixin.qq.com"
        self.says_instead: dict[str, str] = {}
        self._troubles: dict[str, Trouble] = {}
        self._lock = RLock()

    # --- the transport -----------------------------------------------------------------------------------------

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with self._lock:
            self.requests.append(request)
            if not self.is_reachable:
                raise GatewayUnavailable("connection refused", code="not_reached")
            response = self._with_trouble(request)
            return self.spoils.pop(0)(response) if self.spoils else response

    def trouble(self, number: str, trouble: Trouble) -> None:
        """For the next request that creates this payment or refund."""
        self._troubles[number] = trouble

    def _with_trouble(self, request: HttpRequest) -> HttpResponse:
        trouble = self._troubles.pop(self._creates(request), None)
        if trouble is Trouble.CONNECTION_REFUSED:
            raise GatewayUnavailable("connection refused", code="not_reached")
        if trouble is Trouble.TIMEOUT_BEFORE_EFFECT:
            raise GatewayOutcomeUnknown("no answer", code="no_answer")
        if trouble is Trouble.ERROR_5XX_BEFORE_EFFECT:
            return self._error(Refusal(500, "SYSTEM_ERROR"), request)
        response = self._respond(request)
        if trouble is Trouble.TIMEOUT_AFTER_EFFECT:
            raise GatewayOutcomeUnknown("no answer", code="no_answer")
        if trouble is Trouble.ERROR_5XX_AFTER_EFFECT:
            return self._error(Refusal(500, "SYSTEM_ERROR"), request)
        if trouble is Trouble.TORN_ANSWER:
            return HttpResponse(response.status, response.headers, response.body[: len(response.body) // 2])
        return response

    def _creates(self, request: HttpRequest) -> str:
        """The number in a request that creates something, or nothing."""
        if request.method != "POST" or request.url.endswith("/close"):
            return ""
        found = re.search(rb'"out_refund_no":\s*"([^"]+)"', request.body)
        found = found or re.search(rb'"out_trade_no":\s*"([^"]+)"', request.body)
        if found is None and request.url.endswith("/pay/pappayapply"):
            found = re.search(rb"<out_trade_no>(?:<!\[CDATA\[)?([^<\]]+)", request.body)
        return found.group(1).decode() if found else ""

    def _respond(self, request: HttpRequest) -> HttpResponse:
        parts = urlsplit(request.url)
        if parts.path.startswith(("/pay/", "/papay/")):
            return self.papay.respond(request)
        try:
            self._check_request(request)
            if parts.path == "/v3/billdownload/file":
                return self._download(parts.query)
            words = self._route(request.method, parts.path, parts.query, request.body)
        except Refusal as refused:
            return self._error(refused, request)
        body = b"" if words is None else json.dumps(words, ensure_ascii=False).encode()
        return HttpResponse(204 if words is None else 200, self._signed(body, request), body)

    def _error(self, refused: Refusal, request: HttpRequest) -> HttpResponse:
        body = json.dumps({"code": refused.code, "message": refused.message}, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json"} if refused.status == 401 else self._signed(body, request)
        return HttpResponse(refused.status, headers, body)

    # --- signatures --------------------------------------------------------------------------------------------

    def _check_request(self, request: HttpRequest) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        scheme, _, written = headers.get("authorization", "").partition(" ")
        fields = dict(_AUTHORIZATION.findall(written))
        if scheme != "WECHATPAY2-SHA256-RSA2048" or fields.get("mchid") != MCHID:
            raise Refusal(401, "SIGN_ERROR", "Authorization")
        if fields.get("serial_no", "").lstrip("0") != merchant_key().serial.lstrip("0"):
            raise Refusal(401, "SIGN_ERROR", "serial_no")
        if abs(self.clock() - int(fields["timestamp"])) > 300:
            raise Refusal(401, "SIGN_ERROR", "timestamp")
        parts = urlsplit(request.url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        lines = (request.method.encode(), path.encode(), fields["timestamp"].encode(), fields["nonce_str"].encode())
        message = b"".join(line + b"\n" for line in (*lines, request.body))
        try:
            key = merchant_key().private.public_key()
            key.verify(base64.b64decode(fields["signature"]), message, PKCS1v15(), SHA256())
        except InvalidSignature:
            raise Refusal(401, "SIGN_ERROR", "signature") from None

    def _signed(self, body: bytes, request: HttpRequest) -> dict[str, str]:
        headers = {name.lower(): value for name, value in request.headers.items()}
        key = public_key() if headers.get("wechatpay-serial") == PUBLIC_KEY_ID else self.answers_with
        return {"Content-Type": "application/json; charset=utf-8", **self.signature(body, key=key)}

    def signature(
        self, body: bytes, *, key: SigningKey | None = None, private: RSAPrivateKey | None = None, age_seconds: int = 0
    ) -> dict[str, str]:
        key = key or self.answers_with
        stamp, nonce = str(int(self.clock()) - age_seconds), secrets.token_hex(16)
        message = f"{stamp}\n{nonce}\n".encode() + body + b"\n"
        raw = (private or key.private).sign(message, PKCS1v15(), SHA256())
        return {
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": base64.b64encode(raw).decode(),
            "Wechatpay-Serial": key.serial,
            "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
        }

    def seal(self, plain: bytes, *, bound: str) -> dict[str, str]:
        nonce = secrets.token_hex(6)
        sealed = AESGCM(self.encrypts_with.encode()).encrypt(nonce.encode(), plain, bound.encode())
        return {
            "algorithm": "AEAD_AES_256_GCM",
            "nonce": nonce,
            "associated_data": bound,
            "ciphertext": base64.b64encode(sealed).decode(),
        }

    # --- routes ------------------------------------------------------------------------------------------------

    def _route(self, method: str, path: str, query: str, body: bytes) -> Any:
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        words = json.loads(body) if body else {}
        for pattern, verb, handler in self._routes():
            found = re.fullmatch(pattern, path)
            if found and verb == method:
                return handler(*found.groups(), words=words or asked)
        raise Refusal(404, "RESOURCE_NOT_EXISTS")

    def _routes(self) -> tuple[tuple[str, str, Handler], ...]:
        number = r"([^/]+)"
        return (
            (r"/v3/pay/transactions/(app|jsapi|native|h5)", "POST", self.desk.create),
            (rf"/v3/pay/transactions/out-trade-no/{number}", "GET", self.desk.query),
            (rf"/v3/pay/transactions/out-trade-no/{number}/close", "POST", self.desk.close),
            (r"/v3/refund/domestic/refunds", "POST", self.desk.refund),
            (rf"/v3/refund/domestic/refunds/{number}", "GET", self.desk.query_refund),
            (r"/v3/certificates", "GET", self._list_certificates),
            (r"/v3/bill/tradebill", "GET", self._ask_bill),
            (rf"/v3/papay/contracts/{number}/notify", "POST", self.papay.announce),
        )

    def _list_certificates(self, *, words: dict[str, Any]) -> dict[str, Any]:
        return {
            "data": [
                {
                    "serial_no": key.serial,
                    "effective_time": "2024-06-08T10:34:56+08:00",
                    "expire_time": "2029-06-08T10:34:56+08:00",
                    "encrypt_certificate": self.seal(key.certificate.encode(), bound="certificate"),
                }
                for key in self.certificates
            ]
        }

    # --- bills -------------------------------------------------------------------------------------------------

    def _ask_bill(self, *, words: dict[str, Any]) -> dict[str, Any]:
        day = words["bill_date"]
        if day not in self.bills:
            raise Refusal(400, "NO_STATEMENT_EXIST", "请求的账单文件不存在")
        bill = self.bills[day]
        if bill is None:
            raise Refusal(400, "STATEMENT_CREATING", "账单生成中")
        return promise(bill, day=day, host=self.download_host)

    def _download(self, query: str) -> HttpResponse:
        """Without a signature, as documented."""
        bill = self.bills.get(parse_qs(query)["token"][0])
        return HttpResponse(200, {"Content-Type": "application/x-gzip"}, packed(bill or b""))

    # --- what happens without a request ------------------------------------------------------------------------

    def notify(self, event_type: str, what: str, resource: dict[str, Any]) -> None:
        self.sent.append(self.notice(event_type, what, resource))

    def notice(self, event_type: str, what: str, resource: dict[str, Any]) -> SignedCallback:
        plain = json.dumps(resource, ensure_ascii=False).encode()
        body = json.dumps(
            {
                "id": f"EV-{secrets.token_hex(12)}",
                "create_time": self.beijing(self.clock()),
                "resource_type": "encrypt-resource",
                "event_type": event_type,
                "summary": "支付成功",
                "resource": {"original_type": what, **self.seal(plain, bound=what)},
            },
            ensure_ascii=False,
        ).encode()
        return self.sign_callback(body)

    def sign_callback(self, body: bytes, *, key: SigningKey | None = None, age_seconds: int = 0) -> SignedCallback:
        headers = self.signature(body, key=key, age_seconds=age_seconds)
        return SignedCallback({name.lower(): value for name, value in headers.items()}, body)

    def callbacks(self) -> list[SignedCallback]:
        sent, self.sent = self.sent, []
        return sent

    def beijing(self, moment: float | None) -> str:
        return datetime.fromtimestamp(moment or 0, BEIJING).replace(microsecond=0).isoformat()
