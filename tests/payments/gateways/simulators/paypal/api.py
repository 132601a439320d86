"""PayPal behind one transport: paths to handlers, access tokens, and troubles on demand."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from payments.gateways.contract import (
    GatewayOutcomeUnknown,
    GatewayUnavailable,
    HttpRequest,
    HttpResponse,
)
from tests.payments.gateways.simulators.paypal import disputes, orders, payments, reporting, signing, vault
from tests.payments.gateways.simulators.paypal.world import ApiError, Words, World, not_found

TOKEN_SECONDS = 32_400
Handler = Callable[["Call"], tuple[int, Any]]


@dataclass(frozen=True)
class Call:
    world: World
    ids: tuple[str, ...]
    words: Any
    query: dict[str, str]
    request_id: str
    content_type: str
    body: bytes
    max_found: int


@dataclass
class PayPalTransport:
    """Give it a request, get PayPal's answer. ``troubles`` are met by the next calls whose path matches, once each."""

    world: World
    certificates: dict[str, bytes] = field(default_factory=dict)
    troubles: list[tuple[str, str]] = field(default_factory=list)
    requests: list[HttpRequest] = field(default_factory=list)
    max_found: int = reporting.MAX_FOUND
    takes_patches: bool = True

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with self.world.lock:
            self.requests.append(request)
            trouble = self._trouble(request)
            instead = _before_effect(trouble)
            response = instead or self._answer(request)
        return response if instead else _after_effect(trouble, response)

    def trouble(self, path: str, trouble: str) -> None:
        """The next call whose ``METHOD path`` this pattern finds meets it."""
        self.troubles.append((path, trouble))

    def asked(self, path: str) -> list[HttpRequest]:
        return [one for one in self.requests if re.search(path, f"{one.method} {urlsplit(one.url).path}")]

    def _trouble(self, request: HttpRequest) -> str:
        for place, (path, trouble) in enumerate(self.troubles):
            if re.search(path, f"{request.method} {urlsplit(request.url).path}"):
                del self.troubles[place]
                return trouble
        return ""

    def _answer(self, request: HttpRequest) -> HttpResponse:
        path = urlsplit(request.url).path
        if path.startswith(signing.CERTIFICATE_PATH):
            pem = self.certificates.get(path.removeprefix(signing.CERTIFICATE_PATH))
            return HttpResponse(200 if pem else 404, {"Content-Type": "text/plain"}, pem or b"")
        try:
            if path == "/v1/oauth2/token":
                return _response(200, _token(self.world, request))
            _require_token(self.world, request)
            status, words = self._route(request, path)
        except ApiError as error:
            return _response(error.status, error.words)
        return _response(status, _represented(request, words))

    def _route(self, request: HttpRequest, path: str) -> tuple[int, Any]:
        for method, pattern, handler in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match is None or method != request.method:
                continue
            if method == "PATCH" and not self.takes_patches:
                raise ApiError(422, "UNPROCESSABLE_ENTITY", "NOT_PATCHABLE")
            headers = {name.lower(): value for name, value in request.headers.items()}
            is_json = "json" in headers.get("content-type", "") and bool(request.body)
            return handler(
                Call(
                    world=self.world,
                    ids=tuple(unquote(one) for one in match.groups()),
                    words=json.loads(request.body) if is_json else {},
                    query=dict(parse_qsl(urlsplit(request.url).query)),
                    request_id=headers.get("paypal-request-id", ""),
                    content_type=headers.get("content-type", ""),
                    body=request.body,
                    max_found=self.max_found,
                )
            )
        raise not_found()


def _before_effect(trouble: str) -> HttpResponse | None:
    if trouble == "connection_refused":
        raise GatewayUnavailable("connection refused", code="not_reached")
    if trouble == "timeout_before_effect":
        raise GatewayOutcomeUnknown("time-out", code="no_answer")
    if trouble == "error_5xx_before_effect":
        return _response(503, ApiError(503, "SERVICE_UNAVAILABLE").words)
    if trouble.startswith("answer:"):
        return HttpResponse(200, {"Content-Type": "text/html"}, trouble.removeprefix("answer:").encode())
    if trouble.startswith("refuse:"):
        _, status, name = trouble.split(":")
        return _response(int(status), ApiError(int(status), name).words)
    return None


def _after_effect(trouble: str, response: HttpResponse) -> HttpResponse:
    if trouble == "timeout_after_effect":
        raise GatewayOutcomeUnknown("time-out", code="no_answer")
    if trouble == "error_5xx_after_effect":
        return _response(500, ApiError(500, "INTERNAL_SERVER_ERROR").words)
    if trouble == "torn_answer":
        return HttpResponse(response.status, response.headers, response.body[: len(response.body) // 2])
    return response


def _token(world: World, request: HttpRequest) -> Words:
    expected = base64.b64encode(f"{world.client_id}:{world.client_secret}".encode()).decode()
    if request.headers.get("Authorization") != f"Basic {expected}":
        error = ApiError(401, "")
        error.words = {"error": "invalid_client", "error_description": "Client Authentication failed"}
        raise error
    world.tokens_given += 1
    token = f"A21AA{world.tokens_given}"
    world.access_tokens[token] = world.clock() + TOKEN_SECONDS
    return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS, "app_id": "APP-1"}


def _require_token(world: World, request: HttpRequest) -> None:
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if world.access_tokens.get(token, 0) <= world.clock():
        error = ApiError(401, "AUTHENTICATION_FAILURE", "INVALID_TOKEN")
        error.words["message"] = (
            "Authentication failed due to missing authorization header, or invalid authentication credentials."
        )
        raise error


def _represented(request: HttpRequest, words: Any) -> Any:
    """``Prefer: return=minimal`` is PayPal's default."""
    is_minimal = request.method == "POST" and request.headers.get("Prefer") != "return=representation"
    if is_minimal and "/v2/" in request.url and isinstance(words, dict):
        return {name: words[name] for name in ("id", "status", "links") if name in words}
    return words


def _response(status: int, words: Any) -> HttpResponse:
    body = b"" if words is None else json.dumps(words).encode()
    return HttpResponse(status, {"Content-Type": "application/json", "Paypal-Debug-Id": "d1b2c3d4e5f60"}, body)


def _patch_order(call: Call) -> tuple[int, Any]:
    orders.patch(call.world, call.ids[0], call.words)
    return 204, None


def _delete_token(call: Call) -> tuple[int, Any]:
    vault.delete_token(call.world, call.ids[0])
    return 204, None


def _one(table: dict[str, Words], key: str) -> tuple[int, Words]:
    if key not in table:
        raise not_found()
    return 200, table[key]


def _webhook(call: Call) -> tuple[int, Words]:
    if call.ids[0] != call.world.webhook_id:
        raise not_found()
    return 200, {"id": call.world.webhook_id, "url": "https://pay.example.com/webhooks/ga_1", "event_types": []}


_ID = "([^/]+)"
_ORDER = f"/v2/checkout/orders/{_ID}"
_DISPUTE = f"/v1/customer/disputes/{_ID}"
_ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/v2/checkout/orders", lambda call: orders.create(call.world, call.words, call.request_id)),
    ("GET", _ORDER, lambda call: (200, orders.show(call.world, call.ids[0]))),
    ("PATCH", _ORDER, _patch_order),
    (
        "POST",
        f"{_ORDER}/(capture|authorize)",
        lambda call: orders.finish(call.world, call.ids[0], call.ids[1], call.request_id),
    ),
    (
        "POST",
        f"/v2/payments/authorizations/{_ID}/capture",
        lambda call: payments.capture_authorization(call.world, call.ids[0], call.words, call.request_id),
    ),
    (
        "POST",
        f"/v2/payments/authorizations/{_ID}/void",
        lambda call: payments.void_authorization(call.world, call.ids[0]),
    ),
    ("GET", f"/v2/payments/captures/{_ID}", lambda call: (200, payments.show_capture(call.world, call.ids[0]))),
    (
        "POST",
        f"/v2/payments/captures/{_ID}/refund",
        lambda call: payments.refund_capture(call.world, call.ids[0], call.words, call.request_id),
    ),
    ("POST", "/v3/vault/setup-tokens", lambda call: vault.create_setup(call.world, call.words, call.request_id)),
    ("GET", f"/v3/vault/setup-tokens/{_ID}", lambda call: _one(call.world.setups, call.ids[0])),
    ("POST", "/v3/vault/payment-tokens", lambda call: vault.create_token(call.world, call.words, call.request_id)),
    (
        "GET",
        "/v3/vault/payment-tokens",
        lambda call: (200, vault.list_tokens(call.world, call.query.get("customer_id", ""))),
    ),
    ("GET", f"/v3/vault/payment-tokens/{_ID}", lambda call: _one(call.world.tokens, call.ids[0])),
    ("DELETE", f"/v3/vault/payment-tokens/{_ID}", _delete_token),
    ("GET", _DISPUTE, lambda call: (200, disputes.show(call.world, call.ids[0]))),
    (
        "POST",
        f"{_DISPUTE}/provide-evidence",
        lambda call: (200, disputes.provide_evidence(call.world, call.ids[0], call.content_type, call.body)),
    ),
    ("POST", f"{_DISPUTE}/accept-claim", lambda call: (200, disputes.accept_claim(call.world, call.ids[0]))),
    (
        "GET",
        "/v1/reporting/transactions",
        lambda call: (200, reporting.search(call.world, call.query, max_found=call.max_found)),
    ),
    ("GET", f"/v1/notifications/webhooks/{_ID}", _webhook),
)
