"""The keys of a made-up merchant and of a made-up WeChat Pay, made anew for each test run."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

MCHID, APPID, PLAN_ID = "1900000109", "wxd678efh567hg6787", "12535"
API_V3_KEY, OTHER_API_V3_KEY = "a" * 16 + "B" * 16, "c" * 32
API_V2_KEY, OTHER_API_V2_KEY = "192006250b4c09247ec02edce69f6a2d", "d" * 32
PUBLIC_KEY_ID = "PUB_KEY_ID_0119000001092024112600326400002345"


@dataclass(frozen=True)
class SigningKey:
    """``serial`` is what goes into the headers; ``certificate`` is empty for a bare public key."""

    serial: str
    private: rsa.RSAPrivateKey
    certificate: str = ""

    @property
    def private_pem(self) -> str:
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        return self.private.private_bytes(encoding, form, serialization.NoEncryption()).decode()

    @property
    def public_pem(self) -> str:
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(encoding, form).decode()


@cache
def merchant_key() -> SigningKey:
    return with_certificate("merchant")


@cache
def platform_key(name: str = "platform") -> SigningKey:
    return with_certificate(name)


@cache
def public_key() -> SigningKey:
    return SigningKey(PUBLIC_KEY_ID, rsa.generate_private_key(public_exponent=65537, key_size=2048))


@cache
def stranger() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def with_certificate(name: str, *, begins: datetime | None = None, ends: datetime | None = None) -> SigningKey:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Made-up {name}")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins or now - timedelta(days=365))
        .not_valid_after(ends or now + timedelta(days=4 * 365))
        .sign(private, SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return SigningKey(f"{certificate.serial_number:040X}", private, pem)
