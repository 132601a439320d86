"""What happens to every request before any view sees it, and to every answer after.

Order in ``MIDDLEWARE``: RequestId first (its id is in every log line), then Problem, then Django's, with CardNumber
before anything that reads or stores what was sent.
"""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote_plus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _

from paycore import metrics, throttling
from paycore.browser import is_for_programs
from paycore.card_numbers import (
    CardDataNotAllowed,
    contains_card_number,
    json_contains_card_number,
    may_contain_card_number,
)
from paycore.errors import NotFound, PaycoreError
from paycore.identifiers import new_id
from paycore.logs import end_context, get_logger, start_context
from paycore.parsers import BodyRefused, BodyTooLarge, MalformedJSON, body_limit_bytes, loads_strict
from paycore.problems import is_json_path, problem_response, status_response
from paycore.uploads import MAX_UPLOAD_BODY_BYTES, takes_uploads

log = get_logger("paycore.access")

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_TRUSTED_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}\Z")
_HEADERS_THAT_ARE_KEPT = ("HTTP_IDEMPOTENCY_KEY", "HTTP_USER_AGENT", "HTTP_REFERER", "HTTP_X_REQUEST_ID")
_QUIET_PATHS = ("/healthz", "/readyz", "/metrics", "/static/")
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,200})"?', re.IGNORECASE)


class RequestIdMiddleware:
    """Gives the request its id (a caller's ``X-Request-ID`` counts only behind a trusted proxy), says it in the answer,
    and writes one line when the request is done."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.is_proxied = settings.PAYCORE_TRUSTED_PROXIES > 0
        self.is_logging = getattr(settings, "PAYCORE_ACCESS_LOG", True)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        request_id = self._sent_id(request) or new_id("req")
        start_context(request_id=request_id)
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = request_id
            if not request.path.startswith(_QUIET_PATHS):
                self._observe(request, response, seconds=time.perf_counter() - started)
        finally:
            end_context()
        return response

    def _sent_id(self, request: HttpRequest) -> str:
        sent = str(request.META.get("HTTP_X_REQUEST_ID", "")) if self.is_proxied else ""
        return sent if _TRUSTED_ID.match(sent) and not contains_card_number(sent) else ""

    def _observe(self, request: HttpRequest, response: HttpResponseBase, *, seconds: float) -> None:
        method, route = request.method or "", request.resolver_match.route if request.resolver_match else ""
        metrics.observe_request(method=method, route=route, status=response.status_code, seconds=seconds)
        if self.is_logging:
            milliseconds = round(seconds * 1000, 1)
            log.info("request", method=method, route=route, status=response.status_code, milliseconds=milliseconds)


class ProblemMiddleware:
    """Turns refusals that escape a plain view, and HTML errors on programs' paths, into problem documents."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not is_json_path(request.path):
            return response
        if response.status_code >= 400 and response.get("Content-Type", "").startswith("text/html"):
            response = self._replaced(request, response)
        if not response.has_header("Cache-Control"):
            response["Cache-Control"] = "no-store"
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, PaycoreError) or is_json_path(request.path):
            return problem_response(request, exception)
        return None

    def _replaced(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponse:
        answer = status_response(request, response.status_code)
        for name in ("Allow", "Retry-After", "WWW-Authenticate"):
            if response.has_header(name):
                answer[name] = response[name]
        return answer


class ResponseHeadersMiddleware:
    """Headers that neither Django's SecurityMiddleware nor django-csp sets, and where the caller's limits stand."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if isinstance(response, HttpResponse) and getattr(response, "is_rendered", True):
            # Without it the server sends the answer in chunks.
            response.headers.setdefault("Content-Length", str(len(response.content)))
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(self)")
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if is_for_programs(request.path_info):
            response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
        for name, value in throttling.headers_of(request).items():
            response.headers[name] = value
        return response


class NulNotAllowed(PaycoreError):
    """PostgreSQL keeps no NUL; in a body the parser refuses it."""

    code, http_status = "invalid_address", 400
    title = _("The address contains a character that is not allowed.")


class CardNumberMiddleware:
    """Refuses card numbers anywhere in a request, and bodies over their limit, before anything is logged or stored."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            refusal = self._refusal(request)
        except UnreadablePostError:
            refusal = MalformedJSON()
        if isinstance(refusal, CardDataNotAllowed):
            metrics.CARD_NUMBERS_REFUSED.inc()
        if refusal is not None:
            return problem_response(request, refusal)
        return self.get_response(request)

    def _refusal(self, request: HttpRequest) -> PaycoreError | None:
        if is_json_path(request.path_info) and (refusal := _nul_refusal(request)):
            return refusal
        if any(map(contains_card_number, _text_around_body(request.META, request.path_info))):
            return CardDataNotAllowed()
        length = int(request.META.get("CONTENT_LENGTH") or 0)
        if not length:
            return None
        content_type = request.META.get("CONTENT_TYPE", "").lower()
        if content_type.startswith("multipart/form-data") and takes_uploads(request.path_info):
            # The text between the files is searched where it is read: paycore/uploads.py.
            return BodyTooLarge(max_bytes=MAX_UPLOAD_BODY_BYTES) if length > MAX_UPLOAD_BODY_BYTES else None
        if is_json_path(request.path_info):
            limit = body_limit_bytes(request.path_info)
            if length > limit:
                return BodyTooLarge(max_bytes=limit)
        elif length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            # Large uploads exist only as files in the consoles; Django streams those and bounds everything else.
            return None if content_type.startswith("multipart/") else BodyTooLarge()
        return CardDataNotAllowed() if body_contains_card_number(request.body, request.META) else None


def _nul_refusal(request: HttpRequest) -> PaycoreError | None:
    if "\0" in request.path_info:
        return NotFound()
    return NulNotAllowed() if "%00" in request.META.get("QUERY_STRING", "") else None


def _text_around_body(meta: dict[str, Any], path: str) -> Iterator[str]:
    yield path
    if query := meta.get("QUERY_STRING"):
        yield unquote_plus(query)
    for header in _HEADERS_THAT_ARE_KEPT:
        if value := meta.get(header):
            yield value


def body_contains_card_number(body: bytes, meta: dict[str, Any]) -> bool:
    """Looks where text is: JSON values, form fields, the parts of an upload that are not files."""
    content_type = str(meta.get("CONTENT_TYPE", ""))
    kind = content_type.lower()
    if kind.startswith("multipart/"):
        return any(contains_card_number(part) for part in _text_parts(body, content_type))
    if kind.startswith("application/x-www-form-urlencoded"):
        needs_search = b"%" in body or may_contain_card_number(body)
        return needs_search and contains_card_number(unquote_plus(body.decode(errors="replace")))
    if not may_contain_card_number(body):
        return False
    try:
        value = loads_strict(body, max_bytes=len(body))
    except BodyRefused:
        return contains_card_number(body.decode(errors="replace"))
    return json_contains_card_number(value)


def _text_parts(body: bytes, content_type: str) -> Iterator[str]:
    boundary = _BOUNDARY.search(content_type)
    for part in body.split(b"--" + boundary[1].encode()) if boundary else [body]:
        headers, _blank, _content = part.partition(b"\r\n\r\n")
        is_file = b"filename" in headers.lower()
        yield (headers if is_file else part).decode(errors="replace")
