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
        cursor.execute("SELECT key_id, merchant_id, status FROM merchants_use_key(%s)", [hash_secret(secret)])
        row = cursor.fetchone()
    if row is None:
        return None
    key_id, merchant_id, status = row
    if status != "approved":
        raise MerchantNotActive
    return MerchantCaller(merchant_id=merchant_id, key_id=key_id)


def _bearer_secret(request: Request) -> str | None:
    scheme, _space, token = get_authorization_header(request).decode("latin-1").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token.startswith(SECRET_PREFIX) else None
