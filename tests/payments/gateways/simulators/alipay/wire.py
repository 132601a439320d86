"""Alipay's side of the wire: checks our signature, signs its answers and notices. Written apart from the adapter."""

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlsplit
from zoneinfo import ZoneInfo

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from payments.gateways.contract import HttpRequest

SHANGHAI = ZoneInfo("Asia/Shanghai")


@cache
def key_pair(name: str) -> rsa.RSAPrivateKey:
    """One key per name and test run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(key: rsa.RSAPrivateKey) -> str:
    """PKCS#1, as Alipay's tool writes it for languages other than Java."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()


def private_base64(key: rsa.RSAPrivateKey) -> str:
    """PKCS#8 without PEM lines, as the tool writes it for Java."""
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return base64.b64encode(der).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def public_base64(key: rsa.RSAPrivateKey) -> str:
    """As Alipay's console shows it."""
    return "".join(public_pem(key).split("\n")[1:-2])


def sign(key: rsa.RSAPrivateKey, text: str) -> str:
    return base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()


def joined(parameters: dict[str, str], *, without: tuple[str, ...]) -> str:
    kept = {name: value for name, value in parameters.items() if name not in without and value != ""}
    return "&".join(f"{name}={kept[name]}" for name in sorted(kept))


@dataclass
class Refused(Exception):
    """What the gateway or the service behind it says no with."""

    code: str
    sub_code: str
    words: dict[str, Any] = field(default_factory=dict)
    is_signed: bool = True


@dataclass(frozen=True)
class Merchant:
    """An application as Alipay knows it. ``certificates``: (app_cert_sn, alipay_root_cert_sn, alipay_cert_sn) in
    certificate mode."""

    app_id: str
    seller_id: str
    key: rsa.RSAPublicKey
    certificates: tuple[str, str, str] | None = None


def parameters_of(request: HttpRequest) -> dict[str, str]:
    """Query and form body together: Alipay reads both."""
    pairs = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
    pairs += parse_qsl(request.body.decode(), keep_blank_values=True)
    named = dict(pairs)
    if len(named) != len(pairs):
        raise Refused("40002", "isv.invalid-parameter")
    return named


def check_request(parameters: dict[str, str], merchant: Merchant, *, now: float | None) -> dict[str, Any]:
    """The request's ``biz_content``, once everything about it is right. Without ``now``: however old it is."""
    for name in ("app_id", "method", "charset", "sign_type", "sign", "timestamp", "version", "biz_content"):
        if not parameters.get(name):
            raise Refused("40001", f"isv.missing-{name.replace('_', '-')}", is_signed=name not in ("app_id", "sign"))
    if parameters["app_id"] != merchant.app_id:
        raise Refused("40002", "isv.invalid-app-id", is_signed=False)
    expected = {"sign_type": "RSA2", "version": "1.0", "charset": "utf-8"}
    for name, value in expected.items():
        if parameters[name] != value:
            raise Refused("40002", f"isv.invalid-{name.replace('_', '-')}")
    try:
        content = joined(parameters, without=("sign",))
        signature = base64.b64decode(parameters["sign"])
        merchant.key.verify(signature, content.encode(), padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        raise Refused("40002", "isv.invalid-signature", is_signed=False) from None
    _check_certificates(parameters, merchant)
    _check_time(parameters["timestamp"], now=now)
    content = json.loads(parameters["biz_content"])
    if not isinstance(content, dict):
        raise Refused("40002", "isv.invalid-parameter")
    return content


def _check_certificates(parameters: dict[str, str], merchant: Merchant) -> None:
    told = (parameters.get("app_cert_sn"), parameters.get("alipay_root_cert_sn"))
    if merchant.certificates is not None and told != merchant.certificates[:2]:
        raise Refused("40002", "isv.invalid-app-cert-sn")


def _check_time(written: str, *, now: float | None) -> None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", written):
        raise Refused("40002", "isv.invalid-timestamp")
    sent_at = datetime.strptime(written, "%Y-%m-%d %H:%M:%S").replace(tzinfo=SHANGHAI)
    if now is not None and abs(sent_at - datetime.fromtimestamp(now, SHANGHAI)) > timedelta(minutes=15):
        raise Refused("40002", "isv.invalid-timestamp")


def answer(
    method: str, words: dict[str, Any], *, key: rsa.RSAPrivateKey | None, certificate: str | None = None
) -> bytes:
    """With slashes escaped and Chinese as it is, so that writing it again would give other characters."""
    value = json.dumps(words, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
    text = f'{{"{method.replace(".", "_")}_response":{value}'
    if certificate is not None:
        text += f',"alipay_cert_sn":"{certificate}"'
    if key is not None:
        text += f',"sign":"{sign(key, value)}"'
    return (text + "}").encode()


def notice(words: dict[str, str], *, key: rsa.RSAPrivateKey) -> bytes:
    """A callback's body."""
    parameters = {**words, "charset": "utf-8", "version": "1.0"}
    signature = sign(key, joined(parameters, without=("sign", "sign_type")))
    pairs = {**parameters, "sign_type": "RSA2", "sign": signature}
    return "&".join(f"{name}={quote_plus(value)}" for name, value in pairs.items()).encode()
