"""Step-up: what moves money or changes who somebody is wants a person who proved it a moment ago, not just a token.

A proof is a sign-in (password, code, second factor, passkey) of the token's own session, or
``POST /api/v1/auth/app/v1/auth/reauthenticate`` (or ``…/auth/2fa/reauthenticate``) with it. How long one lasts:
``ACCOUNT_REAUTHENTICATION_TIMEOUT`` seconds.
"""

import time

from allauth.account import app_settings
from allauth.account.internal.flows.login import (
    _AUTHENTICATION_METHODS_USER_SESSION_KEY,
    AUTHENTICATION_METHODS_SESSION_KEY,
)
from allauth.headless.tokens.strategies.jwt.internal import get_token_session
from django.contrib.sessions.backends.base import SessionBase
from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import User
from paycore.errors import PaycoreError


class ReauthenticationRequired(PaycoreError):
    """RFC 9470: the token is good, the proof behind it too old."""

    code, http_status = "reauth_required", 401
    title = _("Prove that it is you: sign in again or repeat your password or code.")

    def __init__(self) -> None:
        super().__init__(max_age_seconds=app_settings.REAUTHENTICATION_TIMEOUT)

    @property
    def challenge(self) -> str:
        return (
            'Bearer error="insufficient_user_authentication", error_description="A recent sign-in is required", '
            f'max_age="{app_settings.REAUTHENTICATION_TIMEOUT}"'
        )


def require_recent_sign_in(request: Request) -> None:
    """Raises :class:`ReauthenticationRequired` unless :func:`has_recent_sign_in`."""
    if not has_recent_sign_in(request):
        raise ReauthenticationRequired


def has_recent_sign_in(request: Request) -> bool:
    """Whether the person behind this access token proved it within the last minutes. False for merchants' keys."""
    claims = request.auth
    if not isinstance(request.user, User) or not isinstance(claims, dict):
        return False
    session = get_token_session(claims)
    return session is not None and was_proved_recently(session, user_id=request.user.pk)


def was_proved_recently(session: SessionBase, *, user_id: str) -> bool:
    """Whether ``session`` holds a proof by this user that is young enough."""
    if session.get(_AUTHENTICATION_METHODS_USER_SESSION_KEY) != user_id:
        return False
    records = session.get(AUTHENTICATION_METHODS_SESSION_KEY, [])
    newest = max((float(record.get("at", 0)) for record in records), default=0.0)
    return bool(0 <= time.time() - newest < app_settings.REAUTHENTICATION_TIMEOUT)


class RecentSignIn(BasePermission):
    """For ``permission_classes`` where every method of a view wants step-up."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        require_recent_sign_in(request)
        return True
