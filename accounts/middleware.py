"""A strict reader in front of allauth's views, which parse bodies themselves and would stumble over hostile JSON."""

import hashlib
import struct
from collections.abc import Callable
from typing import Any

import structlog
from allauth.account.forms import BaseSignupForm, ChangePhoneForm, RequestLoginCodeForm
from allauth.account.internal.stagekit import LOGIN_SESSION_KEY
from allauth.headless import app_settings as headless
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ErrorDetail, Throttled, UnsupportedMediaType, ValidationError

from paycore.parsers import BodyRefused, MalformedJSON, body_limit_bytes, loads_strict
from paycore.problems import problem_response
from paycore.throttling import take

_WITH_PHONE = (BaseSignupForm, ChangePhoneForm, RequestLoginCodeForm)  # these add the field when they are made
_SECOND_FACTOR = ("/2fa/authenticate", "/2fa/reauthenticate")
_GUESSES = ("/code/confirm", "/email/verify", "/phone/verify", "/password/reset", *_SECOND_FACTOR)
_ECHOED_KEY_CHARACTERS = 100
_STUMBLES = (LookupError, ValueError, TypeError, AttributeError, OverflowError, struct.error)

log = structlog.get_logger(__name__)


class StrictSignInBodyMiddleware:
    """Refuses other types, duplicate keys, deep nesting, broken text and unknown fields there as everywhere else.

    Also counts guesses: allauth keeps the tries left in the session, where parallel guesses overlook each other.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or "headless" not in match.namespaces:
            return None
        try:
            if request.body:
                _check_body(request, view=view)
            _count_guess(request)  # with or without a body: two of these addresses take a code in a header of a GET
        except (BodyRefused, UnsupportedMediaType, ValidationError, Throttled) as refusal:
            return problem_response(request, refusal)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The passkey library takes an answer apart before it checks it: what it stumbles over is not valid."""
        match = request.resolver_match
        is_passkey = match is not None and "headless" in match.namespaces and "webauthn" in request.path_info
        if not is_passkey or request.method == "GET" or not isinstance(exception, _STUMBLES):
            return None
        log.warning("passkey_answer_refused", error=type(exception).__name__)
        refusal = ErrorDetail(str(_("This is not the answer of a passkey.")), code="invalid_credential")
        return problem_response(request, ValidationError({"credential": [refusal]}))


def _check_body(request: HttpRequest, *, view: Callable[..., Any]) -> None:
    if request.content_type != "application/json":
        raise UnsupportedMediaType(request.content_type or "")
    body = loads_strict(request.body, max_bytes=body_limit_bytes(request.path_info))
    if not isinstance(body, dict):
        raise MalformedJSON(_("Send a JSON object."))
    _refuse_unknown(body, view=view, method=request.method or "")


def _count_guess(request: HttpRequest) -> None:
    """By session, however the request names it: a fresh access token is no fresh allowance."""
    if not request.path_info.endswith(_GUESSES):
        return
    session_key = headless.TOKEN_STRATEGY.get_session_token(request)
    if not session_key:
        return  # nothing to guess at
    _take_or_refuse("code_guess", identity=hashlib.sha256(session_key.encode()).hexdigest()[:32])
    if request.path_info.endswith(_SECOND_FACTOR):
        session = headless.TOKEN_STRATEGY.lookup_session(session_key)
        if session is not None and (user_id := _person_of(session)):
            _take_or_refuse("second_factor", identity=user_id)


def _take_or_refuse(scope: str, *, identity: str) -> None:
    allowance = take(scope=scope, identity=identity)
    if not allowance.is_allowed:
        raise Throttled(wait=allowance.retry_after_seconds)


def _person_of(session: SessionBase) -> str:
    """Whoever is signed in, or is about to be."""
    waiting = session.get(LOGIN_SESSION_KEY) or {}
    return str(session.get(SESSION_KEY) or waiting.get("user_pk") or "")


def _refuse_unknown(body: dict[str, Any], *, view: Callable[..., Any], method: str) -> None:
    form = getattr(getattr(view, "view_class", None), "input_class", None)
    if isinstance(form, dict):
        form = form.get(method)
    if form is None:
        return
    known = set(form.base_fields) | ({"phone"} if issubclass(form, _WITH_PHONE) else set())
    unknown = {
        name[:_ECHOED_KEY_CHARACTERS]: [ErrorDetail(str(_("There is no such field here.")), code="unknown_field")]
        for name in body
        if name not in known
    }
    if unknown:
        raise ValidationError(unknown)
