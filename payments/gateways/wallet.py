"""The users' stored value as a gateway: the same contract, a provider in this process. Its words stop here."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, ClassVar, NoReturn
from urllib.parse import quote

from payments.gateways.contract import (
    AccountField,
    Gateway,
    GatewayOutcomeUnknown,
    GatewayRejected,
    HttpRequest,
    Outcome,
    PaymentRequest,
    PaymentResult,
    RefundRequest,
    RefundResult,
    WebhookIdentity,
    WebhookNotice,
    WebhookRefused,
)

_OUTCOMES = {
    "paid": Outcome.SUCCEEDED,
    "held": Outcome.AUTHORIZED,
    "refused": Outcome.FAILED,
    "void": Outcome.CANCELED,
}
_REFUND_OUTCOMES = {"given_back": Outcome.SUCCEEDED}
_FAILURE_CODES = {
    "too_little": "insufficient_funds",
    "frozen": "account_closed",
    "top_up": "method_not_supported",
    "payer_unknown": "method_not_supported",
    "unknown_currency": "currency_not_supported",
    "not_possible_now": "closed",
}
UNLISTED_FAILURE = "declined"
UNLISTED_REJECTION = "gateway_rejected"


class WalletGateway(Gateway):
    """No credentials: it lives in this process and sends no callbacks. Implements CaptureCapable, CloseCapable and
    ProbeCapable. ``payer_reference`` says whose wallet pays."""

    name: ClassVar[str] = "wallet"
    methods: ClassVar[tuple[str, ...]] = ("wallet",)
    addresses: ClassVar[tuple[str, ...]] = ("inprocess://wallet",)
    account_fields: ClassVar[tuple[AccountField, ...]] = ()

    def create_payment(self, request: PaymentRequest) -> PaymentResult:
        if request.method not in self.methods:
            raise GatewayRejected(f"the wallet has no method {request.method}", code="method_not_supported")
        if not request.payer_reference:
            raise GatewayRejected("nobody is known whose wallet could pay", code="method_not_supported")
        words = {
            "reference": request.reference,
            "payer": request.payer_reference,
            "order": request.order_reference,
            "account": self.configuration.account_id,
            "amount_minor": request.amount_minor,
            "currency": request.currency,
            "capture": request.capture,
        }
        return self._payment("POST", "/payments", words, reference=request.reference)

    def fetch_payment(self, reference: str, *, gateway_reference: str = "", method: str = "") -> PaymentResult:
        try:
            return self._payment("GET", _path(reference), reference=reference)
        except _NotThere:
            return PaymentResult(reference=reference, outcome=Outcome.NOT_FOUND)

    def capture_payment(
        self,
        reference: str,
        *,
        capture_reference: str,
        amount_minor: int,
        currency: str,
        gateway_reference: str = "",
    ) -> PaymentResult:
        words = {"capture_reference": capture_reference, "amount_minor": amount_minor, "currency": currency}
        return self._payment("POST", _path(reference, "capture"), words, reference=reference)

    def void_payment(self, reference: str, *, gateway_reference: str = "") -> PaymentResult:
        return self._payment("POST", _path(reference, "void"), {}, reference=reference)

    def close_payment(
        self,
        reference: str,
        *,
        gateway_reference: str = "",
        method: str = "",
        expires_at: datetime | None = None,
    ) -> PaymentResult:
        return self._payment("POST", _path(reference, "close"), {}, reference=reference)

    def create_refund(self, request: RefundRequest) -> RefundResult:
        words = {
            "reference": request.reference,
            "payment_reference": request.payment_reference,
            "amount_minor": request.amount_minor,
            "currency": request.currency,
        }
        return self._refund("POST", "/refunds", words, reference=request.reference)

    def fetch_refund(
        self, reference: str, *, payment_reference: str = "", payment_gateway_reference: str = ""
    ) -> RefundResult:
        try:
            return self._refund("GET", f"/refunds/{quote(reference, safe='')}", reference=reference)
        except _NotThere:
            return RefundResult(reference=reference, outcome=Outcome.NOT_FOUND)

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookIdentity:
        raise WebhookRefused("the wallet sends no callbacks", code="not_supported")

    def translate_webhook(self, body: bytes) -> list[WebhookNotice]:
        raise WebhookRefused("the wallet sends no callbacks", code="not_supported")

    def probe(self) -> str:
        with suppress(_NotThere):
            self._ask("GET", _path("pay_probe"))
        return "wallet"

    def _payment(
        self, method: str, path: str, words: Mapping[str, Any] | None = None, *, reference: str
    ) -> PaymentResult:
        answer = _about(self._ask(method, path, words), reference)
        outcome = _OUTCOMES.get(_value(answer, "state", str), Outcome.PENDING)
        if outcome is Outcome.CANCELED and _value(answer, "amount_minor", int, is_required=False) is None:
            return PaymentResult(reference, outcome, occurred_at=_time(answer))  # closed before it came
        refusal = _value(answer, "refusal", str) if outcome is Outcome.FAILED else ""
        return PaymentResult(
            reference=reference,
            outcome=outcome,
            gateway_reference=_value(answer, "operation", str),
            amount_minor=_value(answer, "amount_minor", int),
            currency=_value(answer, "currency", str),
            captured_minor=_value(answer, "taken_minor", int),
            fee_minor=0,
            failure_code=_FAILURE_CODES.get(refusal, UNLISTED_FAILURE) if refusal else "",
            failure_message=refusal,
            occurred_at=_time(answer),
        )

    def _refund(
        self, method: str, path: str, words: Mapping[str, Any] | None = None, *, reference: str
    ) -> RefundResult:
        answer = _about(self._ask(method, path, words), reference)
        return RefundResult(
            reference=reference,
            outcome=_REFUND_OUTCOMES.get(_value(answer, "state", str), Outcome.PENDING),
            gateway_reference=_value(answer, "operation", str),
            payment_reference=_value(answer, "payment_reference", str),
            amount_minor=_value(answer, "amount_minor", int),
            currency=_value(answer, "currency", str),
            occurred_at=_time(answer),
        )

    def _ask(self, method: str, path: str, words: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """An answer that is not the wallet's own JSON tells nothing: the outcome is unknown."""
        response = self.configuration.transport(
            HttpRequest(
                method=method,
                url=self.configuration.base_url.rstrip("/") + path,
                headers={"content-type": "application/json"},
                body=b"" if words is None else json.dumps(words).encode(),
            )
        )
        try:
            answer = json.loads(response.body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise GatewayOutcomeUnknown(f"HTTP {response.status} without an answer", code="malformed")
        if response.status != 200:
            _refuse(response.status, answer.get("error"))
        return answer


class _NotThere(GatewayRejected):
    """It knows nothing under this reference."""


def _refuse(status: int, error: Any) -> NoReturn:
    if status == 404 and error == "not_found":
        raise _NotThere("the wallet knows no such reference", code="not_found")
    if 400 <= status < 500 and isinstance(error, str) and error:
        raise GatewayRejected("the wallet refuses the request", code=_FAILURE_CODES.get(error, UNLISTED_REJECTION))
    raise GatewayOutcomeUnknown(f"HTTP {status}", code=f"http_{status}")


def _path(reference: str, verb: str = "") -> str:
    return f"/payments/{quote(reference, safe='')}" + (f"/{verb}" if verb else "")


def _about(answer: dict[str, Any], reference: str) -> dict[str, Any]:
    if answer.get("reference") != reference:
        raise GatewayOutcomeUnknown("the answer is about another reference", code="wrong_reference")
    return answer


def _value(answer: dict[str, Any], name: str, kind: Callable[..., Any], *, is_required: bool = True) -> Any:
    value = answer.get(name)
    if type(value) is not kind and (is_required or value is not None):
        raise GatewayOutcomeUnknown(f"the answer is malformed: {name}", code="malformed")
    return value


def _time(answer: dict[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(_value(answer, "at", str))
    except ValueError:
        raise GatewayOutcomeUnknown("the answer is malformed: at", code="malformed") from None
