"""An App Store of our own: a chain like Apple's, made at test time, and messages signed with it."""

import base64
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

BUNDLE_ID, APP_ID = "com.example.app", 1234567890
LEAF_MARK, INTERMEDIATE_MARK = "1.2.840.113635.100.6.11.1", "1.2.840.113635.100.6.2.1"


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None,
    mark: str = "",
    days: tuple[int, int],
    is_authority: bool,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = issuer or (subject, key)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_authority,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if mark:
        builder = builder.add_extension(
            x509.UnrecognizedExtension(x509.ObjectIdentifier(mark), b"\x05\x00"), critical=False
        )
    return builder.sign(issuer_key, SHA256())


@dataclass
class AppleChain:
    """Root, intermediate and leaf. ``leaf_days``: from when to when the leaf is good, in days from now."""

    leaf_days: tuple[int, int] = (-800, 300)
    leaf_mark: str = LEAF_MARK
    name: str = "Apple"
    x5c: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
        root_key, middle_key, self.leaf_key = keys
        root = _certificate(f"{self.name} Root", root_key, issuer=None, days=(-4000, 4000), is_authority=True)
        middle = _certificate(
            f"{self.name} Middle",
            middle_key,
            issuer=(root.subject, root_key),
            mark=INTERMEDIATE_MARK,
            days=(-3000, 3000),
            is_authority=True,
        )
        leaf = _certificate(
            f"{self.name} Leaf",
            self.leaf_key,
            issuer=(middle.subject, middle_key),
            mark=self.leaf_mark,
            days=self.leaf_days,
            is_authority=False,
        )
        self.root_pem = root.public_bytes(Encoding.PEM)
        self.x5c = [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in (leaf, middle, root)]

    def sign(self, payload: dict[str, Any], **headers: Any) -> str:
        return jwt.encode(payload, self.leaf_key, algorithm="ES256", headers={"x5c": self.x5c, **headers})


@dataclass
class AppStore:
    """Signs what the App Store would say. Every message is of its own moment: ``at``."""

    chain: AppleChain
    environment: str = "Sandbox"
    bundle_id: str = BUNDLE_ID

    def transaction(
        self,
        *,
        at: datetime,
        starts_at: datetime,
        ends_at: datetime,
        transaction: str = "2000000000000001",
        original: str = "2000000000000001",
        product: str = "premium_monthly",
        account_token: str | None = None,
        reason: str = "PURCHASE",
        **more: Any,
    ) -> dict[str, Any]:
        payload = {
            "originalTransactionId": original,
            "transactionId": transaction,
            "bundleId": self.bundle_id,
            "productId": product,
            "purchaseDate": milliseconds(starts_at),
            "originalPurchaseDate": milliseconds(starts_at),
            "expiresDate": milliseconds(ends_at),
            "quantity": 1,
            "type": "Auto-Renewable Subscription",
            "inAppOwnershipType": "PURCHASED",
            "signedDate": milliseconds(at),
            "environment": self.environment,
            "transactionReason": reason,
            "storefront": "USA",
            "price": 19990,
            "currency": "USD",
        }
        if account_token:
            payload["appAccountToken"] = account_token
        return payload | more

    def renewal(self, *, at: datetime, original: str, renews: bool = True, **more: Any) -> dict[str, Any]:
        return {
            "originalTransactionId": original,
            "autoRenewProductId": "premium_monthly",
            "productId": "premium_monthly",
            "autoRenewStatus": int(renews),
            "signedDate": milliseconds(at),
            "environment": self.environment,
        } | more

    def notice(
        self,
        kind: str,
        *,
        at: datetime,
        transaction: dict[str, Any] | None = None,
        renewal: dict[str, Any] | None = None,
        status: int | None = None,
        subtype: str | None = None,
        event_id: str | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """The payload of a notification, its parts signed."""
        data: dict[str, Any] = {"bundleId": self.bundle_id, "environment": self.environment}
        if self.environment == "Production":
            data["appAppleId"] = APP_ID
        if transaction is not None:
            data["signedTransactionInfo"] = self.chain.sign(transaction)
        if renewal is not None:
            data["signedRenewalInfo"] = self.chain.sign(renewal)
        if status is not None:
            data["status"] = status
        payload = {
            "notificationType": kind,
            "notificationUUID": event_id or str(uuid.uuid4()),
            "version": "2.0",
            "signedDate": milliseconds(at),
            "data": data | more,
        }
        return payload | ({"subtype": subtype} if subtype else {})

    def body(self, payload: dict[str, Any]) -> dict[str, str]:
        return {"signedPayload": self.chain.sign(payload)}
