"""Sealing what must not be read from a stolen dump: AES-256-GCM with a key ring, bound to its place by AAD.

A sealed token is ``version (1 byte) · key id length (1) · key id · nonce (12) · ciphertext and tag``. The first key of
``PAYCORE_ENCRYPTION_KEYS`` seals, all of them unseal; to rotate, put a new key first and re-seal. A blind index must
survive rotation, so it has a key of its own: the entry named ``index``, or the oldest key while there is none (when you
retire that key, keep its bytes as ``index:…``).
"""

import base64
import binascii
import hmac
import json
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django import forms
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models
from django.utils.translation import gettext_lazy as _

from paycore.errors import PaycoreError

_VERSION = 1
_NONCE_BYTES = 12
_KEY_BYTES = 32
_INDEX_KEY_ID = "index"


class CannotUnseal(PaycoreError):
    """The token was altered, moved from its place, or sealed with a key this process does not have."""

    code, http_status = "cannot_unseal", 500
    title = _("A sealed value could not be read.")


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by id; ``active_id`` names the one that seals."""

    active_id: str
    keys: dict[str, bytes] = field(repr=False)
    index_key: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``"id:base64-of-32-bytes[,older…]"``."""
        keys: dict[str, bytes] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            key_id, colon, encoded = entry.partition(":")
            keys[_checked_id(key_id, taken=keys) if colon else ""] = _decoded(encoded)
        sealing = [key_id for key_id in keys if key_id != _INDEX_KEY_ID]
        if not sealing or "" in keys:
            raise ImproperlyConfigured("PAYCORE_ENCRYPTION_KEYS must read id:base64-of-32-bytes[,older…].")
        source = keys.get(_INDEX_KEY_ID, keys[sealing[-1]])
        return cls(sealing[0], keys, hmac.digest(source, b"paycore blind index", "sha256"))

    def seal(self, plaintext: bytes, *, aad: str) -> bytes:
        header = bytes((_VERSION, len(self.active_id))) + self.active_id.encode()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return header + nonce + AESGCM(self.keys[self.active_id]).encrypt(nonce, plaintext, header + aad.encode())

    def unseal(self, token: bytes, *, aad: str) -> bytes:
        header, rest = _split(token)
        key = self.keys.get(header[2:].decode(errors="replace"))
        if key is None:
            raise CannotUnseal(_("The key that sealed it is not in the ring."))
        try:
            return AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], header + aad.encode())
        except (InvalidTag, ValueError) as error:
            raise CannotUnseal from error

    def is_current(self, token: bytes) -> bool:
        """Whether ``token`` is sealed with the active key (else re-seal it)."""
        return _split(token)[0][2:] == self.active_id.encode()

    def blind_index(self, value: str, *, context: str) -> bytes:
        message = len(context.encode()).to_bytes(4, "big") + context.encode() + value.encode()
        return hmac.digest(self.index_key, message, "sha256")


def _checked_id(key_id: str, *, taken: dict[str, bytes]) -> str:
    if not key_id or len(key_id) > 32 or not key_id.isascii() or key_id in taken:
        raise ImproperlyConfigured("A key id in PAYCORE_ENCRYPTION_KEYS is empty, too long or used twice.")
    return key_id


def _decoded(encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded.strip().replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ImproperlyConfigured("Each key in PAYCORE_ENCRYPTION_KEYS must be 32 bytes in base64.")
    return key


def _split(token: bytes) -> tuple[bytes, bytes]:
    if len(token) < 2 or token[0] != _VERSION or len(token) < 2 + token[1] + _NONCE_BYTES:
        raise CannotUnseal
    return token[: 2 + token[1]], token[2 + token[1] :]


@lru_cache(maxsize=8)
def _parsed(text: str) -> KeyRing:
    return KeyRing.parse(text)


def key_ring() -> KeyRing:
    return _parsed(settings.PAYCORE_ENCRYPTION_KEYS)


def seal(plaintext: bytes, *, aad: str) -> bytes:
    """A token only ``unseal`` with the same ``aad`` opens."""
    return key_ring().seal(plaintext, aad=aad)


def unseal(token: bytes, *, aad: str) -> bytes:
    """Raises :class:`CannotUnseal` for a token that was altered, moved, or sealed with an unknown key."""
    return key_ring().unseal(token, aad=aad)


def blind_index(value: str, *, context: str) -> bytes:
    """32 bytes that are equal for equal values in one ``context``; normalise ``value`` first, nothing is here."""
    return key_ring().blind_index(value, context=context)


if TYPE_CHECKING:
    _BinaryField = models.BinaryField[Any, Any]
else:
    _BinaryField = models.BinaryField


class _SealedField(_BinaryField):
    """Holds a sealed token in the database and the plain value in Python. Bound to the first table it was made for,
    so that history tables, which copy the bytes, can be read as well."""

    form_class: type[forms.Field]

    def __init__(self, *, aad: str = "", **options: Any) -> None:
        self.aad = aad
        options.setdefault("editable", True)
        super().__init__(**options)

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        if not self.aad and not cls._meta.abstract:
            self.aad = f"{cls._meta.db_table}.{self.column}"

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        options["aad"] = self.aad
        return name, path, args, options

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise FieldError(f"{self.aad} is sealed: search a blind index beside it.")
        return super().get_lookup(lookup_name)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is None or isinstance(value, models.expressions.BaseExpression):
            return value
        return connection.Database.Binary(seal(self.to_bytes(value), aad=self.aad))

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return None if value is None else self.from_bytes(unseal(bytes(value), aad=self.aad))

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else base64.b64encode(seal(self.to_bytes(value), aad=self.aad)).decode()

    def formfield(self, *_arguments: Any, **options: Any) -> Any:
        return models.Field.formfield(self, **{"form_class": self.form_class, **options})

    def to_bytes(self, value: Any) -> bytes:
        raise NotImplementedError

    def from_bytes(self, plaintext: bytes) -> Any:
        raise NotImplementedError

    def to_python(self, value: Any) -> Any:
        return value


class EncryptedTextField(_SealedField):
    """Text that the database holds sealed (AES-256-GCM, AAD ``table.column``)."""

    form_class = forms.CharField

    def to_bytes(self, value: Any) -> bytes:
        return str(value).encode()

    def from_bytes(self, plaintext: bytes) -> str:
        return plaintext.decode()


_as_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class EncryptedJSONField(_SealedField):
    """A JSON value that the database holds sealed (AES-256-GCM, AAD ``table.column``)."""

    form_class = forms.JSONField

    def to_bytes(self, value: Any) -> bytes:
        return _as_json(value).encode()

    def from_bytes(self, plaintext: bytes) -> Any:
        return json.loads(plaintext)


class EncryptedBinaryField(_SealedField):
    """Bytes that the database holds sealed (AES-256-GCM, AAD ``table.column``): documents people sent."""

    form_class = forms.CharField

    def to_bytes(self, value: Any) -> bytes:
        return bytes(value)

    def from_bytes(self, plaintext: bytes) -> bytes:
        return plaintext
