"""A console asks twice: after the password the person is known but not signed in; a second proof signs them in.

Both states live in the server's session. What was proved is bound to the person's password hash, so that a change of
password ends it everywhere.
"""

import time
from typing import Any, cast

from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user_model, login
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

PENDING_SECONDS = 600
RECENT_SECONDS = 300
"""How long a proof counts as recent: changes of how one signs in ask again after that."""

_PENDING = "paycore_console_pending"
_PASSED = "paycore_console_passed"


def begin_second_step(request: HttpRequest, user: AbstractBaseUser) -> None:
    """The password was right. Whoever the session belonged to is gone from it, and so is the session's key."""
    request.session.flush()
    request.session[_PENDING] = {**_proof(user), "backend": getattr(user, "backend", None)}


def pending_user(request: HttpRequest) -> AbstractBaseUser | None:
    """Who gave the right password in this session and has not yet passed the second step."""
    pending = request.session.get(_PENDING)
    if not pending or time.time() - pending["at"] > PENDING_SECONDS:
        return None
    user = get_user_model()._default_manager.filter(pk=pending["user"]).first()
    if user is None or not user.is_active or not _proves(pending, user):
        return None
    return user


def forget_pending_user(request: HttpRequest) -> None:
    request.session.pop(_PENDING, None)


def pass_second_step(request: HttpRequest, user: AbstractBaseUser) -> None:
    """Signs in a pending user under a new session key; for one who is signed in, the proof is recent again."""
    pending = request.session.pop(_PENDING, None)
    if pending is not None or not has_passed(request):
        backend = pending["backend"] if pending else getattr(user, "backend", None)
        login(request, cast("Any", user), backend=backend)
    else:
        request.session.cycle_key()
    request.session[_PASSED] = _proof(user)
    request.session.save()
    UserSession.objects.create_from_request(request)


def has_passed(request: HttpRequest) -> bool:
    """Whether the signed-in visitor proved both steps in this very session."""
    passed = request.session.get(_PASSED)
    user = request.user
    return bool(passed and isinstance(user, AbstractBaseUser) and user.is_active and _proves(passed, user))


def has_passed_recently(request: HttpRequest) -> bool:
    return has_passed(request) and 0 <= time.time() - request.session[_PASSED]["at"] <= RECENT_SECONDS


def _proof(user: AbstractBaseUser) -> dict[str, Any]:
    return {"user": str(user.pk), "hash": user.get_session_auth_hash(), "at": time.time()}


def _proves(proof: dict[str, Any], user: AbstractBaseUser) -> bool:
    return proof["user"] == str(user.pk) and constant_time_compare(proof["hash"], user.get_session_auth_hash())
