"""Keys and certificates of one account: in PEM, or as the bare base64 that Alipay's own tool hands out."""

import base64
import binascii
import hashlib
import re

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509.oid import NameOID

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_RSA_SIGNATURES = "1.2.840.113549.1.1."
_SHORT_NAMES = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.COUNTRY_NAME: "C",
}
MIN_KEY_BITS = 2048


class KeyUnusable(ValueError):
    """Not an RSA key or certificate that RSA2 can be done with."""


def load_private_key(text: str) -> rsa.RSAPrivateKey:
    """PKCS#1 or PKCS#8. Raises :class:`KeyUnusable`."""
    data = text.strip().encode()
    try:
        key = load_pem_private_key(data, None) if b"-----" in data else load_der_private_key(_plain(data), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnusable("the application's private key cannot be read") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < MIN_KEY_BITS:
        raise KeyUnusable("the application's private key is no RSA key of 2048 bits or more")
    return key


def load_public_key(text: str) -> rsa.RSAPublicKey:
    """A public key, or the one in a certificate. Raises :class:`KeyUnusable`."""
    data = text.strip().encode()
    key: object
    try:
        if b"CERTIFICATE" in data:
            key = x509.load_pem_x509_certificate(data).public_key()
        else:
            key = load_pem_public_key(data) if b"-----" in data else load_der_public_key(_plain(data))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnusable("Alipay's public key cannot be read") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_KEY_BITS:
        raise KeyUnusable("Alipay's public key is no RSA key of 2048 bits or more")
    return key


def _plain(data: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error:
        raise KeyUnusable("neither PEM nor base64") from None


def sign(key: rsa.RSAPrivateKey, content: str) -> str:
    return base64.b64encode(key.sign(content.encode(), padding.PKCS1v15(), SHA256())).decode()


def is_signed(keys: tuple[rsa.RSAPublicKey, ...], content: str, *, signature: str) -> bool:
    """Whether one of ``keys`` signed exactly ``content``."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    for key in keys:
        try:
            key.verify(raw, content.encode(), padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            continue
        return True
    return False


def certificate_number(pem: str) -> str:
    """Alipay's own name for a certificate: MD5 over its issuer (last part first) and decimal serial number."""
    try:
        return _number(x509.load_pem_x509_certificate(pem.strip().encode()))
    except ValueError:
        raise KeyUnusable("the application's certificate cannot be read") from None


def root_numbers(pem: str) -> str:
    """The same of each RSA certificate among the roots, joined by ``_``; the file also holds SM2 ones."""
    numbers = []
    for block in _CERTIFICATE.findall(pem.encode()):
        try:
            certificate = x509.load_pem_x509_certificate(block)
            if certificate.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURES):
                numbers.append(_number(certificate))
        except ValueError:  # a curve or an encoding that the library does not know: none of ours
            continue
    if not numbers:
        raise KeyUnusable("Alipay's root certificates hold no RSA certificate")
    return "_".join(numbers)


def _number(certificate: x509.Certificate) -> str:
    issuer = ",".join(
        f"{_SHORT_NAMES.get(part.oid, part.oid.dotted_string)}={part.value!s}"
        for part in reversed(list(certificate.issuer))
    )
    name = f"{issuer}{certificate.serial_number}".encode()
    return hashlib.md5(name, usedforsecurity=False).hexdigest()
