"""Speaks WeChat Pay's APIv3: every request signed, every answer's signature checked before a word of it is read."""

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from payments.gateways.contract import (
    GatewayConfiguration,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    HttpRequest,
    HttpResponse,
)
from payments.gateways.wechat.keys import SIGNATURE_TYPE, PlatformKeys, SignatureRefused, public_key_id
from payments.gateways.wechat.words import FAILURE_CODES, NotUnderstood, read_json, text

DEFINITE_SERVER_ERRORS = {"OPENID_MISMATCH", "INVALID_TRANSACTIONID"}
"""Documented with status 500, and yet a plain "no" to what we sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A signed answer below 500. ``code`` is WeChat's error, empty on success."""

    status: int
    words: Mapping[str, Any]
    code: str = ""
    message: str = ""

    @property
    def is_ok(self) -> bool:
        return self.status in (200, 204)


class WechatClient:
    """One merchant account. Thread-safe. KeyError or ValueError for a key that is missing or cannot be read."""

    def __init__(self, configuration: GatewayConfiguration, *, clock: Callable[[], float]) -> None:
        self._configuration = configuration
        self._clock = clock
        self._private_key = _load_private_key(configuration.credentials["private_key"])
        self._base_path = urlsplit(configuration.base_url).path.rstrip("/")
        self.keys = PlatformKeys(configuration, download=self._download_certificates, clock=clock)

    def ask(self, method: str, path: str, words: Mapping[str, Any] | None = None) -> Answer:
        """Raises GatewayOutcomeUnknown for anything that WeChat Pay did not sign, and for a 5xx;
        GatewayRejected(account_misconfigured) when it refuses our own signature."""
        try:
            self.keys.prepare()
        except SignatureRefused as refused:
            raise GatewayRejected(
                "a key of WeChat Pay's that cannot be read", code="account_misconfigured"
            ) from refused
        body = b"" if words is None else json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode()
        response = self.send(method, path, body)
        if response.status == 401:
            raise _refused_signature(response)
        self._check(response)
        return _read(response)

    def send(self, method: str, path: str, body: bytes = b"", *, max_response_bytes: int = 1024 * 1024) -> HttpResponse:
        """One signed request; the answer as it came, nothing checked. ``path`` with its query."""
        headers = {
            "Authorization": self._authorization(method, path, body),
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        if name := public_key_id(self._configuration):
            headers["Wechatpay-Serial"] = name  # answers are then signed with that key
        return self._configuration.transport(
            HttpRequest(
                method=method,
                url=self._configuration.base_url.rstrip("/") + path,
                headers=headers,
                body=body,
                max_response_bytes=max_response_bytes,
            )
        )

    def sign(self, *lines: str) -> str:
        """Each line ended by a line feed, RSA-SHA256 with the merchant's key, base64."""
        message = "".join(f"{line}\n" for line in lines).encode()
        return base64.b64encode(self._private_key.sign(message, PKCS1v15(), SHA256())).decode()

    def now(self) -> int:
        return int(self._clock())

    def _authorization(self, method: str, path: str, body: bytes) -> str:
        settings, stamp, nonce = self._configuration.settings, str(self.now()), new_nonce()
        signature = self.sign(method, self._base_path + path, stamp, nonce, body.decode())
        return (
            f'{SIGNATURE_TYPE} mchid="{settings.get("mchid", "")}",nonce_str="{nonce}",signature="{signature}",'
            f'timestamp="{stamp}",serial_no="{settings.get("serial_no", "")}"'
        )

    def _check(self, response: HttpResponse) -> None:
        headers = {name.lower(): value for name, value in response.headers.items()}
        try:
            self.keys.check(headers, response.body)
        except SignatureRefused as refused:
            raise GatewayOutcomeUnknown(f"HTTP {response.status} without a good signature", code=refused.code) from None

    def _download_certificates(self) -> HttpResponse:
        response = self.send("GET", "/v3/certificates")
        if response.status == 401:
            raise _refused_signature(response)
        return response


def _load_private_key(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.strip().encode(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("private_key is not an RSA key")
    return key


def new_nonce() -> str:
    return secrets.token_hex(16)


def refusal(answer: Answer, *, codes: Mapping[str, str] = FAILURE_CODES) -> GatewayError:
    """What to raise for an answer that is an error. 429: "the request was not accepted" (HTTP状态码); for refunds
    WeChat says that this is not certain, so they do not pass a 429 on to here."""
    said = f"WeChat Pay: {answer.code or answer.status} {answer.message}"[:300]
    if answer.status == 429:
        return GatewayUnavailable(said, code="gateway_unavailable")
    if answer.is_ok or answer.status < 400:
        return GatewayOutcomeUnknown(said, code=f"http_{answer.status}")
    return GatewayRejected(said, code=codes.get(answer.code, "gateway_rejected"))


def _read(response: HttpResponse) -> Answer:
    words: Mapping[str, Any] = {}
    try:
        if response.status != 204:
            words = read_json(response.body)
        code, message = ("", "") if response.status == 200 else (text(words, "code"), text(words, "message"))
    except NotUnderstood:
        raise GatewayOutcomeUnknown(f"HTTP {response.status} that cannot be read", code="malformed") from None
    if response.status >= 500 and code not in DEFINITE_SERVER_ERRORS:
        raise GatewayOutcomeUnknown(f"HTTP {response.status} {code}", code=f"http_{response.status}")
    return Answer(response.status, words, code, message)


def _refused_signature(response: HttpResponse) -> GatewayError:
    """Whoever cannot tell who asks signs no answer: 401 comes unsigned, with a code, and nothing was done."""
    try:
        code = text(read_json(response.body), "code")
    except NotUnderstood:
        code = ""
    if not code:
        return GatewayOutcomeUnknown("HTTP 401 that WeChat Pay did not write", code="http_401")
    return GatewayRejected(f"WeChat Pay refuses our signature: {code}", code="account_misconfigured")
