"""Every address the sandbox answers, without sockets: a request in, an answer or silence out."""

import hmac
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime

from payments.gateways.sandbox.provider import pages
from payments.gateways.sandbox.provider.book import Keep, Txn
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.provider.dispute_api import ROUTES as DISPUTE_ROUTES
from payments.gateways.sandbox.provider.dispute_api import respond_dispute_page
from payments.gateways.sandbox.provider.requests import Answer, ProviderRequest, form_of, page_answer
from payments.gateways.sandbox.provider.scripts import ScriptRefused
from payments.gateways.sandbox.provider.statements import (
    plant_errors,
    planted_errors,
    render_statement,
    spoil_statement,
    statement_lines,
)
from payments.gateways.sandbox.provider.words import MAX_BODY_BYTES, Refusal, Reply, read_reference, read_words
from payments.gateways.sandbox.signature import HEADER


class Silence(Exception):
    """The provider never answers this request: its caller waits until a deadline."""


def respond(provider: SandboxProvider, request: ProviderRequest) -> Answer:
    """Answers anything that came in. Raises :class:`Silence` where a script wants a time-out."""
    if request.path.startswith("/v1/"):
        return _respond_api(provider, request)
    return _respond_page(provider, request)


# --- the API -----------------------------------------------------------------------------------------------------

_Handler = Callable[[SandboxProvider, ProviderRequest, str], Reply]


def _create_payment(provider: SandboxProvider, request: ProviderRequest, _: str) -> Reply:
    return provider.payments.create(read_words(request.body))


def _fetch_payment(provider: SandboxProvider, _: ProviderRequest, reference: str) -> Reply:
    return provider.payments.fetch(reference)


def _capture(provider: SandboxProvider, request: ProviderRequest, reference: str) -> Reply:
    return provider.payments.capture(reference, read_words(request.body))


def _void(provider: SandboxProvider, _: ProviderRequest, reference: str) -> Reply:
    return provider.payments.void(reference)


def _close(provider: SandboxProvider, _: ProviderRequest, reference: str) -> Reply:
    return provider.payments.close(reference)


def _create_refund(provider: SandboxProvider, request: ProviderRequest, _: str) -> Reply:
    return provider.refunds.create(read_words(request.body))


def _fetch_refund(provider: SandboxProvider, _: ProviderRequest, reference: str) -> Reply:
    return provider.refunds.fetch(reference)


def _keep(provider: SandboxProvider, request: ProviderRequest, _: str) -> Reply:
    return provider.keeps.create(read_words(request.body))


def _fetch_keep(provider: SandboxProvider, _: ProviderRequest, reference: str) -> Reply:
    return provider.keeps.fetch(reference)


def _forget(provider: SandboxProvider, request: ProviderRequest, _: str) -> Reply:
    return provider.keeps.forget(read_words(request.body))


def _end_keep(provider: SandboxProvider, _: ProviderRequest, reference: str) -> Reply:
    return provider.keeps.end(reference)


def _set_script(provider: SandboxProvider, request: ProviderRequest, reference: str) -> Reply:
    words = read_words(request.body)
    try:
        provider.script(reference, words)
    except ScriptRefused as refused:
        raise Refusal(400, "bad_script", str(refused)) from None
    return Reply({"reference": reference or None, "script": words})


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refusal(400, "bad_field", "a day is written 2026-01-31") from None


def _plant_errors(provider: SandboxProvider, request: ProviderRequest, day: str) -> Reply:
    errors = read_words(request.body).get("errors", "")
    try:
        plant_errors(provider.book, _day(day), errors=errors)
    except ScriptRefused as refused:
        raise Refusal(400, "bad_script", str(refused)) from None
    return Reply({"day": day, "errors": errors})


_REFERENCE = r"(?P<reference>[^/]+)"
_ROUTES: list[tuple[re.Pattern[str], dict[str, _Handler]]] = [
    (re.compile(r"/v1/payments"), {"POST": _create_payment}),
    (re.compile(rf"/v1/payments/{_REFERENCE}"), {"GET": _fetch_payment}),
    (re.compile(rf"/v1/payments/{_REFERENCE}/capture"), {"POST": _capture}),
    (re.compile(rf"/v1/payments/{_REFERENCE}/void"), {"POST": _void}),
    (re.compile(rf"/v1/payments/{_REFERENCE}/close"), {"POST": _close}),
    (re.compile(r"/v1/refunds"), {"POST": _create_refund}),
    (re.compile(rf"/v1/refunds/{_REFERENCE}"), {"GET": _fetch_refund}),
    (re.compile(r"/v1/keeps"), {"POST": _keep}),
    (re.compile(r"/v1/keeps/forget"), {"POST": _forget}),
    (re.compile(rf"/v1/keeps/{_REFERENCE}"), {"GET": _fetch_keep}),
    (re.compile(rf"/v1/control/keeps/{_REFERENCE}/end"), {"POST": _end_keep}),
    (re.compile(r"/v1/control/default-script"), {"PUT": _set_script}),
    (re.compile(rf"/v1/control/scripts/{_REFERENCE}"), {"PUT": _set_script}),
    (re.compile(rf"/v1/control/statements/{_REFERENCE}"), {"PUT": _plant_errors}),
    *DISPUTE_ROUTES,
]
_STATEMENT = re.compile(r"/v1/statements/(\d{4}-\d{2}-\d{2})")


def _respond_api(provider: SandboxProvider, request: ProviderRequest) -> Answer:
    try:
        if not _knows_secret(provider, request.headers.get("authorization", "")):
            raise Refusal(401, "who_are_you", "Authorization: Bearer and the sandbox's secret")
        statement = _STATEMENT.fullmatch(request.path)
        if statement is not None and request.method == "GET":
            body = _statement(provider, statement[1], is_so_far="so_far" in form_of(request.query))
            return _signed(provider, 200, body, content_type="text/csv; charset=utf-8")
        reply = _dispatch(provider, request)
    except Refusal as refusal:
        return _refused(provider, refusal)
    return _answer(provider, reply)


def _knows_secret(provider: SandboxProvider, authorization: str) -> bool:
    given = authorization.encode()
    return any([hmac.compare_digest(given, f"Bearer {secret}".encode()) for secret in provider.secrets])


def _dispatch(provider: SandboxProvider, request: ProviderRequest) -> Reply:
    for pattern, handlers in _ROUTES:
        match = pattern.fullmatch(request.path)
        if match is None:
            continue
        handler = handlers.get(request.method)
        if handler is None:
            raise Refusal(405, "wrong_method", f"only {', '.join(handlers)}")
        reference = match.groupdict().get("reference", "")
        return handler(provider, request, read_reference(reference) if reference else "")
    raise Refusal(404, "no_such_address", "there is nothing here")


def _statement(provider: SandboxProvider, text: str, *, is_so_far: bool) -> bytes:
    day = _day(text)
    errors = planted_errors(provider.book, day)
    is_over = day < datetime.fromtimestamp(provider.clock(), UTC).date()
    if "not_ready" in errors or not (is_over or is_so_far):
        raise Refusal(404, "not_ready", "a statement is ready when its day (UTC) is over")
    return spoil_statement(render_statement(statement_lines(provider.book, day)), day, errors=errors)


def _answer(provider: SandboxProvider, reply: Reply) -> Answer:
    if reply.fault.startswith("timeout_"):
        raise Silence
    if reply.fault.startswith("error_5xx_"):
        return Answer(500, {"Content-Type": "text/html"}, b"<h1>Internal Server Error</h1>")
    if reply.fault == "unavailable":
        return _refused(provider, Refusal(503, "try_elsewhere", "nothing happened; another account may try"))
    if reply.fault == "reject":
        return _refused(provider, Refusal(400, "rejected_by_script", "the script rejects this request"))
    answer = _signed(provider, 200, json.dumps(reply.words).encode())
    if reply.fault == "torn_answer":
        return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])
    if reply.fault == "unsigned_answer":
        return Answer(answer.status, {"Content-Type": "application/json"}, answer.body)
    return answer


def _refused(provider: SandboxProvider, refusal: Refusal) -> Answer:
    return _signed(provider, refusal.status, json.dumps({"error": refusal.error, "say": refusal.say}).encode())


def _signed(provider: SandboxProvider, status: int, body: bytes, *, content_type: str = "application/json") -> Answer:
    return Answer(status, {"Content-Type": content_type, HEADER: provider.sign(body)}, body)


# --- the pages ---------------------------------------------------------------------------------------------------


def _respond_page(provider: SandboxProvider, request: ProviderRequest) -> Answer:
    query = form_of(request.query)
    language = pages.choose_language(asked=query.get("lang", ""), accept=request.headers.get("accept-language", ""))
    if request.path.startswith("/approve/"):
        return _respond_approval(provider, request, language=language)
    if request.path.startswith("/dispute/") and request.method in ("GET", "HEAD", "POST"):
        found = respond_dispute_page(provider, request, language=language)
        return found or page_answer(404, pages.message_page("no_such_page", language=language))
    if request.method not in ("GET", "HEAD"):
        return page_answer(405, pages.message_page("wrong_method", language=language))
    if request.path == "/":
        return page_answer(200, pages.home_page(language=language))
    if request.path == "/healthz":
        return Answer(200, {"Content-Type": "application/json"}, b'{"status": "ok"}')
    return page_answer(404, pages.message_page("no_such_page", language=language))


def _respond_approval(provider: SandboxProvider, request: ProviderRequest, *, language: str) -> Answer:
    shown = _shown(provider, request.path.removeprefix("/approve/"))
    if shown is None or not shown.via:
        return page_answer(404, pages.message_page("no_such_page", language=language))
    if request.method in ("GET", "HEAD"):
        return page_answer(200, pages.approval_page(shown, language=language), returns_to=shown.back_to)
    decision = form_of(request.body[:MAX_BODY_BYTES].decode("latin-1")).get("decision", "")
    if request.method != "POST" or decision not in ("approve", "decline"):
        return page_answer(
            405 if request.method != "POST" else 400, pages.message_page("wrong_method", language=language)
        )
    is_approved = decision == "approve"
    if isinstance(shown, Txn):
        shown = provider.payments.decide(shown, is_approved=is_approved)
    else:
        shown = provider.keeps.decide(shown, is_approved=is_approved)
    here = f"/approve/{shown.page_token}?lang={language}"
    return Answer(303, {"Location": shown.back_to or here, "Cache-Control": "no-store"}, b"")


def _shown(provider: SandboxProvider, page_token: str) -> Txn | Keep | None:
    return provider.payments.find_page(page_token) or provider.keeps.find_page(page_token)
