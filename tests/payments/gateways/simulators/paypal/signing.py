"""Certificates and signatures of callbacks. Keys are made when they are first needed and never leave the process."""

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

COMMON_NAME = "messageverificationcerts.sandbox.paypal.com"
ROOT_NAME = "Test Root"
CERTIFICATE_PATH = "/v1/notifications/certs/"


@dataclass(frozen=True)
class Authority:
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def root(name: str = ROOT_NAME) -> Authority:
    return _root(name)


def intermediate(*, above: str = ROOT_NAME) -> Authority:
    return _intermediate(above)


@lru_cache
def _root(name: str) -> Authority:
    return _issue(name, None, is_authority=True)


@lru_cache
def _intermediate(above: str) -> Authority:
    return _issue(f"{above}'s Intermediate", _root(above), is_authority=True)


@lru_cache
def leaf(name: str = COMMON_NAME, *, good_from: float = 0, good_until: float = 0, above: str = ROOT_NAME) -> Authority:
    """Valid from 2026 on, unless told otherwise (seconds since 1970)."""
    parent = intermediate(above=above)
    return _issue(name, parent, is_authority=False, good_from=good_from, good_until=good_until)


def chain_pem(authorities: Sequence[Authority]) -> bytes:
    return "".join(authority.pem for authority in authorities).encode()


def signed_headers(
    body: bytes,
    *,
    key: rsa.RSAPrivateKey,
    webhook_id: str,
    at: float,
    certificate_url: str,
    transmission_id: str = "69cd13f0-d67a-11e5-baa3-778b53f4ae55",
) -> dict[str, str]:
    time = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    message = f"{transmission_id}|{time}|{webhook_id}|{zlib.crc32(body)}".encode()
    signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return {
        "paypal-transmission-id": transmission_id,
        "paypal-transmission-time": time,
        "paypal-transmission-sig": base64.b64encode(signature).decode(),
        "paypal-cert-url": certificate_url,
        "paypal-auth-algo": "SHA256withRSA",
    }


def with_crc32_of(body: bytes, target: bytes) -> bytes:
    """``body`` with four bytes before its closing brace, in a string, that give it the CRC32 of ``target``. Printable
    ones are searched for, so that the forgery is JSON."""
    wanted = zlib.crc32(target)
    for salt in range(2_000):
        head = body[:-1] + b',"%d":"' % salt
        tail = b'"}'
        forged = head + _patch(head, tail, wanted) + tail
        inner = forged[len(head) : -len(tail)]
        if all(32 <= letter < 127 and letter not in b'"\\' for letter in inner):
            return forged
    raise AssertionError("no printable forgery was found")


def _patch(head: bytes, tail: bytes, wanted: int) -> bytes:
    """The four bytes between: CRC32 is linear, so they follow from running it backwards over the tail."""
    table = [_table(number) for number in range(256)]
    reverse = {entry >> 24: number for number, entry in enumerate(table)}
    state = wanted ^ 0xFFFFFFFF
    for letter in reversed(tail):
        number = reverse[state >> 24]
        state = ((state ^ table[number]) << 8 & 0xFFFFFFFF) | (number ^ letter)
    for _ in range(4):
        number = reverse[state >> 24]
        state = ((state ^ table[number]) << 8 & 0xFFFFFFFF) | number
    return (state ^ zlib.crc32(head) ^ 0xFFFFFFFF).to_bytes(4, "little")


def _table(number: int) -> int:
    for _ in range(8):
        number = (number >> 1) ^ (0xEDB88320 if number & 1 else 0)
    return number


def _issue(
    name: str, parent: Authority | None, *, is_authority: bool, good_from: float = 0, good_until: float = 0
) -> Authority:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = parent.key if parent else key
    start = datetime.fromtimestamp(good_from, UTC) if good_from else datetime(2026, 1, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent.certificate.subject if parent else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(datetime.fromtimestamp(good_until, UTC) if good_until else start + timedelta(days=7_000))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_usage(is_authority), critical=True)
    )
    if not is_authority:
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return Authority(builder.sign(signer, hashes.SHA256()), key)


def _usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
