"""Speaks the sandbox provider's API. Its words stop here."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

from payments.gateways.contract import (
    ActionKind,
    Gateway,
    GatewayConfiguration,
    GatewayOutcomeUnknown,
    GatewayRejected,
    GatewayUnavailable,
    HttpRequest,
    HttpResponse,
    NextAction,
    Outcome,
    PaymentRequest,
    PaymentResult,
    RefundRequest,
    RefundResult,
    WebhookIdentity,
    WebhookNotice,
    WebhookRefused,
)
from payments.gateways.sandbox.signature import HEADER, SignatureRefused, check_signature

_PAYMENT_OUTCOMES = {
    "WAITING": Outcome.REQUIRES_ACTION,
    "WORKING": Outcome.PENDING,
    "HELD": Outcome.AUTHORIZED,
    "PAID": Outcome.SUCCEEDED,
    "DECLINED": Outcome.FAILED,
    "SHUT": Outcome.CANCELED,
}
_REFUND_OUTCOMES = {"WORKING": Outcome.PENDING, "GIVEN": Outcome.SUCCEEDED, "DECLINED": Outcome.FAILED}
_METHODS = {"card": "card", "sandbox_redirect": "redirect", "sandbox_qr": "qr"}
_FAILURE_CODES = {
    "REFUSED": "card_declined",
    "NO_FUNDS": "insufficient_funds",
    "OUT_OF_DATE": "expired_card",
    "STOPPED": "lost_or_stolen",
    "OVER_LIMIT": "limit_exceeded",
    "NOT_PROVEN": "authentication_failed",
    "SUSPECT": "suspected_fraud",
    "ACCOUNT_GONE": "account_closed",
    "PAYER_SAID_NO": "payer_declined",
}
UNLISTED_FAILURE = "declined"
MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_STATEMENT_BYTES = 32 * 1024 * 1024

Result = TypeVar("Result", PaymentResult, RefundResult)


class SandboxGateway(Gateway):
    """Credentials: ``secret``, and ``previous_secret`` while it is being changed. Implements CaptureCapable,
    CloseCapable, StatementSource and StatementSoFarSource."""

    name: ClassVar[str] = "sandbox"
    methods: ClassVar[tuple[str, ...]] = tuple(_METHODS)
    challengeable_methods: ClassVar[frozenset[str]] = frozenset({"card"})

    def __init__(self, configuration: GatewayConfiguration, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(configuration)
        self._clock = clock
        credentials = configuration.credentials
        self._secrets = [credentials["secret"], credentials.get("previous_secret", "")]

    def create_payment(self, request: PaymentRequest) -> PaymentResult:
        via = _METHODS.get(request.method)
        if via is None:
            raise GatewayRejected(f"the sandbox has no method {request.method}", code="method_not_supported")
        words = {
            "reference": request.reference,
            "sum": request.amount_minor,
            "coin": request.currency,
            "via": via,
            "title": request.description[:300],
            "shop_order": request.order_reference,
            "take_now": request.capture,
            "back_to": request.return_url,
            "tell": request.webhook_url,
            "good_until": request.expires_at.timestamp() if request.expires_at else None,
            "prove": request.must_prove,
            "script": request.options.get("sandbox"),
            "token": request.options.get("token"),
        }
        return self._payment(self._ask("POST", "/v1/payments", words), reference=request.reference)

    def fetch_payment(self, reference: str) -> PaymentResult:
        answer = self._ask("GET", f"/v1/payments/{quote(reference, safe='')}", missing_is_none=True)
        if answer is None:
            return PaymentResult(reference=reference, outcome=Outcome.NOT_FOUND)
        return self._payment(answer, reference=reference)

    def capture_payment(
        self, reference: str, *, capture_reference: str, amount_minor: int, currency: str
    ) -> PaymentResult:
        words = {"take": capture_reference, "sum": amount_minor, "coin": currency}
        return self._change(reference, "capture", words)

    def void_payment(self, reference: str) -> PaymentResult:
        return self._change(reference, "void", {})

    def close_payment(self, reference: str) -> PaymentResult:
        return self._change(reference, "close", {})

    def create_refund(self, request: RefundRequest) -> RefundResult:
        words = {
            "reference": request.reference,
            "of": request.payment_reference,
            "sum": request.amount_minor,
            "coin": request.currency,
            "note": request.reason[:300],
            "tell": request.webhook_url,
        }
        return self._refund(self._ask("POST", "/v1/refunds", words), reference=request.reference)

    def fetch_refund(self, reference: str) -> RefundResult:
        answer = self._ask("GET", f"/v1/refunds/{quote(reference, safe='')}", missing_is_none=True)
        if answer is None:
            return RefundResult(reference=reference, outcome=Outcome.NOT_FOUND)
        return self._refund(answer, reference=reference)

    def fetch_statement(self, day: date) -> bytes | None:
        """CSV, read by header name. A day of the sandbox is UTC and its statement is ready when it is over."""
        return self._statement(f"/v1/statements/{day.isoformat()}")

    def fetch_statement_so_far(self, day: date) -> bytes | None:
        """The same of a day that is not over."""
        return self._statement(f"/v1/statements/{day.isoformat()}?so_far=1")

    def _statement(self, path: str) -> bytes | None:
        response = self._send("GET", path, max_response_bytes=MAX_STATEMENT_BYTES)
        if response.status == 404:
            return None
        self._refuse_failure(response)
        return response.body

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookIdentity:
        try:
            check_signature(headers.get(HEADER.lower(), ""), body, secrets=self._secrets, now=self._clock())
        except SignatureRefused as refused:
            raise WebhookRefused("the callback's signature is refused", code=refused.code) from None
        notice = _read_notice(body)
        return WebhookIdentity(event_id=notice["notice"], event_type=notice["kind"], occurred_at=_time(notice["at"]))

    def translate_webhook(self, body: bytes) -> list[WebhookNotice]:
        """Call after :meth:`verify_webhook`. A kind of notice that is not listed says nothing about money."""
        notice = _read_notice(body)
        translate = _NOTICES.get(notice["kind"])
        if translate is None:
            return []
        try:
            result = translate(notice.get("subject"))
        except _NotUnderstood as problem:
            raise WebhookRefused(f"the callback is malformed: {problem}", code="malformed") from None
        if not result.reference:
            raise WebhookRefused("the callback names no payment or refund", code="malformed")
        return [result]

    def _change(self, reference: str, verb: str, words: Mapping[str, Any]) -> PaymentResult:
        answer = self._ask("POST", f"/v1/payments/{quote(reference, safe='')}/{verb}", words)
        return self._payment(answer, reference=reference)

    def _payment(self, answer: Any, *, reference: str) -> PaymentResult:
        return _about(_payment_result, answer, reference)

    def _refund(self, answer: Any, *, reference: str) -> RefundResult:
        return _about(_refund_result, answer, reference)

    def _ask(
        self, method: str, path: str, words: Mapping[str, Any] | None = None, *, missing_is_none: bool = False
    ) -> Any:
        response = self._send(method, path, words)
        answer = _json(response.body)
        if missing_is_none and response.status == 404 and _error(answer) == "no_such_reference":
            return None
        self._refuse_failure(response)
        return answer

    def _send(
        self,
        method: str,
        path: str,
        words: Mapping[str, Any] | None = None,
        *,
        max_response_bytes: int = MAX_ANSWER_BYTES,
    ) -> HttpResponse:
        """An answer that cannot be shown to be the sandbox's own tells nothing: the outcome is unknown."""
        response = self.configuration.transport(
            HttpRequest(
                method=method,
                url=self.configuration.base_url.rstrip("/") + path,
                headers={"Authorization": f"Bearer {self._secrets[0]}", "Content-Type": "application/json"},
                body=b"" if words is None else json.dumps(words).encode(),
                max_response_bytes=max_response_bytes,
            )
        )
        header = next((value for name, value in response.headers.items() if name.lower() == HEADER.lower()), "")
        try:
            check_signature(header, response.body, secrets=self._secrets, now=self._clock())
        except SignatureRefused as refused:
            raise GatewayOutcomeUnknown(f"HTTP {response.status} without a good signature", code=refused.code) from None
        return response

    def _refuse_failure(self, response: HttpResponse) -> None:
        if response.status == 200:
            return
        error = _error(_json(response.body))
        if response.status == 503 and error == "try_elsewhere":
            raise GatewayUnavailable("the sandbox did nothing", code=error)
        if 400 <= response.status < 500:
            raise GatewayRejected("the sandbox refuses the request", code=error or f"http_{response.status}")
        raise GatewayOutcomeUnknown(f"HTTP {response.status}", code=f"http_{response.status}")


class _NotUnderstood(ValueError):
    """A field is missing or of another type than agreed."""


def _about(translate: Callable[[Any], Result], answer: Any, reference: str) -> Result:
    """An answer about something else than what was asked is no answer."""
    try:
        result = translate(answer)
    except _NotUnderstood as problem:
        raise GatewayOutcomeUnknown(f"the answer is malformed: {problem}", code="malformed") from None
    if result.reference != reference:
        raise GatewayOutcomeUnknown("the answer is about another reference", code="wrong_reference")
    return result


def _payment_result(words: Any) -> PaymentResult:
    outcome = _PAYMENT_OUTCOMES.get(_text(words, "state"), Outcome.PENDING)
    if outcome is Outcome.SUCCEEDED and _number(words, "held"):
        outcome = Outcome.AUTHORIZED  # a part was taken, the rest can still be
    return PaymentResult(
        reference=_text(words, "reference"),
        outcome=outcome,
        gateway_reference=_text(words, "txn"),
        amount_minor=_number(words, "sum"),
        currency=_text(words, "coin") or None,
        captured_minor=_number(words, "taken"),
        fee_minor=_number(words, "fee"),
        action=_action(words) if outcome is Outcome.REQUIRES_ACTION else None,
        occurred_at=_time(_number(words, "at")),
        **_failure(words, outcome),
    )


def _refund_result(words: Any) -> RefundResult:
    outcome = _REFUND_OUTCOMES.get(_text(words, "state"), Outcome.PENDING)
    return RefundResult(
        reference=_text(words, "reference"),
        outcome=outcome,
        gateway_reference=_text(words, "give_back"),
        payment_reference=_text(words, "of"),
        amount_minor=_number(words, "sum"),
        currency=_text(words, "coin") or None,
        occurred_at=_time(_number(words, "at")),
        **_failure(words, outcome),
    )


_NOTICES: dict[str, Callable[[Any], PaymentResult | RefundResult]] = {
    "txn.changed": _payment_result,
    "give_back.changed": _refund_result,
}


def _failure(words: Any, outcome: Outcome) -> dict[str, str]:
    why = _text(words, "why")
    if outcome is not Outcome.FAILED:
        return {}
    return {"failure_code": _FAILURE_CODES.get(why, UNLISTED_FAILURE), "failure_message": why}


def _action(words: Any) -> NextAction | None:
    go = words.get("go")
    if not isinstance(go, dict):
        return None
    good_until = words.get("good_until")
    expires_at = datetime.fromtimestamp(good_until, UTC) if isinstance(good_until, int | float) else None
    if go.get("kind") == "square":
        return NextAction(kind=ActionKind.QR_CODE, qr_text=_text(go, "text"), expires_at=expires_at)
    return NextAction(kind=ActionKind.REDIRECT, url=_text(go, "url"), expires_at=expires_at)


def _read_notice(body: bytes) -> dict[str, Any]:
    notice = _json(body)
    if not isinstance(notice, dict) or not all(isinstance(notice.get(name), str) for name in ("notice", "kind")):
        raise WebhookRefused("the callback is not a notice", code="malformed")
    if type(notice.get("at")) is not int:
        raise WebhookRefused("the callback has no time", code="malformed")
    return notice


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _error(answer: Any) -> str:
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, str) else ""


def _text(words: Any, name: str) -> str:
    value = words.get(name) if isinstance(words, dict) else None
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _NotUnderstood(name)
    return value


def _number(words: Any, name: str) -> int | None:
    value = words.get(name) if isinstance(words, dict) else None
    if value is not None and type(value) is not int:
        raise _NotUnderstood(name)
    return value


def _time(unix_milliseconds: int | None) -> datetime | None:
    if unix_milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(unix_milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
