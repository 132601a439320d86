"""A forgotten password, for people who prove themselves by a code instead (to their phone or their mailbox)."""

import time

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase

from accounts.models import User
from accounts.stepup import ReauthenticationRequired, was_proved_recently


def set_password_after_code(user: User, *, password: str, session: SessionBase) -> None:
    """Set ``password`` where ``session`` began with a code a moment ago; every other session ends.

    ``ReauthenticationRequired`` otherwise, Django's ``ValidationError`` for a weak password.
    """
    if not _has_recent_code(session, user_id=user.pk):
        raise ReauthenticationRequired
    adapter = get_adapter()
    adapter.clean_password(password, user=user)
    adapter.set_password(user, password)
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    adapter.send_notification_mail("account/email/password_reset", user)


def _has_recent_code(session: SessionBase, *, user_id: str) -> bool:
    if not was_proved_recently(session, user_id=user_id):
        return False
    oldest = time.time() - app_settings.REAUTHENTICATION_TIMEOUT
    records = session.get(AUTHENTICATION_METHODS_SESSION_KEY, [])
    return any(record["method"] == "code" and record["at"] > oldest for record in records)
