import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, ValidationError
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from django.views.decorators.http import require_POST
from rest_framework import exceptions as drf
from rest_framework.decorators import api_view, authentication_classes, parser_classes, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from paycore.errors import Conflict, NotFound, PaycoreError
from paycore.parsers import StrictJSONParser
from paycore.problems import problem_of

MIDDLEWARE = [
    "paycore.middleware.RequestIdMiddleware",
    "paycore.middleware.ProblemMiddleware",
    "paycore.middleware.ResponseHeadersMiddleware",
    "paycore.middleware.CardNumberMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]

handler400 = "paycore.problems.handle_400"
handler403 = "paycore.problems.handle_403"
handler404 = "paycore.problems.handle_404"
handler500 = "paycore.problems.handle_500"

SEEN: list[Any] = []


class Locked(Exception):
    pgcode = "55P03"


def lock_timeout() -> OperationalError:
    error = OperationalError("canceling statement due to lock timeout")
    error.__cause__ = Locked()
    return error


ERRORS: dict[str, Exception] = {
    "refusal": Conflict("It is paid.", order_id="ord_1"),
    "pointed": PaycoreError("Too small.", pointer="/amount"),
    "later": PaycoreError("Later.", retry_after_seconds=7),
    "missing": NotFound(),
    "throttled": drf.Throttled(wait=2.3),
    "anonymous": drf.NotAuthenticated(),
    "wrong-key": drf.AuthenticationFailed("The key is not known."),
    "forbidden": drf.PermissionDenied(),
    "django-forbidden": PermissionDenied("secret reason"),
    "django-404": Http404("secret reason"),
    "suspicious": SuspiciousOperation("secret reason"),
    "too-big": RequestDataTooBig("secret reason"),
    "locked": lock_timeout(),
    "no-database": OperationalError("connection to server failed: password=secret"),
    "bug": ZeroDivisionError("secret reason"),
}


@api_view(["GET", "POST"])
@authentication_classes([])
@permission_classes([])
@parser_classes([StrictJSONParser])
def drf_view(request: Request, name: str) -> Response:
    if name == "echo":
        SEEN.append(request.data)
        return Response({"got": request.data})
    raise ERRORS[name]


def plain_view(request: HttpRequest, name: str) -> HttpResponse:
    if name == "echo":
        SEEN.append(request.body)
        return HttpResponse("ok")
    raise ERRORS[name]


@require_POST
def post_only(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [
    path("api/v1/drf/<str:name>", drf_view),
    path("api/v1/plain/<str:name>", plain_view),
    path("api/v1/post-only", post_only),
    path("webhooks/<str:name>", plain_view),
    path("page/<str:name>", plain_view),
]

pytestmark = pytest.mark.usefixtures("_small_site")


@pytest.fixture
def _small_site() -> Iterator[None]:
    SEEN.clear()
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=MIDDLEWARE, ALLOWED_HOSTS=["testserver"], DEBUG=False):
        yield


@pytest.fixture
def browser() -> Client:
    return Client(raise_request_exception=False)


EXPECTED = [
    ("refusal", 409, "conflict"),
    ("pointed", 400, "refused"),
    ("later", 400, "refused"),
    ("missing", 404, "not_found"),
    ("throttled", 429, "throttled"),
    ("anonymous", 401, "authentication_required"),
    ("wrong-key", 401, "authentication_failed"),
    ("forbidden", 403, "permission_denied"),
    ("django-forbidden", 403, "permission_denied"),
    ("django-404", 404, "not_found"),
    ("suspicious", 400, "bad_request"),
    ("too-big", 413, "body_too_large"),
    ("locked", 503, "busy_try_again"),
    ("no-database", 503, "temporarily_unavailable"),
    ("bug", 500, "internal_error"),
]


@pytest.mark.parametrize("kind", ["drf", "plain"])
@pytest.mark.parametrize(("name", "status", "code"), EXPECTED)
def test_every_error_is_a_problem_document(browser: Client, kind: str, name: str, status: int, code: str) -> None:
    response = browser.get(f"/api/v1/{kind}/{name}")
    document = json.loads(response.content)
    assert response["Content-Type"] == "application/problem+json"
    assert (response.status_code, document["status"], document["code"]) == (status, status, code)
    assert document["type"] == f"urn:paycore:problem:{code}"
    assert document["title"]
    assert document["instance"] == f"/api/v1/{kind}/{name}"
    assert document["request_id"] == response["X-Request-ID"]
    assert isinstance(document["errors"], list)
    assert "secret" not in response.content.decode()
    assert response["Cache-Control"] == "no-store"


def test_headers_say_what_to_do_next(browser: Client) -> None:
    assert browser.get("/api/v1/drf/throttled")["Retry-After"] == "3"
    assert browser.get("/api/v1/drf/later")["Retry-After"] == "7"
    assert browser.get("/api/v1/drf/locked")["Retry-After"] == "1"
    assert browser.get("/api/v1/drf/anonymous")["WWW-Authenticate"] == "Bearer"


def test_extra_facts_and_pointers_are_published(browser: Client) -> None:
    assert browser.get("/api/v1/drf/refusal").json()["order_id"] == "ord_1"
    assert browser.get("/api/v1/drf/refusal").json()["detail"] == "It is paid."
    assert browser.get("/api/v1/drf/pointed").json()["errors"] == [
        {"code": "refused", "detail": "Too small.", "pointer": "/amount"}
    ]


def test_wrong_methods_and_unknown_addresses_are_problems(browser: Client) -> None:
    for address, status, code in [
        ("/api/v1/post-only", 405, "method_not_allowed"),
        ("/api/v1/nothing-here", 404, "not_found"),
    ]:
        response = browser.get(address)
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert response["Content-Type"] == "application/problem+json"
    assert browser.get("/api/v1/post-only")["Allow"] == "POST"
    assert browser.delete("/api/v1/drf/echo").json()["code"] == "method_not_allowed"


@override_settings(DEBUG=True)
def test_debug_mode_shows_programs_no_html(browser: Client) -> None:
    assert browser.get("/api/v1/nothing-here").json()["code"] == "not_found"
    assert browser.get("/api/v1/plain/bug").json()["code"] == "internal_error"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed_json"),
        (b'{"a":1,"a":1}', "application/json", 400, "duplicate_key"),
        (b"[" * 2000, "application/json", 400, "too_deep"),
        (b"x" * 70_000, "application/json", 413, "body_too_large"),
        (b"<a/>", "text/xml", 415, "unsupported_media_type"),
        (b"a=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
    ],
)
def test_unreadable_bodies_are_problems_and_reach_nobody(
    browser: Client, body: bytes, content_type: str, status: int, code: str
) -> None:
    response = browser.post("/api/v1/drf/echo", data=body, content_type=content_type)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert SEEN == []


def test_people_get_a_page_that_names_the_reference(browser: Client) -> None:
    for name, status in [("refusal", 409), ("bug", 500), ("django-404", 404), ("suspicious", 400), ("locked", 500)]:
        response = browser.get(f"/page/{name}")
        assert response.status_code == status
        assert response["Content-Type"].startswith("text/html")
        assert response["X-Request-ID"] in response.content.decode()
        assert "secret" not in response.content.decode()
    assert "It is paid." in browser.get("/page/refusal").content.decode()


def test_a_page_from_elsewhere_is_told_so() -> None:
    response = Client(enforce_csrf_checks=True).post("/page/echo")
    assert response.status_code == 403
    assert SEEN == []
    response = Client(enforce_csrf_checks=True).post("/api/v1/plain/echo")
    assert response.json()["code"] in {"csrf_failed", "permission_denied"}


def test_a_failure_is_logged_with_its_cause_but_answered_without(
    browser: Client, caplog: pytest.LogCaptureFixture
) -> None:
    response = browser.get("/api/v1/drf/bug")
    failures = [record for record in caplog.records if "request_failed" in str(record.msg)]
    assert len(failures) == 1
    assert "ZeroDivisionError" not in response.content.decode()


def test_card_numbers_never_come_back_in_a_problem(browser: Client) -> None:
    response = browser.get("/api/v1/drf/4242424242424242")
    assert response.json()["code"] == "card_data_not_allowed"
    assert b"4242424242424242" not in response.content


def test_django_validation_errors_keep_their_fields() -> None:
    problem = problem_of(ValidationError({"amount": ["Too small."]}))
    assert (problem.status, problem.code) == (400, "validation_failed")
    assert problem.errors == ({"code": "invalid", "detail": "Too small.", "pointer": "/amount"},)
