"""The certificate that signs PayPal's callbacks: where it may come from, whom it must chain to, whose name it bears."""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from payments.gateways.contract import GatewayError, HttpRequest, HttpTransport, WebhookRefused

ROOTS_PEM = Path(__file__).with_name("roots.pem").read_text()
"""DigiCert's public roots, pinned: PayPal's own SDK pins DigiCert too."""
_CERTIFICATE_PATH = re.compile(r"/v1/notifications/certs/[A-Za-z0-9_-]{1,200}")
_PAYPAL_NAME = re.compile(r"([a-z0-9-]+\.)+paypal\.com")
_MAX_CERTIFICATES = 10
_MAX_KEPT = 16
_MAX_FETCHES_A_MINUTE = 20


@dataclass(frozen=True, slots=True)
class SigningCertificate:
    key: RSAPublicKey
    good_from: datetime
    good_until: datetime

    def verify(self, signature: bytes, message: bytes) -> bool:
        try:
            self.key.verify(signature, message, PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True


class CertificateStore:
    """Fetches, checks and keeps them. ``address`` stands in for PayPal's own (trials); ``intermediates_pem`` help to
    find the way to a root and are not trusted for themselves."""

    def __init__(
        self,
        transport: HttpTransport,
        *,
        clock: Callable[[], float],
        roots_pem: str = "",
        intermediates_pem: str = "",
        address: str = "",
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._roots_pem = roots_pem or ROOTS_PEM
        self._intermediates_pem = intermediates_pem
        self._address = address
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, SigningCertificate] = OrderedDict()
        self._fetched_at: list[float] = []

    def get(self, url: str) -> SigningCertificate:
        """Raises WebhookRefused."""
        if not self._may_fetch_from(url):
            raise WebhookRefused("the certificate is not at PayPal", code="wrong_certificate_host")
        with self._lock:
            kept = self._kept.get(url)
        certificate = kept or self._checked(self._fetch(url))
        now = datetime.fromtimestamp(self._clock(), UTC)
        if not certificate.good_from <= now <= certificate.good_until:
            raise WebhookRefused("the certificate is not valid now", code="certificate_expired")
        if kept is None:
            with self._lock:
                self._kept[url] = certificate
                while len(self._kept) > _MAX_KEPT:
                    self._kept.popitem(last=False)
        return certificate

    def _may_fetch_from(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return False
        if _CERTIFICATE_PATH.fullmatch(parts.path) is None or parts.query or parts.fragment:
            return False
        if self._address:
            return url.startswith(self._address.rstrip("/") + "/")
        is_paypal = _PAYPAL_NAME.fullmatch(parts.netloc.removesuffix(":443")) is not None
        return parts.scheme == "https" and is_paypal and port in (None, 443)

    def _fetch(self, url: str) -> bytes:
        """A forger may name any number of certificates: not each of them is fetched."""
        now = self._clock()
        with self._lock:
            self._fetched_at = [at for at in self._fetched_at if now - 60 < at <= now]
            if len(self._fetched_at) >= _MAX_FETCHES_A_MINUTE:
                raise WebhookRefused("too many certificates were asked for", code="too_many_certificates")
            self._fetched_at.append(now)
        try:
            response = self._transport(HttpRequest("GET", url, headers={}, max_response_bytes=64 * 1024))
        except GatewayError as error:
            raise WebhookRefused(f"the certificate did not come: {error}", code="no_certificate") from error
        if response.status != 200:
            raise WebhookRefused(f"the certificate did not come: HTTP {response.status}", code="no_certificate")
        return response.body

    def _checked(self, pem: bytes) -> SigningCertificate:
        try:
            leaf, *others = x509.load_pem_x509_certificates(pem)
        except ValueError:
            raise WebhookRefused("the certificate is malformed", code="malformed_certificate") from None
        key = leaf.public_key()
        if not isinstance(key, RSAPublicKey):
            raise WebhookRefused("the certificate has no RSA key", code="malformed_certificate")
        name = _common_name(leaf)
        if _PAYPAL_NAME.fullmatch(name) is None:
            raise WebhookRefused("the certificate is somebody else's", code="wrong_certificate_name")
        self._check_chain(leaf, others[:_MAX_CERTIFICATES], name=name)
        return SigningCertificate(key, leaf.not_valid_before_utc, leaf.not_valid_after_utc)

    def _check_chain(self, leaf: x509.Certificate, others: Sequence[x509.Certificate], *, name: str) -> None:
        now = datetime.fromtimestamp(self._clock(), UTC)
        if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
            raise WebhookRefused("the certificate is not valid now", code="certificate_expired")
        roots, intermediates = self._configured()
        verifier = PolicyBuilder().store(Store(roots)).time(now).build_server_verifier(x509.DNSName(name))
        try:
            verifier.verify(leaf, [*others, *intermediates])
        except VerificationError as error:
            raise WebhookRefused(f"the certificate is not trusted: {error}", code="untrusted_certificate") from None

    def _configured(self) -> tuple[list[x509.Certificate], list[x509.Certificate]]:
        """Read when a certificate is new: a slip in these settings stops callbacks, not payments."""
        pem = self._intermediates_pem.encode()
        try:
            roots = x509.load_pem_x509_certificates(self._roots_pem.encode())
            return roots, x509.load_pem_x509_certificates(pem) if pem.strip() else []
        except ValueError:
            raise WebhookRefused("the account's own certificates are malformed", code="bad_certificates") from None


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value).lower() if len(names) == 1 else ""
