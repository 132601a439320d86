"""WeChat Pay's own public keys, by the serial that its signatures name.

Two schemes live side by side while a merchant moves from one to the other: platform certificates, downloaded and
decrypted with the APIv3 key, and one "WeChat Pay public key" whose id begins with ``PUB_KEY_ID_``.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from payments.gateways.contract import (
    GatewayConfiguration,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayUnavailable,
    HttpResponse,
)
from payments.gateways.wechat.words import NotUnderstood, part, read_json, text

PUBLIC_KEY_PREFIX = "PUB_KEY_ID_"
SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
PROBE_PREFIX = "WECHATPAY/SIGNTEST/"
TOLERANCE_SECONDS = 300
SECONDS_BETWEEN_DOWNLOADS, SECONDS_BETWEEN_FIRST_DOWNLOADS = 60, 5
MAX_HEADER_LENGTH = 2048


class SignatureRefused(Exception):
    """Missing, malformed, forged, stale, from the future, or by a key that we do not have; ``code`` says which."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class NotDecrypted(Exception):
    """Not encrypted with one of our APIv3 keys, or torn."""


def decrypt(envelope: Mapping[str, Any], *, keys: tuple[str, ...]) -> bytes:
    """``{algorithm, nonce, associated_data, ciphertext}``. Raises :class:`NotDecrypted`."""
    try:
        if text(envelope, "algorithm") != "AEAD_AES_256_GCM":
            raise NotDecrypted("algorithm")
        sealed = base64.b64decode(text(envelope, "ciphertext"), validate=True)
        nonce, bound = text(envelope, "nonce").encode(), text(envelope, "associated_data").encode()
    except (NotUnderstood, binascii.Error, ValueError):
        raise NotDecrypted("malformed") from None
    for key in keys:
        try:
            return AESGCM(key.encode()).decrypt(nonce, sealed, bound)
        except (InvalidTag, ValueError):
            continue
    raise NotDecrypted("wrong key")


class PlatformKeys:
    """Thread-safe. Certificates are fetched when an unknown serial is met, at most once a minute; the first ones again
    sooner after a failure. ValueError for given keys that cannot be read."""

    def __init__(
        self,
        configuration: GatewayConfiguration,
        *,
        download: Callable[[], HttpResponse],
        clock: Callable[[], float],
    ) -> None:
        self._configuration = configuration
        self._download = download
        self._clock = clock
        self._given = _given_keys(configuration)
        self._certificates: dict[str, x509.Certificate] = {}
        self._downloaded_at: float | None = None
        self._lock = Lock()

    def check(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raises :class:`SignatureRefused` unless WeChat Pay signed exactly ``body`` within the tolerance. Header
        names are in lower case. Asks WeChat Pay for its certificates when the serial is new."""
        message, signature, serial = self._read(headers, body)
        key = self._find(serial)
        if key is None:
            raise SignatureRefused("key_unknown")
        _verify(key, message=message, signature=signature)

    def prepare(self) -> None:
        """Before the first request: with no key at all, no answer could be believed. Raises GatewayRejected when our
        own signature is refused, else GatewayUnavailable; nothing was asked of WeChat Pay but its certificates."""
        if self._has_any():
            return
        problem = "asked a moment ago"
        try:
            with self._lock:
                if self._has_any() or self._refresh_if_due(pause_seconds=SECONDS_BETWEEN_FIRST_DOWNLOADS):
                    return
        except SignatureRefused as refused:
            problem = refused.code
        except GatewayOutcomeUnknown as unknown:
            problem = str(unknown)
        raise GatewayUnavailable(f"no key to check WeChat Pay's answers with: {problem}", code="gateway_unavailable")

    def _has_any(self) -> bool:
        return bool(self._given) or any(self._valid(name) for name in self._certificates)

    def _read(self, headers: Mapping[str, str], body: bytes) -> tuple[bytes, bytes, str]:
        names = ("wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature", "wechatpay-serial")
        stamp, nonce, signature, serial = (headers.get(name, "") for name in names)
        if signature.startswith(PROBE_PREFIX):
            raise SignatureRefused("signtest")
        if not (stamp and nonce and signature and serial):
            raise SignatureRefused("signature_missing")
        written = stamp + nonce + signature + serial
        if len(written) > MAX_HEADER_LENGTH or not written.isascii() or not stamp.isdigit() or len(stamp) > 12:
            raise SignatureRefused("signature_malformed")
        if headers.get("wechatpay-signature-type", SIGNATURE_TYPE) != SIGNATURE_TYPE:
            raise SignatureRefused("signature_malformed")
        age = self._clock() - int(stamp)
        if age > TOLERANCE_SECONDS:
            raise SignatureRefused("signature_stale")
        if age < -TOLERANCE_SECONDS:
            raise SignatureRefused("signature_from_the_future")
        try:
            raw = base64.b64decode(signature, validate=True)
        except binascii.Error:
            raise SignatureRefused("signature_malformed") from None
        return f"{stamp}\n{nonce}\n".encode() + body + b"\n", raw, serial

    def _find(self, serial: str) -> RSAPublicKey | None:
        name = _normal(serial)
        if known := self._given.get(serial) or self._given.get(name):
            return known
        if serial.startswith(PUBLIC_KEY_PREFIX) or not _is_hexadecimal(serial):
            return None
        return self._valid(name) or self._fetch(name)

    def _fetch(self, name: str) -> RSAPublicKey | None:
        """Whoever comes while somebody downloads waits for that download."""
        with self._lock:
            known = self._valid(name)
            if known is None:
                try:
                    self._refresh_if_due(pause_seconds=SECONDS_BETWEEN_DOWNLOADS)
                except GatewayError:
                    raise SignatureRefused("key_unavailable") from None
            return known or self._valid(name)

    def _valid(self, name: str) -> RSAPublicKey | None:
        return self._key_of(self._certificates.get(name))

    def _key_of(self, certificate: x509.Certificate | None) -> RSAPublicKey | None:
        """None for one that is not, not yet or no longer valid."""
        if certificate is None:
            return None
        now = datetime.fromtimestamp(self._clock(), UTC)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return None
        return _rsa(certificate.public_key())

    def _refresh_if_due(self, *, pause_seconds: float) -> bool:
        """Whether it was: a flood of made-up serials is one download a minute. The list is encrypted with our APIv3 key
        and signed by one of the certificates in it."""
        now = self._clock()
        if self._downloaded_at is not None and abs(now - self._downloaded_at) < pause_seconds:
            return False
        self._downloaded_at = now
        response = self._download()
        if response.status != 200:
            raise SignatureRefused("key_unavailable")
        try:
            fetched = self._read_certificates(response.body)
        except (NotUnderstood, NotDecrypted, ValueError):
            raise SignatureRefused("key_unavailable") from None
        headers = {name.lower(): value for name, value in response.headers.items()}
        message, signature, serial = self._read(headers, response.body)
        key = self._key_of(fetched.get(_normal(serial))) or self._given.get(serial)
        if key is None:
            raise SignatureRefused("key_unknown")
        _verify(key, message=message, signature=signature)
        self._certificates = fetched
        return True

    def _read_certificates(self, body: bytes) -> dict[str, x509.Certificate]:
        rows = read_json(body).get("data")
        if not isinstance(rows, list):
            raise NotUnderstood("data")
        fetched = {}
        for row in rows:
            if not isinstance(row, dict):
                raise NotUnderstood("data")
            pem = decrypt(part(row, "encrypt_certificate"), keys=self._configuration.secrets_in_use("api_v3_key"))
            certificate = x509.load_pem_x509_certificate(pem)
            name = f"{certificate.serial_number:X}"
            if name != _normal(text(row, "serial_no")):
                raise NotUnderstood("serial_no")
            _rsa(certificate.public_key())
            fetched[name] = certificate
        return fetched


def public_key_id(configuration: GatewayConfiguration) -> str:
    return configuration.settings.get("public_key_id", "")


def _given_keys(configuration: GatewayConfiguration) -> dict[str, RSAPublicKey]:
    """What the account itself was given: WeChat Pay's public key, its predecessor, and a counterpart's certificates.
    ValueError when one of them cannot be read."""
    settings = configuration.settings
    given = {}
    for suffix in ("", "_previous"):
        name, pem = settings.get(f"public_key_id{suffix}", ""), settings.get(f"public_key{suffix}", "")
        if name and pem:
            given[name] = _rsa(load_pem_public_key(pem.encode()))
    bundle = settings.get("platform_certificates", "")
    for certificate in x509.load_pem_x509_certificates(bundle.encode()) if bundle else []:
        given[f"{certificate.serial_number:X}"] = _rsa(certificate.public_key())
    return given


def _rsa(key: object) -> RSAPublicKey:
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not an RSA key")
    return key


def _verify(key: RSAPublicKey, *, message: bytes, signature: bytes) -> None:
    try:
        key.verify(signature, message, PKCS1v15(), SHA256())
    except InvalidSignature:
        raise SignatureRefused("signature_wrong") from None


def _normal(serial: str) -> str:
    return serial.upper().lstrip("0")


def _is_hexadecimal(serial: str) -> bool:
    return len(serial) <= 64 and all(letter in "0123456789abcdefABCDEF" for letter in serial)
