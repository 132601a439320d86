"""Google of our own: certificates and the tokens that Pub/Sub signs with them, made at test time."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.memberships.stores.apple import milliseconds

PACKAGE = "com.example.app"
AUDIENCE = "https://pay.example/webhooks/google-play/"
SENDER = "pusher@example.iam.gserviceaccount.com"
_message_ids = count(1)


class GoogleKeys:
    def __init__(self, *, kid: str = "key-1") -> None:
        self.kid = kid
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "federated-signon.system.gserviceaccount.com")])
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=20))
            .sign(self.key, SHA256())
            .public_bytes(Encoding.PEM)
            .decode()
        )

    def certificates(self) -> bytes:
        """As ``/oauth2/v1/certs`` answers."""
        return json.dumps({self.kid: self.certificate}).encode()

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = int(datetime.now(UTC).timestamp())
        claims = {
            "aud": AUDIENCE,
            "azp": "113774264463038321964",
            "email": SENDER,
            "email_verified": True,
            "sub": "113774264463038321964",
            "iat": now - 5,
            "exp": now + 3600,
            "iss": "https://accounts.google.com",
        } | changed
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, **changed: Any) -> str:
        return jwt.encode(self.claims(**changed), self.key, algorithm="RS256", headers={"kid": self.kid})


@dataclass
class Rtdn:
    """The body of a push."""

    @staticmethod
    def envelope(told: dict[str, Any], *, message_id: str | None = None) -> dict[str, Any]:
        data = base64.b64encode(json.dumps(told).encode()).decode()
        message = {"attributes": {}, "data": data, "messageId": message_id or f"m{next(_message_ids)}"}
        return {"message": message, "subscription": "projects/example/subscriptions/play"}

    @classmethod
    def subscription(cls, token: str, *, kind: int = 4, package: str = PACKAGE, **more: Any) -> dict[str, Any]:
        told = {
            "version": "1.0",
            "packageName": package,
            "eventTimeMillis": str(milliseconds(datetime.now(UTC))),
            "subscriptionNotification": {"version": "1.0", "notificationType": kind, "purchaseToken": token},
        }
        return cls.envelope(told, **more)

    @classmethod
    def voided(cls, token: str, order: str, *, refund: int = 1, **more: Any) -> dict[str, Any]:
        told = {
            "version": "1.0",
            "packageName": PACKAGE,
            "eventTimeMillis": str(milliseconds(datetime.now(UTC))),
            "voidedPurchaseNotification": {
                "purchaseToken": token,
                "orderId": order,
                "productType": 1,
                "refundType": refund,
            },
        }
        return cls.envelope(told, **more)
