"""How the sandbox signs answers and notices: ``t=<unix>,v1=<hex hmac-sha256(secret, t + "." + raw body)>``.

One ``v1`` per secret in use, so two during a rotation. A signature more than five minutes old, or from more than five
minutes in the future, is refused.
"""

import hashlib
import hmac
from collections.abc import Sequence

HEADER = "Sandbox-Signature"
TOLERANCE_SECONDS = 300
MAX_HEADER_LENGTH = 1024


class SignatureRefused(Exception):
    """The header is missing, malformed, forged, stale or from the future; ``code`` says which."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def sign(body: bytes, *, secrets: Sequence[str], timestamp: int) -> str:
    """The header's value for ``body``, sent at ``timestamp`` (unix seconds)."""
    return ",".join(
        [f"t={timestamp}", *(f"v1={_digest(secret, timestamp=timestamp, body=body)}" for secret in secrets)]
    )


def check_signature(header: str, body: bytes, *, secrets: Sequence[str], now: float) -> None:
    """Raises :class:`SignatureRefused` unless one of ``secrets`` signed exactly ``body`` within the tolerance."""
    timestamp, signatures = _parse(header)
    genuine = [
        hmac.compare_digest(_digest(secret, timestamp=timestamp, body=body).encode(), signature.encode())
        for secret in secrets
        if secret
        for signature in signatures
    ]
    if not any(genuine):
        raise SignatureRefused("signature_wrong")
    if timestamp < now - TOLERANCE_SECONDS:
        raise SignatureRefused("signature_stale")
    if timestamp > now + TOLERANCE_SECONDS:
        raise SignatureRefused("signature_from_the_future")


def _digest(secret: str, *, timestamp: int, body: bytes) -> str:
    return hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()


def _parse(header: str) -> tuple[int, list[str]]:
    if not header:
        raise SignatureRefused("signature_missing")
    if len(header) > MAX_HEADER_LENGTH or not header.isascii():
        raise SignatureRefused("signature_malformed")
    timestamps: list[str] = []
    signatures: list[str] = []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t":
            timestamps.append(value)
        elif name == "v1":
            signatures.append(value)
    if len(timestamps) != 1 or not signatures or not timestamps[0].isdigit() or len(timestamps[0]) > 12:
        raise SignatureRefused("signature_malformed")
    return int(timestamps[0]), signatures
