"""Stripe's own SDK over our one way out: it writes the requests, our transport carries them, nothing is repeated."""

import json
import logging
from collections.abc import Mapping
from io import BytesIO
from typing import Any, ClassVar

from stripe import HTTPClient, StripeClient, StripeError, StripeResponse

from payments.gateways.contract import (
    GatewayConfiguration,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    HttpRequest,
    HttpResponse,
    HttpTransport,
)
from payments.gateways.stripe import words
from payments.gateways.stripe.json_words import NotUnderstood, Words, as_words, text

# Our own client logs each call; the SDK would write ids at INFO and whole bodies, with client secrets, at DEBUG.
logging.getLogger("stripe").setLevel(logging.WARNING)

API_VERSION = "2026-10-28.endive"
"""What the answers and callbacks that we read look like. Webhook endpoints are set to the same one."""
PRODUCTION = "https://api.stripe.com"
PRODUCTION_FILES = "https://files.stripe.com"
MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_FILE_BYTES = 32 * 1024 * 1024
_ASK_AGAIN_CODES = frozenset({"idempotency_key_in_use", "lock_timeout"})
_UNKNOWN_STATUSES = frozenset({408, 409, 424, 425, 429})
_SENT_HEADERS = frozenset({"Authorization", "Content-Type", "Idempotency-Key", "Stripe-Version"})
"""Not sent: what the SDK tells of this machine."""


class StripeRefusal(GatewayRejected):
    """Stripe read the request and says no. ``error`` is its error object; it may name an intent that was made."""

    def __init__(self, error: Words) -> None:
        self.error = error
        self.is_key_reused = error.get("type") == "idempotency_error"
        """The key was used before, with other words: that request may well have had its effect."""
        what = _short(error, "code") or _short(error, "type")
        super().__init__(f"{what}: {_short(error, 'message')}"[:300], code=_our_code(error))

    @property
    def is_missing(self) -> bool:
        return self.error.get("code") == "resource_missing"

    @property
    def intent(self) -> Words | None:
        intent = self.error.get("payment_intent") or self.error.get("setup_intent")
        return intent if isinstance(intent, dict) else None


class _Carrier(HTTPClient):
    """Stands where the SDK would open a connection."""

    name: ClassVar[str] = "paycore"

    def __init__(self, transport: HttpTransport) -> None:
        super().__init__()
        self._transport = transport

    def request_with_retries(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        post_data: str | bytes | None = None,
        max_network_retries: int | None = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        body = post_data.encode() if isinstance(post_data, str) else post_data or b""
        sent = {name: value for name, value in headers.items() if name in _SENT_HEADERS}
        response = self._transport(
            HttpRequest(method=method.upper(), url=url, headers=sent, body=body, max_response_bytes=MAX_ANSWER_BYTES)
        )
        if not 200 <= response.status < 300:
            raise failure_of(response)
        try:
            text_of_body = response.body.decode()
        except UnicodeDecodeError:
            raise GatewayOutcomeUnknown("the answer is no text", code="malformed") from None
        return text_of_body, response.status, {name.lower(): value for name, value in response.headers.items()}

    def close(self) -> None:
        """The transport's connections are not ours."""


class StripeApi:
    """Calls by path; answers are plain JSON objects. Raises the three GatewayErrors, StripeRefusal among them."""

    def __init__(self, configuration: GatewayConfiguration) -> None:
        self._transport = configuration.transport
        self._key = configuration.credentials["secret_key"]
        base = configuration.base_url.rstrip("/")
        # A counterpart that stands in for Stripe is never mixed with the real one.
        usual_files = PRODUCTION_FILES if base == PRODUCTION else base
        self._files = configuration.settings.get("files_address", "").rstrip("/") or usual_files
        self._client = StripeClient(
            self._key,
            stripe_version=API_VERSION,
            base_addresses={"api": base, "files": self._files},
            max_network_retries=0,
            http_client=_Carrier(configuration.transport),
        )

    def get(self, path: str, asked: Mapping[str, Any] | None = None) -> Words:
        return self._call("get", path, dict(asked or {}))

    def post(self, path: str, said: Mapping[str, Any], *, key: str = "", version: str = "") -> Words:
        """``key`` makes it happen once, for at least 24 hours."""
        options = {"idempotency_key": key} if key else {}
        if version:
            options["stripe_version"] = version
        return self._call("post", path, {**said, **options})

    def make(self, path: str, said: Mapping[str, Any], *, key: str) -> tuple[Words, bool]:
        """What was made under ``key``, and whether that is the answer to an earlier request: as it was then."""
        response = self._ask("post", path, {**said, "idempotency_key": key})
        return _object_in(response), response.headers.get("idempotent-replayed") == "true"

    def upload(self, *, name: str, body: bytes, purpose: str, key: str) -> Words:
        said = {"purpose": purpose, "file": _NamedFile(name, body), "idempotency_key": key}
        return self._call("post", "/v1/files", {**said, "base": "files", "content_type": "multipart/form-data"})

    def download(self, file_id: str) -> bytes:
        """The content of a file that Stripe made for us. Only our own address is asked, whatever an answer says."""
        response = self._transport(
            HttpRequest(
                method="GET",
                url=f"{self._files}/v1/files/{path_part(file_id)}/contents",
                headers={"Authorization": f"Bearer {self._key}", "Stripe-Version": API_VERSION},
                max_response_bytes=MAX_FILE_BYTES,
            )
        )
        if response.status != 200:
            raise failure_of(response)
        return response.body

    def _call(self, method: str, path: str, params: dict[str, Any]) -> Words:
        return _object_in(self._ask(method, path, params))

    def _ask(self, method: str, path: str, params: dict[str, Any]) -> StripeResponse:
        try:
            response: StripeResponse = self._client.raw_request(method, path, **params)
        except StripeError as problem:
            raise GatewayOutcomeUnknown(f"the answer is no JSON: {type(problem).__name__}", code="malformed") from None
        return response


def _object_in(response: StripeResponse) -> Words:
    if not isinstance(response.data, dict):
        raise GatewayOutcomeUnknown("the answer is no object", code="malformed")
    return response.data


class _NamedFile(BytesIO):
    """What the SDK's multipart writer reads: a file with a name."""

    def __init__(self, name: str, body: bytes) -> None:
        super().__init__(body)
        self.name = name


def path_part(identifier: str) -> str:
    """Stripe's ids are letters, digits and underscores; anything else is not put into an address."""
    if not identifier.isascii() or not identifier.replace("_", "").isalnum():
        raise GatewayRejected("this is no id of Stripe's", code="gateway_rejected")
    return identifier


def failure_of(response: HttpResponse) -> GatewayError:
    """What an answer that is no success means for whoever asked."""
    status = response.status
    try:
        error = as_words(as_words(json.loads(response.body), what="answer").get("error"), what="error")
    except (ValueError, RecursionError):  # NotUnderstood is a ValueError
        return GatewayOutcomeUnknown(f"HTTP {status} that is not Stripe's", code=f"http_{status}")
    code = _short(error, "code")
    if status in (401, 403):
        return GatewayRejected(f"HTTP {status}: {_short(error, 'message')}"[:300], code="account_misconfigured")
    # "Rate limiters run before the API's idempotency layer" (docs.stripe.com/error-low-level): nothing was begun.
    if status == 429 and code == "rate_limit":
        return GatewayUnavailable("Stripe limits our rate", code="rate_limit")
    if not 400 <= status < 500 or status in _UNKNOWN_STATUSES or code in _ASK_AGAIN_CODES:
        return GatewayOutcomeUnknown(f"HTTP {status} {code}".rstrip(), code=code or f"http_{status}")
    return StripeRefusal(error)


def _our_code(error: Words) -> str:
    if error.get("type") == "card_error":
        return words.failure_code(code=_short(error, "code"), decline_code=_short(error, "decline_code"))
    if error.get("param") == "currency":
        return "currency_not_supported"
    return words.failure_code(code=_short(error, "code"), otherwise="gateway_rejected")


def _short(error: Words, name: str) -> str:
    try:
        return text(error, name)
    except NotUnderstood:
        return ""
