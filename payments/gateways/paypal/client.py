"""The way to PayPal's REST API: an access token, a request id, and what each kind of answer tells about money."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from payments.gateways.contract import (
    GatewayConfiguration,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    HttpRequest,
    HttpResponse,
)
from payments.gateways.paypal.issues import DECLINES, IN_PROGRESS, REFUSALS

TOKEN_MARGIN_SECONDS = 120
MAX_ANSWER_BYTES = 4 * 1024 * 1024


class PayPalRefused(GatewayRejected):
    """PayPal says why it did nothing: ``issue`` is its code, ``words`` the whole answer."""

    def __init__(self, *, status: int, words: Mapping[str, Any]) -> None:
        self.status = status
        self.words = words
        self.issue = _issue(words)
        name = words.get("error") or self.issue or words.get("name") or f"HTTP {status}"
        code = DECLINES.get(self.issue) or REFUSALS.get(self.issue) or "gateway_rejected"
        if status in (401, 403):
            code = "account_misconfigured"
        super().__init__(f"PayPal refuses: {name} (debug id {words.get('debug_id', 'none')})", code=code)


@dataclass(frozen=True, slots=True)
class Answer:
    """``words`` is empty for an answer without a body."""

    status: int
    words: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    good_until: float


class PayPalClient:
    """Credentials ``client_id`` and ``client_secret``. One access token for all threads, fetched by one of them."""

    def __init__(self, configuration: GatewayConfiguration, *, clock: Callable[[], float] = time.time) -> None:
        self._configuration = configuration
        self._clock = clock
        self._lock = threading.Lock()
        self._token: _Token | None = None

    def get(self, path: Sequence[str], *, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """None when PayPal says that there is no such thing."""
        response = self.get_raw(path, query=query)
        return None if response is None else _object(response.body)

    def get_raw(
        self, path: Sequence[str], *, query: Mapping[str, str] | None = None, max_bytes: int = MAX_ANSWER_BYTES
    ) -> HttpResponse | None:
        try:
            return self._send("GET", path, query=query, max_bytes=max_bytes)
        except PayPalRefused as refused:
            if refused.status == 404:
                return None
            raise

    def post(self, path: Sequence[str], words: Any, *, request_id: str = "") -> Answer:
        """The same ``request_id``, the same effect, as long as PayPal keeps it (orders 6 hours, vault 3, else 45
        days)."""
        response = self._send("POST", path, body=json.dumps(words).encode(), request_id=request_id)
        return Answer(response.status, _object(response.body) if response.body.strip() else {})

    def post_multipart(self, path: Sequence[str], body: bytes, *, boundary: str) -> Answer:
        content_type = f"multipart/form-data; boundary={boundary}"
        response = self._send("POST", path, body=body, content_type=content_type)
        return Answer(response.status, _object(response.body) if response.body.strip() else {})

    def patch(self, path: Sequence[str], words: Sequence[Mapping[str, Any]]) -> None:
        self._send("PATCH", path, body=json.dumps(list(words)).encode())

    def delete(self, path: Sequence[str]) -> None:
        """What is not there is deleted."""
        try:
            self._send("DELETE", path)
        except PayPalRefused as refused:
            if refused.status != 404:
                raise

    def _send(
        self,
        method: str,
        path: Sequence[str],
        *,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        request_id: str = "",
        content_type: str = "application/json",
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> HttpResponse:
        token = self._access_token()
        url = self._url(path, query)
        headers = {"Accept": "application/json"}
        if method != "GET":
            headers |= {"Content-Type": content_type, "Prefer": "return=representation"}
        if request_id:
            headers["PayPal-Request-Id"] = request_id
        for is_last in (False, True):
            sent = headers | {"Authorization": f"Bearer {token}"}
            response = self._configuration.transport(
                HttpRequest(method=method, url=url, headers=sent, body=body, max_response_bytes=max_bytes)
            )
            if response.status != 401 or is_last:
                break
            # A token can be revoked before its time; 401 says that nothing happened.
            token = self._access_token(but_not=token)
        refuse_failure(response)
        return response

    def _url(self, path: Sequence[str], query: Mapping[str, str] | None) -> str:
        url = self._configuration.base_url.rstrip("/") + "".join(f"/{quote(part, safe='')}" for part in path)
        return f"{url}?{urlencode(query)}" if query else url

    def _access_token(self, *, but_not: str = "") -> str:
        with self._lock:
            token = self._token
            if token is None or token.good_until <= self._clock() or token.text == but_not:
                token = self._token = self._fetch_token()
            return token.text

    def _fetch_token(self) -> _Token:
        """Whatever goes wrong here, the request that needed the token was not sent."""
        credentials = self._configuration.credentials
        pair = f"{credentials['client_id']}:{credentials['client_secret']}".encode()
        request = HttpRequest(
            method="POST",
            url=self._url(("v1", "oauth2", "token"), None),
            headers={
                "Accept": "application/json",
                "Authorization": "Basic " + base64.b64encode(pair).decode(),
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=b"grant_type=client_credentials",
        )
        try:
            response = self._configuration.transport(request)
            refuse_failure(response)
            words = _object(response.body)
        except PayPalRefused as refused:
            raise GatewayRejected(f"PayPal gives no access token: {refused}", code="account_misconfigured") from None
        except GatewayError as error:
            raise GatewayUnavailable(f"PayPal gives no access token: {error}", code="no_access_token") from error
        text, seconds = words.get("access_token"), words.get("expires_in")
        if not isinstance(text, str) or not text.isprintable() or type(seconds) is not int:
            raise GatewayUnavailable("PayPal's access token is malformed", code="no_access_token")
        return _Token(text, self._clock() + max(seconds - TOKEN_MARGIN_SECONDS, 0))


@contextmanager
def after_the_order_was_made() -> Iterator[None]:
    """The order is there, and a saved wallet charged: that we cannot go on now is no sign that nothing happened."""
    try:
        yield
    except GatewayError as problem:
        raise GatewayOutcomeUnknown(str(problem), code=problem.code) from problem


def refuse_failure(response: HttpResponse) -> None:
    """Raises for anything but 2xx. Only PayPal's own words, in JSON, say that nothing happened."""
    if 200 <= response.status < 300:
        return
    words = _object(response.body)
    refused = PayPalRefused(status=response.status, words=words)
    if response.status == 429:
        # "Too many requests. Blocked due to rate limiting."
        if words.get("name") == "RATE_LIMIT_REACHED":
            raise GatewayUnavailable("PayPal limits our requests", code="rate_limited")
        raise GatewayOutcomeUnknown("HTTP 429", code="http_429")
    is_refusal = 400 <= response.status < 500 and response.status not in (408, 409)
    if not is_refusal or refused.issue in IN_PROGRESS or not (words.get("name") or words.get("error")):
        raise GatewayOutcomeUnknown(f"HTTP {response.status} {refused.issue}", code=f"http_{response.status}")
    raise refused


def _object(body: bytes) -> dict[str, Any]:
    try:
        words = json.loads(body)
    except (ValueError, RecursionError):
        raise GatewayOutcomeUnknown("the answer is not JSON", code="malformed") from None
    if not isinstance(words, dict):
        raise GatewayOutcomeUnknown("the answer is not an object", code="malformed")
    return words


def _issue(words: Mapping[str, Any]) -> str:
    details = words.get("details")
    if isinstance(details, list):
        for detail in details:
            if isinstance(detail, dict) and isinstance(detail.get("issue"), str):
                return str(detail["issue"])
    name = words.get("name")
    return name if isinstance(name, str) else ""
