"""Signed messages as Standard Webhooks writes them (standardwebhooks.com, version 1). Plain Python.

The signed content is ``{id}.{timestamp}.{body}``; the header ``webhook-signature`` holds ``v1,`` and the base64 of its
HMAC-SHA256, several of them (separated by spaces) while a secret is being changed.
"""

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping

TOLERANCE_SECONDS = 300
SECRET_PREFIX = "whsec_"  # noqa: S105  # the public prefix, not a secret
ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"
_MAX_SIGNATURES = 8


class SignatureRefused(Exception):
    """The message is unsigned, forged, altered, or too old or too new."""


def new_secret() -> str:
    """A fresh secret in its written form, ``whsec_…`` (32 random bytes)."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign_headers(*, secrets_in_use: Iterable[str], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message; the newest secret first."""
    signatures = [
        f"v1,{_signature(secret, message_id=message_id, timestamp=str(timestamp), body=body)}"
        for secret in secrets_in_use
    ]
    return {ID_HEADER: message_id, TIMESTAMP_HEADER: str(timestamp), SIGNATURE_HEADER: " ".join(signatures)}


def verify(
    *,
    secrets_in_use: Iterable[str],
    headers: Mapping[str, str],
    body: bytes,
    now: float | None = None,
    tolerance_seconds: int = TOLERANCE_SECONDS,
) -> str:
    """The message's id. ``headers`` in lower case; ``now`` in Unix seconds. Raises :class:`SignatureRefused`."""
    message_id, timestamp = headers.get(ID_HEADER, ""), headers.get(TIMESTAMP_HEADER, "")
    if (
        not message_id
        or "." in message_id
        or not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12)
    ):
        raise SignatureRefused("the message carries no id or time")
    sent = [
        value.partition(",")[2].encode()
        for value in headers.get(SIGNATURE_HEADER, "").split(" ")[:_MAX_SIGNATURES]
        if value.startswith("v1,")
    ]
    is_genuine = False
    for secret in secrets_in_use:
        expected = _signature(secret, message_id=message_id, timestamp=timestamp, body=body).encode()
        for signature in sent:
            is_genuine |= hmac.compare_digest(expected, signature)
    if not is_genuine:
        raise SignatureRefused("no signature fits")
    if abs((time.time() if now is None else now) - int(timestamp)) > tolerance_seconds:
        raise SignatureRefused("the message is too old or too new")
    return message_id


def _signature(secret: str, *, message_id: str, timestamp: str, body: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a signing secret is base64, after whsec_") from error
    if len(key) < 16:
        raise ValueError("a signing secret has at least 16 bytes")
    content = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(key, content, "sha256")).decode()
