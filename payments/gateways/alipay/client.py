"""The wire of Alipay's open platform: signed requests out, verified answers in. RSA2 only (SHA256withRSA).

Common parameters travel in the query and ``biz_content`` in the body, as Alipay's own SDKs send them. The signature of
an answer covers the exact characters of its ``<method>_response`` value, never a re-serialised one.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from cryptography.hazmat.primitives.asymmetric import rsa

from payments.gateways.alipay import keys, words
from payments.gateways.contract import (
    GatewayConfiguration,
    GatewayOutcomeUnknown,
    GatewayRejected,
    HttpRequest,
)

_SPACE = re.compile(r"[ \t\r\n]*")
_OUR_FAULT = frozenset({"20001", "40001", "40002", "40003", "40006"})
_PUBLIC_KEYS = ("alipay_public_key", "alipay_public_cert")
_BILL_HOSTS = ("alipay.com", "alipaydev.com", "alipayobjects.com")
MAX_BILL_BYTES = 64 * 1024 * 1024
BILL_DEADLINE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A verified answer. ``refusal`` is the ``sub_code`` of a business refusal, ``says`` its words for people."""

    code: str
    words: Mapping[str, Any]
    refusal: str = ""
    says: str = ""


class AlipayClient:
    def __init__(self, configuration: GatewayConfiguration, *, clock: Callable[[], float]) -> None:
        self.configuration = configuration
        self.clock = clock

    def setting(self, name: str) -> str:
        """A setting or a credential, wherever the account keeps it."""
        return self.configuration.settings.get(name) or self.configuration.credentials.get(name, "")

    @cached_property
    def _private_key(self) -> rsa.RSAPrivateKey:
        try:
            return keys.load_private_key(self.setting("app_private_key"))
        except keys.KeyUnusable as problem:
            raise GatewayRejected(str(problem), code="account_misconfigured") from None

    @cached_property
    def public_keys(self) -> tuple[rsa.RSAPublicKey, ...]:
        """Alipay's, and during a change of it the one before; by key or by certificate."""
        configured = [
            secret
            for name in _PUBLIC_KEYS
            if self.configuration.credentials.get(name)
            for secret in self.configuration.secrets_in_use(name)
        ]
        try:
            loaded = tuple(keys.load_public_key(secret) for secret in configured)
        except keys.KeyUnusable as problem:
            raise GatewayRejected(str(problem), code="account_misconfigured") from None
        if not loaded:
            raise GatewayRejected("Alipay's public key is not configured", code="account_misconfigured")
        return loaded

    @cached_property
    def _certificate_numbers(self) -> dict[str, str]:
        """Certificate mode: which of our certificates Alipay shall check with, and whose roots we know."""
        own = self.setting("app_cert")
        if not own:
            return {}
        try:
            return {
                "app_cert_sn": keys.certificate_number(own),
                "alipay_root_cert_sn": keys.root_numbers(self.setting("alipay_root_cert")),
            }
        except keys.KeyUnusable as problem:
            raise GatewayRejected(str(problem), code="account_misconfigured") from None

    def sign(
        self, method: str, content: Mapping[str, Any], *, notify_url: str = "", return_url: str = ""
    ) -> dict[str, str]:
        """Every parameter of a request, ``sign`` among them."""
        parameters = {
            "app_id": self.setting("app_id"),
            "method": method,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": words.beijing(self.clock()),
            "version": "1.0",
            **self._certificate_numbers,
            "notify_url": notify_url,
            "return_url": return_url,
            "biz_content": json.dumps(content, ensure_ascii=False, separators=(",", ":")),
        }
        parameters = {name: value for name, value in parameters.items() if value}
        parameters["sign"] = keys.sign(self._private_key, content_to_sign(parameters))
        return parameters

    def order_string(self, method: str, content: Mapping[str, Any], *, notify_url: str = "") -> str:
        """What an app hands to Alipay's SDK."""
        return urlencode(self.sign(method, content, notify_url=notify_url))

    def page_url(self, method: str, content: Mapping[str, Any], *, notify_url: str = "", return_url: str = "") -> str:
        """Where a browser goes."""
        parameters = self.sign(method, content, notify_url=notify_url, return_url=return_url)
        return f"{self.configuration.base_url}?{urlencode(parameters)}"

    def ask(self, method: str, content: Mapping[str, Any], *, notify_url: str = "") -> Answer:
        """One call. A business refusal (40004) is an answer; GatewayRejected for a fault of ours that Alipay signed,
        GatewayOutcomeUnknown for whatever is not plainly Alipay's answer to this."""
        parameters = self.sign(method, content, notify_url=notify_url)
        body = urlencode({"biz_content": parameters.pop("biz_content")}).encode()
        response = self.configuration.transport(
            HttpRequest(
                method="POST",
                url=f"{self.configuration.base_url}?{urlencode(parameters)}",
                headers={"Content-Type": "application/x-www-form-urlencoded;charset=utf-8"},
                body=body,
            )
        )
        if response.status != 200:
            raise GatewayOutcomeUnknown(f"HTTP {response.status}", code=f"http_{response.status}")
        return _answer(self._verified(response.body, method=method))

    def download(self, url: str) -> bytes:
        """A bill, from the address that a signed answer named; nothing but an address of Alipay's is visited."""
        parts = urlsplit(url)
        own = urlsplit(self.configuration.base_url)
        is_alipay = any((parts.hostname or "").endswith(f".{host}") for host in _BILL_HOSTS)
        if is_alipay and parts.username is None:
            parts = parts._replace(scheme="https")
        elif (parts.scheme, parts.netloc) != (own.scheme, own.netloc):
            raise GatewayOutcomeUnknown("the bill's address is not one of Alipay's", code="foreign_address")
        response = self.configuration.transport(
            HttpRequest(
                method="GET",
                url=urlunsplit(parts),
                headers={},
                deadline_seconds=BILL_DEADLINE_SECONDS,
                max_response_bytes=MAX_BILL_BYTES,
            )
        )
        if response.status != 200:
            raise GatewayOutcomeUnknown(f"HTTP {response.status}", code=f"http_{response.status}")
        return response.body

    def _verified(self, body: bytes, *, method: str) -> dict[str, Any]:
        try:
            parts = _top_level(body.decode())
        except (ValueError, RecursionError):
            raise GatewayOutcomeUnknown("the answer is not Alipay's JSON", code="malformed") from None
        value, signed = parts.get(f"{method.replace('.', '_')}_response") or parts.get("error_response") or (None, "")
        if not isinstance(value, dict):
            raise GatewayOutcomeUnknown("the answer is about another method", code="malformed")
        signature = parts.get("sign", ("", ""))[0]
        if not signature:
            # Alipay does not sign what it says to an application that it does not know. Believing it would be
            # believing anybody, but its words help whoever sets the account up.
            code = words.failure_code(str(value.get("sub_code", "")))
            is_hint = code == "account_misconfigured"
            said = f": {str(value.get('sub_code', ''))[:80]}" if is_hint else ""
            raise GatewayOutcomeUnknown(f"the answer is unsigned{said}", code=code if is_hint else "unsigned")
        if not isinstance(signature, str) or not keys.is_signed(self.public_keys, signed, signature=signature):
            raise GatewayOutcomeUnknown("the answer's signature is wrong", code="signature_wrong")
        return value


def content_to_sign(parameters: Mapping[str, str]) -> str:
    """Non-empty parameters but ``sign``, by name."""
    return "&".join(f"{name}={parameters[name]}" for name in sorted(parameters) if name != "sign" and parameters[name])


def _answer(value: dict[str, Any]) -> Answer:
    code, refusal = str(value.get("code", "")), str(value.get("sub_code") or "")
    if code in ("10000", "10003"):
        return Answer(code, value)
    says = str(value.get("sub_msg") or value.get("msg") or "")[:200]
    if code == "40004" and refusal not in words.UNKNOWN and not refusal.startswith(("isp.unknow", "aop.unknow")):
        return Answer(code, value, refusal=refusal, says=says)
    if code in _OUR_FAULT:
        raise GatewayRejected(f"Alipay refuses the request: {refusal[:80]}", code=words.failure_code(refusal))
    raise GatewayOutcomeUnknown(f"Alipay answers {code[:20]} {refusal[:80]}", code=refusal[:64] or "unlisted")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) != len(pairs):
        raise ValueError("a name twice")
    return named


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_float=str, parse_int=str, parse_constant=_refuse)


def _top_level(text: str) -> dict[str, tuple[Any, str]]:
    """Each member of the outermost object: its value, and the characters it was written with. ValueError."""
    parts: dict[str, tuple[Any, str]] = {}
    position = _past(text, 0, "{")
    while True:
        name, position = _DECODER.raw_decode(text, _past(text, position, ""))
        start = _past(text, _past(text, position, ":"), "")
        value, end = _DECODER.raw_decode(text, start)
        if not isinstance(name, str) or name in parts:
            raise ValueError("not a name")
        parts[name] = (value, text[start:end])
        position = _past(text, end, "")
        if text[position : position + 1] == "}":
            break
        position = _past(text, position, ",")
    if text[position + 1 :].strip():
        raise ValueError("something follows")
    return parts


def _past(text: str, position: int, mark: str) -> int:
    """Behind blanks and ``mark``."""
    match = _SPACE.match(text, position)
    position = match.end() if match else position
    if not text.startswith(mark, position):
        raise ValueError("not JSON")
    return position + len(mark)
