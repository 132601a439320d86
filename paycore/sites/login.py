"""Signing in to a console by password, ten failures in five minutes at most for one login from one address."""

import hashlib
import time
from typing import Any, ClassVar

import redis
import structlog
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from redis.backoff import NoBackoff
from redis.retry import Retry
from unfold.forms import AuthenticationForm as UnfoldAuthenticationForm

from paycore.sites.access import is_merchant_user
from paycore.throttling import address_block, client_address

MAX_ATTEMPTS = 10
MAX_ATTEMPTS_OF_ADDRESS = 100
WINDOW_SECONDS = 300

log = structlog.get_logger(__name__)

# The count is taken before the password is looked at: parallel guesses cannot slip past a check that came too early.
_COUNT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return n
"""


class LoginAttempts:
    """Counts in Redis; while that is away, in this process. Unlike :mod:`paycore.throttling` it counts failures: a
    success gives its attempts back."""

    def __init__(self) -> None:
        self._client: redis.Redis | None = None
        self._local: dict[str, tuple[int, float]] = {}

    def count(self, key: str, *, window_seconds: int = WINDOW_SECONDS) -> int:
        """How many attempts ``key`` has made in its window, this one included."""
        try:
            return int(self._redis().eval(_COUNT, 1, key, window_seconds))
        except (redis.RedisError, OSError) as error:
            log.warning("login_attempts_counted_locally", error=type(error).__name__)
            return self._count_locally(key, window_seconds)

    def forgive(self, key: str) -> None:
        """The attempt succeeded: it and those before it no longer count."""
        self._local.pop(key, None)
        try:
            self._redis().delete(key)
        except (redis.RedisError, OSError) as error:
            log.warning("login_attempts_kept", error=type(error).__name__)

    def _count_locally(self, key: str, window_seconds: int) -> int:
        now = time.monotonic()
        if len(self._local) > 10_000:
            self._local = {name: entry for name, entry in self._local.items() if entry[1] > now}
        attempts, ends_at = self._local.get(key, (0, now + window_seconds))
        if ends_at <= now:
            attempts, ends_at = 0, now + window_seconds
        self._local[key] = (attempts + 1, ends_at)
        return attempts + 1

    def _redis(self) -> redis.Redis:
        if self._client is None:
            # Without its own repeats: a login page must not wait for a Redis that is gone.
            self._client = redis.Redis.from_url(
                settings.REDIS_URL, socket_timeout=0.3, socket_connect_timeout=0.3, retry=Retry(NoBackoff(), 0)
            )
        return self._client


attempts = LoginAttempts()


class ConsoleLoginForm(UnfoldAuthenticationForm):  # type: ignore[misc]  # Unfold ships no types
    """Refuses before the password is checked once the attempts are used up, also for the right password."""

    error_messages: ClassVar[dict[str, Any]] = {
        **AuthenticationForm.error_messages,
        "invalid_login": _("The e-mail address or the password is wrong, or this account has no access here."),
        "too_many_attempts": _("Too many failed attempts. Try again in five minutes."),
    }

    def clean(self) -> dict[str, Any]:
        if not self.cleaned_data.get("username") or not self.cleaned_data.get("password"):
            return dict(self.cleaned_data)
        address = address_block(client_address(self.request)) if self.request else ""
        login_key = attempts_key("login", address, self.cleaned_data["username"].strip().lower())
        too_many = attempts.count(login_key) > MAX_ATTEMPTS
        if too_many or attempts.count(attempts_key("address", address)) > MAX_ATTEMPTS_OF_ADDRESS:
            raise ValidationError(self.error_messages["too_many_attempts"], code="too_many_attempts")
        cleaned: dict[str, Any] = super().clean()
        attempts.forgive(login_key)
        return cleaned

    def confirm_login_allowed(self, user: Any) -> None:
        AuthenticationForm.confirm_login_allowed(self, user)
        if not self.is_admitted(user):
            raise self.get_invalid_login_error()

    def is_admitted(self, user: AbstractBaseUser) -> bool:
        raise NotImplementedError


class OpsLoginForm(ConsoleLoginForm):
    def is_admitted(self, user: AbstractBaseUser) -> bool:
        return bool(getattr(user, "is_staff", False))


class MerchantLoginForm(ConsoleLoginForm):
    def is_admitted(self, user: AbstractBaseUser) -> bool:
        return is_merchant_user(user)


def attempts_key(kind: str, *parts: str) -> str:
    # Hashed, for a login is personal data and Redis keys are read by many eyes.
    return f"paycore:console:{kind}:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"
