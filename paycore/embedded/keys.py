"""Secrets for one machine, made once and kept in the state folder; production brings its own."""

import base64
import secrets
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from paycore.embedded.state import State


def _jwt_private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _encryption_keys() -> str:
    return "local1:" + base64.b64encode(secrets.token_bytes(32)).decode()


_MAKERS: Mapping[str, Callable[[], str]] = {
    "PAYCORE_SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "PAYCORE_ENCRYPTION_KEYS": _encryption_keys,
    "PAYCORE_JWT_PRIVATE_KEY": _jwt_private_key,
    "PAYCORE_SANDBOX_SECRET": lambda: secrets.token_urlsafe(32),
    "PAYCORE_METRICS_TOKEN": lambda: secrets.token_urlsafe(24),
    "postgres_password": lambda: secrets.token_urlsafe(24),
    "redis_password": lambda: secrets.token_urlsafe(24),
}


def local_secrets(state: State) -> dict[str, str]:
    """Return this folder's secrets; those not there yet are made and kept."""
    known = {name: value for name, value in state.read("secrets").items() if isinstance(value, str) and value}
    missing = {name: make() for name, make in _MAKERS.items() if name not in known}
    if missing:
        known |= missing
        state.write("secrets", known)
    return known
