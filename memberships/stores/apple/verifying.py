"""What the App Store signed, verified offline with Apple's own library: chain, signature, app and environment.

The library takes what Xcode and local tests make without looking at any signature; no verifier for those environments
can be made here. An environment is the account's, never the message's.
"""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from appstoreserverlibrary.models.Environment import Environment
from appstoreserverlibrary.signed_data_verifier import SignedDataVerifier, VerificationException
from cattrs import BaseValidationError
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings

from memberships.models import StoreAccount
from memberships.stores.moments import from_milliseconds
from paycore.parsers import CALLBACK_BODY_BYTES, BodyRefused, loads_strict

T = TypeVar("T")

ENVIRONMENTS = {
    StoreAccount.Environment.PRODUCTION: Environment.PRODUCTION,
    StoreAccount.Environment.SANDBOX: Environment.SANDBOX,
}
MOST_AHEAD = timedelta(hours=1)
_ENCLOSED_ROOTS = Path(__file__).parent / "AppleRootCA-G3.pem"
_PARTS = 3


class NotSigned(Exception):
    """Apple did not sign this for the account's app and environment. The text is for the log."""


def peek(signed: str) -> dict[str, Any]:
    """The payload, unverified: only to know whose verifier to ask."""
    parts = signed.split(".")
    if len(parts) != _PARTS:
        raise NotSigned("not a JWS")
    try:
        raw = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        payload = loads_strict(raw, max_bytes=CALLBACK_BODY_BYTES)
    except (binascii.Error, ValueError, BodyRefused) as error:
        raise NotSigned("not a JWS") from error
    if not isinstance(payload, dict):
        raise NotSigned("not a JWS")
    return payload


def verify_notification(account: StoreAccount, signed: str, *, now: datetime) -> Any:
    """The decoded notification."""
    return _verified(signed, _verifier(account).verify_and_decode_notification, now=now)


def verify_transaction(account: StoreAccount, signed: str, *, now: datetime) -> Any:
    """The decoded transaction."""
    return _verified(signed, _verifier(account).verify_and_decode_signed_transaction, now=now)


def verify_renewal(account: StoreAccount, signed: str, *, now: datetime) -> Any:
    """The decoded renewal info."""
    return _verified(signed, _verifier(account).verify_and_decode_renewal_info, now=now)


def _verified(signed: str, verify: Callable[[str], T], *, now: datetime) -> T:
    signed_at = from_milliseconds(peek(signed).get("signedDate"))
    # The chain is judged as of this date: without one, or from the future, it would say nothing.
    if signed_at is None or signed_at > now + MOST_AHEAD:
        raise NotSigned("no usable signedDate")
    try:
        return verify(signed)
    except VerificationException as error:
        raise NotSigned(error.status.name) from error
    except (BaseValidationError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotSigned(f"malformed: {type(error).__name__}") from error


def _verifier(account: StoreAccount) -> SignedDataVerifier:
    return _verifier_of(
        roots(settings.PAYCORE_APPLE_ROOTS),
        ENVIRONMENTS[StoreAccount.Environment(account.environment)],
        account.bundle_id,
        account.app_apple_id,
    )


@lru_cache(maxsize=64)
def _verifier_of(
    trusted: tuple[bytes, ...], environment: Environment, bundle_id: str, app_apple_id: int | None
) -> SignedDataVerifier:
    return SignedDataVerifier(list(trusted), False, environment, bundle_id, app_apple_id)


@lru_cache(maxsize=8)
def roots(path: str) -> tuple[bytes, ...]:
    """DER of the certificates (PEM) in the file; the enclosed one for an empty path."""
    pem = Path(path).read_bytes() if path else _ENCLOSED_ROOTS.read_bytes()
    return tuple(one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(pem))
