"""Access and refresh tokens: allauth's JWT strategy, made safe when one refresh token is used twice at once.

Each refresh token works once. For ``GRACE_SECONDS`` a repeat (two tabs, a retry after a lost answer) gets the pair that
the first one got; after that a used token is a stolen one, and its session ends.

Which token is the living one stands in the device's row, not in the session as in allauth: a request that loaded the
session before a refresh and saves it afterwards would bring the old token back to life and lose the new one.
"""

import base64
import json
import time
from typing import Any

import structlog
from allauth.headless.tokens.strategies.jwt import JWTTokenStrategy, internal
from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction

from paycore.encryption import CannotUnseal, seal, unseal

GRACE_SECONDS = 60
_REFRESH = "refresh"
_SEALED = "session.refresh_grace"

log = structlog.get_logger(__name__)

Pair = tuple[str, str]


class LockedRefreshStrategy(JWTTokenStrategy):  # type: ignore[misc]  # allauth ships no types
    """Rotates under the device row's lock: parallel refreshes with one token all get the same new pair."""

    def refresh_token(self, refresh_token: str) -> Pair | None:
        claims = internal.decode_token(refresh_token, "refresh")
        session_key = internal.session_key_from_sid(claims["sid"]) if claims else None
        if claims is None or session_key is None:
            return None
        with transaction.atomic():
            device = UserSession.objects.select_for_update(no_key=True).filter(session_key=session_key).first()
            session = internal.get_token_session(claims)
            if device is None or session is None or internal.validate_token_user(claims, session) is None:
                return None
            if _is_living(claims, device=device, session=session):
                return self._rotate(refresh_token, claims=claims, device=device, session=session)
            repeated = _pair_of(device, jti=claims["jti"])
            if repeated is None:
                log.warning("refresh_token_reused", user_id=claims["sub"])
                device.end()
            return repeated

    def _rotate(
        self, refresh_token: str, *, claims: dict[str, Any], device: UserSession, session: SessionBase
    ) -> Pair | None:
        internal.get_refresh_token_state(session)[claims["jti"]] = claims["exp"]
        session.save()
        pair: Pair | None = super().refresh_token(refresh_token)
        following = internal.decode_token(pair[1], "refresh") if pair else None
        if pair is None or following is None:
            return None
        device.data[_REFRESH] = {
            "living": following["jti"],
            "used": claims["jti"],
            "until": time.time() + GRACE_SECONDS,
            "pair": base64.b64encode(seal(json.dumps(pair).encode(), aad=_SEALED)).decode(),
        }
        device.save(update_fields=["data"])
        return pair


def _is_living(claims: dict[str, Any], *, device: UserSession, session: SessionBase) -> bool:
    """The first token of a device is known to its session only."""
    if _REFRESH in device.data:
        return bool(device.data[_REFRESH]["living"] == claims["jti"])
    return claims["jti"] in internal.get_refresh_token_state(session)


def _pair_of(device: UserSession, *, jti: str) -> Pair | None:
    """The pair that ``jti`` was exchanged for a moment ago."""
    last = device.data.get(_REFRESH)
    if last is None or last["used"] != jti or last["until"] < time.time():
        return None
    try:
        access, refresh = json.loads(unseal(base64.b64decode(last["pair"]), aad=_SEALED))
    except CannotUnseal:
        return None
    return access, refresh
