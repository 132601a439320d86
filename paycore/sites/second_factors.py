"""What a person proves the second step with: an authenticator app, a passkey, or a recovery code.

The rows are allauth's, so that one enrolment serves the consoles and the app. A code's time step is kept with the
secret under a row lock: each code opens one door once, also when Redis is gone.
"""

import json
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import segno
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.mfa.utils import decrypt, encrypt
from allauth.mfa.webauthn.internal import auth as webauthn
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone

PERIOD_SECONDS = 30
_STEPS = (-1, 0, 1)  # a clock may be one period off, as RFC 6238 recommends
_LAST_STEP = "last_step"
_MAX_CREDENTIAL_LENGTH = 20_000
_MOST_PASSKEYS = 10
_DEMO_DOMAIN = "@demo.example"
# The passkey library takes an answer apart before it checks it.
_STUMBLES = (ValidationError, LookupError, ValueError, TypeError, AttributeError, OverflowError, struct.error)


@dataclass(frozen=True)
class NewAuthenticator:
    """A secret that nobody confirmed yet, as a picture and as text."""

    secret: str
    qr_code: str

    @property
    def spaced_secret(self) -> str:
        return " ".join(self.secret[place : place + 4] for place in range(0, len(self.secret), 4))


def has_second_factor(user: AbstractBaseUser) -> bool:
    """Recovery codes alone are none: they stand in for a factor that was lost."""
    return bool(_factors(user).exists())


def factors_of(user: AbstractBaseUser) -> Sequence[Authenticator]:
    """Authenticator app and passkeys, oldest first."""
    return list(_factors(user).order_by("id"))


def has_passkey(user: AbstractBaseUser) -> bool:
    return bool(_rows(user).filter(type=Authenticator.Type.WEBAUTHN).exists())


def unused_recovery_codes(user: AbstractBaseUser) -> Sequence[str]:
    row = _rows(user).filter(type=Authenticator.Type.RECOVERY_CODES).first()
    return row.wrap().get_unused_codes() if row else []


def use_code(user: AbstractBaseUser, code: str) -> bool:
    """Whether ``code`` is the authenticator app's present one or an unused recovery code. True once for each."""
    digits = "".join(code.split())
    return (len(digits) == 6 and _use_app_code(user, digits)) or _use_recovery_code(user, digits)


def new_authenticator(user: AbstractBaseUser, *, secret: str = "") -> NewAuthenticator:
    secret = secret or generate_totp_secret()
    address = get_adapter().build_totp_url(user, secret)
    picture = segno.make(address, micro=False).svg_data_uri(scale=5, border=2, dark="#000", light="#fff")
    return NewAuthenticator(secret=secret, qr_code=picture)


def enrol_authenticator(user: AbstractBaseUser, *, secret: str, code: str) -> bool:
    """Keeps ``secret`` as the person's authenticator app, in place of an older one, if ``code`` is its present code.
    Recovery codes are made where there are none."""
    step = _matching_step(secret, "".join(code.split()))
    if step is None:
        return False
    data = {"secret": encrypt(secret), _LAST_STEP: step}
    with transaction.atomic():
        _lock(user)
        _rows(user).filter(type=Authenticator.Type.TOTP).delete()
        Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data=data, last_used_at=timezone.now())
        RecoveryCodes.activate(user)
    return True


def renew_recovery_codes(user: AbstractBaseUser) -> Sequence[str]:
    """New codes; the old ones open nothing any more."""
    with transaction.atomic():
        _lock(user)
        _rows(user).filter(type=Authenticator.Type.RECOVERY_CODES).delete()
        codes: Sequence[str] = RecoveryCodes.activate(user).get_unused_codes()
    return codes


def remove_factor(user: AbstractBaseUser, *, authenticator_id: int) -> bool:
    """The last one stays: without it the person could not enter."""
    with transaction.atomic():
        _lock(user)
        others = _factors(user).exclude(id=authenticator_id)
        return bool(others.exists() and _factors(user).filter(id=authenticator_id).delete()[0])


def passkey_options(user: AbstractBaseUser) -> dict[str, Any]:
    """What the browser needs to ask for one of the person's passkeys. The challenge is kept in the session."""
    return _plain(webauthn.begin_authentication(user))


def use_passkey(user: AbstractBaseUser, credential: str) -> bool:
    try:
        document = _document(credential)
        webauthn.parse_authentication_response(document)
        found = webauthn.complete_authentication(user, document)
    except _STUMBLES:  # whatever a stranger may send instead of an answer
        return False
    found.record_usage()
    return True


def new_passkey_options(user: AbstractBaseUser) -> dict[str, Any]:
    return _plain(webauthn.begin_registration(user, passwordless=False))


def enrol_passkey(user: AbstractBaseUser, *, name: str, credential: str) -> bool:
    try:
        document = _document(credential)
        webauthn.parse_registration_response(document)
        webauthn.complete_registration(document)
    except _STUMBLES:  # as above
        return False
    with transaction.atomic():
        _lock(user)
        if _rows(user).filter(type=Authenticator.Type.WEBAUTHN).count() >= _MOST_PASSKEYS:
            return False
        webauthn.WebAuthn.add(user, name, document)
        RecoveryCodes.activate(user)
    return True


def demo_code(user: AbstractBaseUser) -> str:
    """The code that a demo account would read from its app; empty anywhere but in development."""
    email = str(getattr(user, "email", "") or "")
    if not settings.PAYCORE_SHOW_DEMO_CODES or not email.endswith(_DEMO_DOMAIN):
        return ""
    row = _rows(user).filter(type=Authenticator.Type.TOTP).first()
    return _code(decrypt(row.data["secret"]), max(_present_step(), row.data.get(_LAST_STEP, 0) + 1)) if row else ""


def present_code(secret: str) -> str:
    """What an authenticator app shows now."""
    return _code(secret, _present_step())


def _rows(user: AbstractBaseUser) -> Any:
    return Authenticator.objects.filter(user_id=user.pk)


def _factors(user: AbstractBaseUser) -> Any:
    return _rows(user).filter(type__in=(Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN))


def _lock(user: AbstractBaseUser) -> None:
    get_user_model()._default_manager.select_for_update(no_key=True).get(pk=user.pk)


def _use_app_code(user: AbstractBaseUser, code: str) -> bool:
    with transaction.atomic():
        row = _rows(user).filter(type=Authenticator.Type.TOTP).select_for_update(no_key=True).first()
        step = _matching_step(decrypt(row.data["secret"]), code) if row else None
        if step is None or step <= row.data.get(_LAST_STEP, 0):
            return False
        row.data = {**row.data, _LAST_STEP: step}
        row.last_used_at = timezone.now()
        row.save(update_fields=["data", "last_used_at"])
    return bool(TOTP(row)._mark_code_used(code))  # what was typed here is used up in the app as well


def _use_recovery_code(user: AbstractBaseUser, code: str) -> bool:
    row = _rows(user).filter(type=Authenticator.Type.RECOVERY_CODES).first()
    if row is None or not row.wrap().validate_code(code):
        return False
    _rows(user).filter(id=row.id).update(last_used_at=timezone.now())
    return True


def _present_step() -> int:
    # The wall clock: the person's app knows nothing of a clock that was turned for a demonstration.
    return int(time.time()) // PERIOD_SECONDS


def _code(secret: str, step: int) -> str:
    return str(format_hotp_value(hotp_value(secret, step)))


def _matching_step(secret: str, code: str) -> int | None:
    now = _present_step()
    return next((now + offset for offset in _STEPS if _code(secret, now + offset) == code), None)


def _document(text: str) -> dict[str, Any]:
    document = json.loads(text) if len(text) <= _MAX_CREDENTIAL_LENGTH else None
    if not isinstance(document, dict):
        raise ValueError("a passkey's answer is an object")
    return document


def _plain(options: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(options, cls=DjangoJSONEncoder))
    return plain
