"""Every refusal and failure as RFC 9457 ``application/problem+json``, or as a small page where a person is reading.

``{type, title, status, code, detail, instance, request_id, errors: [{code, detail, pointer}]}``: ``code`` is stable and
for programs, ``title`` and ``detail`` are in the caller's language, ``pointer`` is an RFC 6901 JSON pointer.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core import exceptions as django_errors
from django.core.serializers.json import DjangoJSONEncoder
from django.db import InterfaceError, OperationalError
from django.db.utils import Error as DatabaseFailure
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.views import set_rollback

from paycore.card_numbers import redact_card_numbers
from paycore.errors import PaycoreError
from paycore.logs import current_request_id, get_logger

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

log = get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:paycore:problem:"
_JSON_PATHS = ("/api/", "/ops/api/", "/webhooks/", "/auth/", "/healthz", "/readyz", "/metrics")
# lock_not_available, deadlock_detected, serialization_failure, query_canceled (statement_timeout)
_BUSY_SQLSTATES = {"55P03", "40P01", "40001", "57014"}


@dataclass(frozen=True, slots=True)
class Problem:
    """What will be said, before it is put in words for one caller."""

    status: int
    code: str
    title: "StrOrPromise"
    detail: "StrOrPromise" = ""
    errors: tuple[dict[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


_TITLES: dict[int, tuple[str, "StrOrPromise"]] = {
    400: ("bad_request", _("The request is not valid.")),
    401: ("authentication_required", _("Sign in first.")),
    403: ("permission_denied", _("You may not do this.")),
    404: ("not_found", _("There is no such object.")),
    405: ("method_not_allowed", _("This address does not take that method.")),
    406: ("not_acceptable", _("The answer is not available in the form you ask for.")),
    413: ("body_too_large", _("The body is too large.")),
    415: ("unsupported_media_type", _("Send the body as application/json in UTF-8.")),
    429: ("throttled", _("Too many requests.")),
    500: ("internal_error", _("Something went wrong on our side. It is safe to try again with the same key.")),
    503: ("temporarily_unavailable", _("The service is not available for a moment. Try again.")),
}
_NO_PAGE = _("There is no such page.")
_CONSOLES = ("/ops/", "/merchant/")
VALIDATION_TITLE = _("Some fields are not valid.")
_BUSY = Problem(
    503, "busy_try_again", _("Somebody else is changing this right now. Try again."), headers={"Retry-After": "1"}
)
_NO_DATABASE = Problem(503, *_TITLES[503], headers={"Retry-After": "2"})


def is_json_path(path: str) -> bool:
    """Whether programs, not people, read the answers at ``path``."""
    return path.startswith(_JSON_PATHS)


def problem_of(error: BaseException) -> Problem:
    """What the outside is told about ``error``; anything unknown is ``internal_error`` and tells nothing."""
    if isinstance(error, PaycoreError):
        return _of_refusal(error)
    if isinstance(error, drf.APIException):
        return _of_drf(error)
    if isinstance(error, DatabaseFailure):
        return _of_database(error)
    if isinstance(error, django_errors.ValidationError):
        return _validation_problem(drf.ValidationError(_model_errors(error)).detail)
    return _by_status(_status_of_django(error))


def _by_status(status: int) -> Problem:
    code, title = _TITLES.get(status) or _TITLES[400 if status < 500 else 500]
    return Problem(status, code, title)


def _of_refusal(error: PaycoreError) -> Problem:
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.http_status == 401:
        headers["WWW-Authenticate"] = error.challenge
    extra = {name: value for name, value in error.extra.items() if name != "pointer"}
    errors: tuple[dict[str, str], ...] = ()
    if "pointer" in error.extra:
        said = str(error.detail or error.title)
        errors = ({"code": error.code, "detail": said, "pointer": str(error.extra["pointer"])},)
    return Problem(error.http_status, error.code, error.title, error.detail, errors, headers, extra)


def _of_drf(error: drf.APIException) -> Problem:
    if isinstance(error, drf.ValidationError):
        return _validation_problem(error.detail)
    if isinstance(error, drf.NotAuthenticated | drf.AuthenticationFailed):
        # DRF answers 403 where the first authentication class names no scheme; the right word is 401.
        header = {"WWW-Authenticate": getattr(error, "auth_header", None) or "Bearer"}
        code = "authentication_required" if isinstance(error, drf.NotAuthenticated) else "authentication_failed"
        return Problem(401, code, _TITLES[401][1], str(error.detail), headers=header)
    known = _by_status(error.status_code)
    headers = {}
    if (wait_seconds := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, math.ceil(wait_seconds)))
    is_ours = isinstance(error.detail, str) and error.get_codes() != error.default_code
    code = str(error.get_codes()) if is_ours else known.code
    detail = str(error.detail) if isinstance(error.detail, str) else ""
    return Problem(error.status_code, code, known.title, detail, headers=headers)


def _of_database(error: DatabaseFailure) -> Problem:
    sqlstate = getattr(error.__cause__, "pgcode", None)
    if sqlstate in _BUSY_SQLSTATES:
        return _BUSY
    if isinstance(error, OperationalError | InterfaceError):
        return _NO_DATABASE
    if isinstance(error.__cause__, ValueError):  # psycopg2 refuses NUL in text
        return _by_status(400)
    return _by_status(500)


def _status_of_django(error: BaseException) -> int:
    if isinstance(error, Http404 | django_errors.ObjectDoesNotExist):
        return 404
    if isinstance(error, django_errors.PermissionDenied):
        return 403
    if isinstance(error, django_errors.RequestDataTooBig):
        return 413
    is_theirs = isinstance(error, django_errors.SuspiciousOperation | django_errors.BadRequest | UnreadablePostError)
    return 400 if is_theirs else 500


def _model_errors(error: django_errors.ValidationError) -> Any:
    return error.message_dict if hasattr(error, "error_dict") else error.messages


def _validation_problem(detail: Any) -> Problem:
    return Problem(400, "validation_failed", VALIDATION_TITLE, errors=tuple(_flattened(detail, pointer="")))


def _flattened(detail: Any, *, pointer: str) -> Iterator[dict[str, str]]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            is_whole_object = name in {"non_field_errors", "__all__"}
            step = "" if is_whole_object else "/" + str(name).replace("~", "~0").replace("/", "~1")
            yield from _flattened(inner, pointer=pointer + step)
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            is_leaf = not isinstance(inner, Mapping | list | tuple)
            yield from _flattened(inner, pointer=pointer if is_leaf else f"{pointer}/{index}")
    else:
        yield {"code": str(getattr(detail, "code", "invalid")), "detail": str(detail), "pointer": pointer}


def problem_document(problem: Problem, *, path: str) -> dict[str, Any]:
    """The body, in the active language."""
    return {
        **problem.extra,
        "type": TYPE_PREFIX + problem.code,
        "title": str(problem.title),
        "status": problem.status,
        "code": problem.code,
        "detail": redact_card_numbers(str(problem.detail)),
        "instance": redact_card_numbers(path),
        "request_id": current_request_id(),
        "errors": [{name: redact_card_numbers(text) for name, text in error.items()} for error in problem.errors],
    }


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's ``EXCEPTION_HANDLER``. Answers everything, so that no failure becomes an HTML page."""
    request = context.get("request")
    problem = problem_of(error)
    _log_failure(problem, error)
    set_rollback()
    path = request.path if request is not None else ""
    # Through JSON once: extra may hold lazy text, dates and decimals, and the renderer sees plain values.
    document = json.loads(json.dumps(problem_document(problem, path=path), cls=DjangoJSONEncoder))
    answer = Response(document, status=problem.status, headers=dict(problem.headers), content_type=CONTENT_TYPE)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # Django's own mark against a second log line
    return answer


def problem_response(request: HttpRequest, error: BaseException) -> HttpResponse:
    """For views and middleware outside DRF: JSON where programs read, a page where people do."""
    problem = problem_of(error)
    _log_failure(problem, error)
    return _answer(request, problem)


def status_response(request: HttpRequest, status: int) -> HttpResponse:
    """The usual answer for ``status`` when no error object is at hand."""
    return _answer(request, _by_status(status))


def _log_failure(problem: Problem, error: BaseException) -> None:
    if problem.status >= 500:
        log.error("request_failed", code=problem.code, exc_info=error)


def _answer(request: HttpRequest, problem: Problem) -> HttpResponse:
    # Middleware may refuse before the locale middleware ran.
    with translation.override(translation.get_language_from_request(request)):
        if is_json_path(request.path):
            document = problem_document(problem, path=request.path)
            answer = HttpResponse(
                json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False), content_type=CONTENT_TYPE
            )
        else:
            answer = HttpResponse(_page(problem, path=request.path))
        answer.status_code = problem.status
    for name, value in problem.headers.items():
        answer[name] = value
    answer._has_been_logged = True  # type: ignore[attr-defined]  # Django's own mark against a second log line
    return answer


def _page(problem: Problem, *, path: str) -> str:
    # Plain STATIC_URL: a page about a failure must not fail for want of a static manifest.
    context = {
        "problem": problem,
        "title": _NO_PAGE if problem.title is _TITLES[404][1] else problem.title,
        "home": next((home for home in _CONSOLES if path.startswith(home)), "/"),
        "request_id": current_request_id(),
        "static_url": settings.STATIC_URL,
        "language": translation.get_language() or "en",
        "is_our_fault": problem.status >= 500,
    }
    return render_to_string("errors/error.html", context)


def handle_400(request: HttpRequest, exception: Exception) -> HttpResponse:
    problem = problem_of(exception)
    return _answer(request, problem if problem.status < 500 else _by_status(400))


def handle_403(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, _by_status(403))


def handle_404(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, _by_status(404))


def handle_500(request: HttpRequest) -> HttpResponse:
    return _answer(request, _by_status(500))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's ``CSRF_FAILURE_VIEW``."""
    title = _("This page was open too long or was sent from elsewhere. Load it again and repeat.")
    return _answer(request, Problem(403, "csrf_failed", title))
