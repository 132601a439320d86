"""Access and refresh tokens: allauth's JWT strategy, made safe when one refresh token is used twice at once."""

from allauth.headless.tokens.strategies.jwt import JWTTokenStrategy, internal
from django.contrib.sessions.models import Session
from django.db import transaction


class LockedRefreshStrategy(JWTTokenStrategy):  # type: ignore[misc]  # allauth ships no types
    """Rotates under the session row's lock: of parallel refreshes with one token exactly one wins."""

    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        claims = internal.decode_token(refresh_token, "refresh")
        session_key = internal.session_key_from_sid(claims["sid"]) if claims else None
        if session_key is None:
            return None
        with transaction.atomic():
            lock = Session.objects.select_for_update(no_key=True).filter(pk=session_key)
            if not lock.values_list("pk", flat=True).first():
                return None
            pair: tuple[str, str] | None = super().refresh_token(refresh_token)
            return pair
