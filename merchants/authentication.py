"""Merchants' servers prove themselves with an API key: ``Authorization: Bearer sk_…``."""

from dataclasses import dataclass
from typing import ClassVar

from django.db import connection
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from merchants.errors import MerchantNotActive
from merchants.services import SECRET_PREFIX, hash_secret

_MAX_SECRET_LENGTH = 128
# On the pay path: one indexed read, no model instances. The last column says whether the use is worth noting down.
_FIND = """
    SELECT k.id, k.merchant_id, m.status,
           k.last_used_at IS NULL OR k.last_used_at < clock_timestamp() - interval '1 minute'
    FROM merchants_apikey AS k JOIN merchants_merchant AS m ON m.id = k.merchant_id
    WHERE k.secret_hash = %s AND k.revoked_at IS NULL
"""
# The repeated condition keeps parallel requests from queueing up to note the same minute.
_NOTE_USE = """
    UPDATE merchants_apikey SET last_used_at = clock_timestamp()
    WHERE id = (
        SELECT id FROM merchants_apikey
        WHERE id = %s AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')
        FOR NO KEY UPDATE SKIP LOCKED
    )
"""


@dataclass(frozen=True, slots=True)
class MerchantCaller:
    """Both ``request.auth`` and ``request.user`` of a merchant's server. ``id`` is the key's, for limits and logs."""

    merchant_id: str
    key_id: str

    is_authenticated: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False
    is_active: ClassVar[bool] = True
    is_staff: ClassVar[bool] = False

    @property
    def id(self) -> str:
        return self.key_id

    @property
    def pk(self) -> str:
        return self.key_id

    def __str__(self) -> str:
        return self.key_id


class ApiKeyAuthentication(BaseAuthentication):
    """Leaves every token that is not an API key to the next authentication class."""

    def authenticate(self, request: Request) -> tuple[MerchantCaller, MerchantCaller] | None:
        secret = _bearer_secret(request)
        if secret is None:
            return None
        caller = find_caller(secret)
        if caller is None:
            raise AuthenticationFailed(_("The API key is wrong or was revoked."), code="invalid_api_key")
        return caller, caller

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def find_caller(secret: str) -> MerchantCaller | None:
    """Who holds this secret. A good key of a merchant that is not approved raises :class:`MerchantNotActive`."""
    if len(secret) > _MAX_SECRET_LENGTH:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [hash_secret(secret)])
        row = cursor.fetchone()
        if row is None:
            return None
        key_id, merchant_id, status, is_use_to_be_noted = row
        if status != "approved":
            raise MerchantNotActive
        if is_use_to_be_noted:
            cursor.execute(_NOTE_USE, [key_id])
    return MerchantCaller(merchant_id=merchant_id, key_id=key_id)


def _bearer_secret(request: Request) -> str | None:
    scheme, _space, token = get_authorization_header(request).decode("latin-1").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token.startswith(SECRET_PREFIX) else None
