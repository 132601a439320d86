"""Merchants' servers prove themselves with an API key: ``Authorization: Bearer sk_…``."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from django.db import connection
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from merchants.errors import IpNotAllowed, KeyIsReadOnly, MerchantNotActive
from merchants.services import SECRET_PREFIX, hash_secret
from paycore.throttling import client_address

_MAX_SECRET_LENGTH = 128
_USE_KEY = "SELECT key_id, merchant_id, status, access, allowed_networks FROM merchants_use_key(%s)"


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
        holder = find_holder(secret)
        if holder is None:
            raise AuthenticationFailed(_("The API key is wrong, has expired or was revoked."), code="invalid_api_key")
        if holder.allowed_networks and not _is_within(client_address(request), holder.allowed_networks):
            raise IpNotAllowed
        if holder.is_read_only and request.method not in SAFE_METHODS:
            raise KeyIsReadOnly
        return holder.caller, holder.caller

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Who holds a secret, and what the key allows. No networks: from anywhere."""

    caller: MerchantCaller
    is_read_only: bool
    allowed_networks: Sequence[str]


def find_holder(secret: str) -> KeyHolder | None:
    """A good key of a merchant that is not approved raises :class:`MerchantNotActive`."""
    if len(secret) > _MAX_SECRET_LENGTH:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_USE_KEY, [hash_secret(secret)])
        row = cursor.fetchone()
    if row is None:
        return None
    key_id, merchant_id, status, access, allowed_networks = row
    if status != "approved":
        raise MerchantNotActive
    caller = MerchantCaller(merchant_id=merchant_id, key_id=key_id)
    return KeyHolder(caller, is_read_only=access != "full", allowed_networks=allowed_networks or ())


def find_caller(secret: str) -> MerchantCaller | None:
    """Who holds this secret, wherever it is used from."""
    holder = find_holder(secret)
    return holder.caller if holder else None


def _is_within(address: str, networks: Sequence[str]) -> bool:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in ipaddress.ip_network(network) for network in networks)


def _bearer_secret(request: Request) -> str | None:
    scheme, _space, token = get_authorization_header(request).decode("latin-1").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token.startswith(SECRET_PREFIX) else None
