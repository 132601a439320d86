"""Speaks the sandbox provider's API. Its words stop here."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

from payments.gateways.contract import (
    AccountField,
    ActionKind,
    DisputeNotice,
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
    SavedMethod,
    SavedToken,
    SaveRequest,
    SaveResult,
    WebhookIdentity,
    WebhookNotice,
    WebhookRefused,
)
from payments.gateways.sandbox.disputes import Disputing, dispute_notice
from payments.gateways.sandbox.reading import NotUnderstood, error_of, moment, number, read_json, text
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
_SAVE_OUTCOMES = {
    "WAITING": Outcome.REQUIRES_ACTION,
    "KEPT": Outcome.SUCCEEDED,
    "DECLINED": Outcome.FAILED,
    "GONE": Outcome.CANCELED,
}
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
    "NOT_PRESENT": "authentication_required",
    "NOT_KEPT": "mandate_ended",
}
UNLISTED_FAILURE = "declined"
MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_STATEMENT_BYTES = 32 * 1024 * 1024

Result = TypeVar("Result", PaymentResult, RefundResult, SaveResult)


class SandboxGateway(Disputing, Gateway):
    """Credentials: ``secret``, and ``secret_previous`` while it is being changed. Implements CaptureCapable,
    CloseCapable, VaultCapable, DisputeCapable, StatementSource and StatementSoFarSource."""

    name: ClassVar[str] = "sandbox"
    methods: ClassVar[tuple[str, ...]] = tuple(_METHODS)
    account_fields: ClassVar[tuple[AccountField, ...]] = (AccountField("secret", can_overlap=True),)
    challengeable_methods: ClassVar[frozenset[str]] = frozenset({"card"})
    saveable_methods: ClassVar[frozenset[str]] = frozenset({"card", "sandbox_redirect"})

    def __init__(self, configuration: GatewayConfiguration, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(configuration)
        self._clock = clock
        self._secrets = list(configuration.secrets_in_use("secret"))

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
            "token": request.options.get("test_token") or request.options.get("token"),
            "who": request.payer_reference,
            "keep": request.saves_method,
            "kept": request.saved.token if request.saved else None,
            "absent": request.is_off_session,
        }
        return self._payment(self._ask("POST", "/v1/payments", words), reference=request.reference)

    def fetch_payment(self, reference: str, *, gateway_reference: str = "", method: str = "") -> PaymentResult:
        answer = self._ask("GET", f"/v1/payments/{quote(reference, safe='')}", missing_is_none=True)
        if answer is None:
            return PaymentResult(reference=reference, outcome=Outcome.NOT_FOUND)
        return self._payment(answer, reference=reference)

    def capture_payment(
        self,
        reference: str,
        *,
        capture_reference: str,
        amount_minor: int,
        currency: str,
        gateway_reference: str = "",
    ) -> PaymentResult:
        words = {"take": capture_reference, "sum": amount_minor, "coin": currency}
        return self._change(reference, "capture", words)

    def void_payment(self, reference: str, *, gateway_reference: str = "") -> PaymentResult:
        return self._change(reference, "void", {})

    def close_payment(
        self, reference: str, *, gateway_reference: str = "", method: str = "", expires_at: datetime | None = None
    ) -> PaymentResult:
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

    def fetch_refund(
        self, reference: str, *, payment_reference: str = "", payment_gateway_reference: str = ""
    ) -> RefundResult:
        answer = self._ask("GET", f"/v1/refunds/{quote(reference, safe='')}", missing_is_none=True)
        if answer is None:
            return RefundResult(reference=reference, outcome=Outcome.NOT_FOUND)
        return self._refund(answer, reference=reference)

    def save_method(self, request: SaveRequest) -> SaveResult:
        if request.method not in self.saveable_methods:
            raise GatewayRejected(f"the sandbox keeps no {request.method}", code="method_not_supported")
        words = {
            "reference": request.reference,
            "via": _METHODS[request.method],
            "who": request.payer_reference,
            "title": request.description[:300],
            "back_to": request.return_url,
            "tell": request.webhook_url,
            "script": request.options.get("sandbox"),
            "token": request.options.get("test_token") or request.options.get("token"),
        }
        return _about(_save_result, self._ask("POST", "/v1/keeps", words), request.reference)

    def fetch_saved(self, reference: str, *, gateway_reference: str = "") -> SaveResult:
        answer = self._ask("GET", f"/v1/keeps/{quote(reference, safe='')}", missing_is_none=True)
        if answer is None:
            return SaveResult(reference=reference, outcome=Outcome.NOT_FOUND)
        return _about(_save_result, answer, reference)

    def forget_method(self, saved: SavedToken, *, method: str) -> None:
        self._ask("POST", "/v1/keeps/forget", {"kept": saved.token})

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
        return WebhookIdentity(event_id=notice["notice"], event_type=notice["kind"], occurred_at=moment(notice["at"]))

    def translate_webhook(self, body: bytes) -> list[WebhookNotice]:
        """Call after :meth:`verify_webhook`. A kind of notice that is not listed says nothing about money."""
        notice = _read_notice(body)
        translate = _NOTICES.get(notice["kind"])
        if translate is None:
            return []
        try:
            result = translate(notice.get("subject"))
        except NotUnderstood as problem:
            raise WebhookRefused(f"the callback is malformed: {problem}", code="malformed") from None
        if not isinstance(result, DisputeNotice) and not result.reference:
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
        answer = read_json(response.body)
        if missing_is_none and response.status == 404 and error_of(answer) == "no_such_reference":
            return None
        self._refuse_failure(response)
        return answer

    def _upload(self, path: str, body: bytes, *, content_type: str) -> None:
        self._refuse_failure(self._exchange("PUT", path, body, content_type=content_type))

    def _send(
        self,
        method: str,
        path: str,
        words: Mapping[str, Any] | None = None,
        *,
        max_response_bytes: int = MAX_ANSWER_BYTES,
    ) -> HttpResponse:
        body = b"" if words is None else json.dumps(words).encode()
        return self._exchange(method, path, body, max_response_bytes=max_response_bytes)

    def _exchange(
        self,
        method: str,
        path: str,
        body: bytes,
        *,
        content_type: str = "application/json",
        max_response_bytes: int = MAX_ANSWER_BYTES,
    ) -> HttpResponse:
        """An answer that cannot be shown to be the sandbox's own tells nothing: the outcome is unknown."""
        response = self.configuration.transport(
            HttpRequest(
                method=method,
                url=self.configuration.base_url.rstrip("/") + path,
                headers={"Authorization": f"Bearer {self._secrets[0]}", "Content-Type": content_type},
                body=body,
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
        error = error_of(read_json(response.body))
        if response.status == 503 and error == "try_elsewhere":
            raise GatewayUnavailable("the sandbox did nothing", code=error)
        if 400 <= response.status < 500:
            raise GatewayRejected("the sandbox refuses the request", code=error or f"http_{response.status}")
        raise GatewayOutcomeUnknown(f"HTTP {response.status}", code=f"http_{response.status}")


def _about(translate: Callable[[Any], Result], answer: Any, reference: str) -> Result:
    """An answer about something else than what was asked is no answer."""
    try:
        result = translate(answer)
    except NotUnderstood as problem:
        raise GatewayOutcomeUnknown(f"the answer is malformed: {problem}", code="malformed") from None
    if result.reference != reference:
        raise GatewayOutcomeUnknown("the answer is about another reference", code="wrong_reference")
    return result


def _payment_result(words: Any) -> PaymentResult:
    outcome = _PAYMENT_OUTCOMES.get(text(words, "state"), Outcome.PENDING)
    if outcome is Outcome.SUCCEEDED and number(words, "held"):
        outcome = Outcome.AUTHORIZED  # a part was taken, the rest can still be
    return PaymentResult(
        reference=text(words, "reference"),
        outcome=outcome,
        gateway_reference=text(words, "txn"),
        amount_minor=number(words, "sum"),
        currency=text(words, "coin") or None,
        captured_minor=number(words, "taken"),
        fee_minor=number(words, "fee"),
        action=_action(words) if outcome is Outcome.REQUIRES_ACTION else None,
        occurred_at=moment(number(words, "at")),
        saved=_saved(words.get("kept")) if isinstance(words, dict) else None,
        **_failure(words, outcome),
    )


def _save_result(words: Any) -> SaveResult:
    outcome = _SAVE_OUTCOMES.get(text(words, "state"), Outcome.PENDING)
    saved = _saved(words.get("kept")) if outcome is Outcome.SUCCEEDED else None
    if outcome is Outcome.SUCCEEDED and saved is None:
        raise NotUnderstood("kept")
    return SaveResult(
        reference=text(words, "reference"),
        outcome=outcome,
        saved=saved,
        action=_action(words) if outcome is Outcome.REQUIRES_ACTION else None,
        occurred_at=moment(number(words, "at")),
        **_failure(words, outcome),
    )


def _saved(words: Any) -> SavedMethod | None:
    token = text(words, "token")
    if not token:
        return None
    return SavedMethod(
        token=token,
        customer_reference=text(words, "person"),
        brand=text(words, "make"),
        last4=text(words, "ends_in"),
        expiry_month=number(words, "month"),
        expiry_year=number(words, "year"),
        fingerprint=text(words, "same"),
    )


def _refund_result(words: Any) -> RefundResult:
    outcome = _REFUND_OUTCOMES.get(text(words, "state"), Outcome.PENDING)
    return RefundResult(
        reference=text(words, "reference"),
        outcome=outcome,
        gateway_reference=text(words, "give_back"),
        payment_reference=text(words, "of"),
        amount_minor=number(words, "sum"),
        currency=text(words, "coin") or None,
        occurred_at=moment(number(words, "at")),
        **_failure(words, outcome),
    )


_NOTICES: dict[str, Callable[[Any], WebhookNotice]] = {
    "dispute.changed": dispute_notice,
    "keep.changed": _save_result,
    "txn.changed": _payment_result,
    "give_back.changed": _refund_result,
}


def _failure(words: Any, outcome: Outcome) -> dict[str, str]:
    why = text(words, "why")
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
        return NextAction(kind=ActionKind.QR_CODE, qr_text=text(go, "text"), expires_at=expires_at)
    return NextAction(kind=ActionKind.REDIRECT, url=text(go, "url"), expires_at=expires_at)


def _read_notice(body: bytes) -> dict[str, Any]:
    notice = read_json(body)
    if not isinstance(notice, dict) or not all(isinstance(notice.get(name), str) for name in ("notice", "kind")):
        raise WebhookRefused("the callback is not a notice", code="malformed")
    if type(notice.get("at")) is not int:
        raise WebhookRefused("the callback has no time", code="malformed")
    return notice
