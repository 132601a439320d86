"""How an app user's request is recognized: ``Authorization: Bearer`` with the access token from sign-in."""

from typing import Any

import structlog
from allauth.headless.tokens.strategies.jwt.internal import validate_access_token
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from accounts.models import User

MAX_TOKEN_LENGTH = 4096


class UserAuthentication(BaseAuthentication):
    """Accepts access tokens whose session lives and whose user is active; leaves other bearers to their own class."""

    def authenticate(self, request: Request) -> tuple[User, dict[str, Any]] | None:
        token = _bearer(request)
        if token is None or token.count(".") != 2:  # a merchant's key (`sk_…`) has no dots
            return None
        found = validate_access_token(token) if len(token) <= MAX_TOKEN_LENGTH else None
        if found is None:
            raise AuthenticationFailed(_("The access token is invalid or has expired."), code="invalid_token")
        user, claims = found
        structlog.contextvars.bind_contextvars(user_id=user.pk)
        return user, claims

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="paycore"'


def _bearer(request: Request) -> str | None:
    scheme, _separator, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def signed_in_user(request: Request) -> User:
    """The user of a request that :class:`UserAuthentication` let in."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user
