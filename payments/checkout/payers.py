"""Who sits before the hosted page: nobody we know, or the order's own user, shown by a token that is good once.

The link of a session may travel (a mail, a screen). So what is the payer's own shows only in the browser that opened
the link first with the token from the app: the token is exchanged for a signed cookie that is bound to the session.
"""

import hashlib
import hmac
import secrets
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from paycore.clock import database_now
from payments.checkout.models import CheckoutSession

COOKIE = "paycore_payer"
PARAMETER = "payer"
_SALT = "payments.checkout.payer"
TOKEN_LIFETIME = timedelta(minutes=10)
COOKIE_LIFETIME = timedelta(hours=2)
_MAX_TOKEN_LENGTH = 64


def issue_payer_token(session: CheckoutSession) -> str:
    """For the app of the order's user, in the running transaction; only its hash is stored."""
    token = secrets.token_urlsafe(32)
    session.payer_token_hash = _hash(token)
    session.payer_token_expires_at = database_now() + TOKEN_LIFETIME
    session.save(update_fields=["payer_token_hash", "payer_token_expires_at"])
    return token


def exchange_payer_token(session: CheckoutSession, token: str) -> bool:
    """Whether it is the session's, in time and for the first time: of two who come at once, one gets true."""
    known = session.payer_token_hash
    if not token or len(token) > _MAX_TOKEN_LENGTH or known is None:
        return False
    if not hmac.compare_digest(bytes(known), _hash(token)):
        return False
    used = CheckoutSession.objects.filter(
        id=session.id, payer_token_hash=known, payer_token_expires_at__gt=database_now()
    ).update(payer_token_hash=None, payer_token_expires_at=None)
    return bool(used == 1)


def remember_payer(response: HttpResponse, session: CheckoutSession) -> None:
    """In this browser, for this session's addresses alone."""
    response.set_cookie(
        COOKIE,
        signing.dumps([session.id, session.order.user_id], salt=_SALT),
        max_age=int(COOKIE_LIFETIME.total_seconds()),
        path=f"/pay/{session.id}",
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )


def payer_of(request: HttpRequest, session: CheckoutSession) -> str:
    """The order's user, if this browser is known to be theirs; else empty."""
    try:
        told = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=COOKIE_LIFETIME)
    except signing.BadSignature:
        return ""
    user_id = session.order.user_id
    return user_id if user_id and told == [session.id, user_id] else ""


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
