"""The hands that move a gateway's counterpart in the contract tests, and the words those tests share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar, cast

import pytest

from payments.gateways.abilities import CaptureCapable, CloseCapable
from payments.gateways.contract import (
    Gateway,
    Outcome,
    PaymentRequest,
    PaymentResult,
    RefundRequest,
    RefundResult,
    WebhookNotice,
)


class Trouble(StrEnum):
    """What can go wrong with the next call that creates something."""

    TIMEOUT_BEFORE_EFFECT = "timeout_before_effect"
    TIMEOUT_AFTER_EFFECT = "timeout_after_effect"
    ERROR_5XX_BEFORE_EFFECT = "error_5xx_before_effect"
    ERROR_5XX_AFTER_EFFECT = "error_5xx_after_effect"
    TORN_ANSWER = "torn_answer"
    CONNECTION_REFUSED = "connection_refused"


EFFECTIVE_TROUBLES = (Trouble.TIMEOUT_AFTER_EFFECT, Trouble.ERROR_5XX_AFTER_EFFECT, Trouble.TORN_ANSWER)
EFFECTLESS_TROUBLES = (Trouble.TIMEOUT_BEFORE_EFFECT, Trouble.ERROR_5XX_BEFORE_EFFECT)


@dataclass(frozen=True)
class SignedCallback:
    headers: dict[str, str]
    body: bytes


class GatewayHarness(ABC):
    """The hands that move one gateway's counterpart. What a provider cannot do is said by the flags, each with its
    reason in the gateway's test file; a flag never hides what the adapter could do.

    Tests pay by :meth:`pay`: with a method that asks the payer, the payer approves. An empty ``action_method`` means
    that no method of it asks the payer for anything; an empty ``immediate_method``, that every one does.
    """

    gateway: Gateway
    currency: str = "USD"
    immediate_method: str = "card"
    action_method: str = ""

    can_decline: ClassVar[bool] = True
    """Some method can be refused for good."""
    is_safe_to_repeat_changed: ClassVar[bool] = True
    """The provider refuses our number with another amount."""
    captures_in_parts: ClassVar[bool] = True
    """After a part was taken the rest is still held."""
    voids_what_is_void: ClassVar[bool] = True
    """Voiding twice answers CANCELED twice."""
    closes_what_never_arrived: ClassVar[bool] = True
    """The provider itself refuses a number for ever that was closed before it arrived."""
    repeats_notices_for_long: ClassVar[bool] = False
    """The provider sends the same signature again much later, so age alone is no ground to refuse."""
    payment_notices_are_whole: ClassVar[bool] = True
    """A callback says all that a query says; else it names the payment and its outcome."""

    @property
    def method(self) -> str:
        return self.immediate_method or self.action_method

    @property
    def told(self) -> dict[str, str]:
        """The provider's reference by ours, as the core would have stored it."""
        known: dict[str, str] = self.__dict__.setdefault("_told", {})
        return known

    def dress(self, request: PaymentRequest) -> PaymentRequest:
        """What this provider needs besides (a token, an openid)."""
        return request

    def create(self, request: PaymentRequest) -> PaymentResult:
        result = self.gateway.create_payment(self.dress(request))
        if result.gateway_reference:
            self.told[request.reference] = result.gateway_reference
        return result

    def fetch(self, reference: str = "pay_1") -> PaymentResult:
        result = self.gateway.fetch_payment(
            reference, gateway_reference=self.told.get(reference, ""), method=self.method
        )
        if result.gateway_reference:
            self.told[reference] = result.gateway_reference
        return result

    def settle(self, result: PaymentResult) -> PaymentResult:
        """What becomes of it once the payer did what was asked."""
        if result.outcome is not Outcome.REQUIRES_ACTION:
            return result
        self.approve(result.reference)
        return self.fetch(result.reference)

    def pay(self, request: PaymentRequest) -> PaymentResult:
        return self.settle(self.create(request))

    def recover(self, request: PaymentRequest) -> PaymentResult:
        """What the core does about a lost answer: ask, and where asking cannot find it, send the same again."""
        result = self.fetch(request.reference)
        if result.outcome is Outcome.NOT_FOUND and self.gateway.resolves_by_repeating:
            return self.create(request)
        return result

    def refund(self, request: RefundRequest) -> RefundResult:
        result = self.gateway.create_refund(request)
        if result.outcome is not Outcome.PENDING:
            return result
        self.finish_refund(request.reference)
        return self.fetch_refund(request.reference)

    def fetch_refund(self, reference: str = "ref_1", *, payment_reference: str = "pay_1") -> RefundResult:
        return self.gateway.fetch_refund(
            reference,
            payment_reference=payment_reference,
            payment_gateway_reference=self.told.get(payment_reference, ""),
        )

    def close(self, reference: str = "pay_1") -> PaymentResult:
        return close_capable(self).close_payment(
            reference, gateway_reference=self.told.get(reference, ""), method=self.action_method or self.method
        )

    def void(self, reference: str = "pay_1") -> PaymentResult:
        return capture_capable(self).void_payment(reference, gateway_reference=self.told.get(reference, ""))

    def take(self, *, amount_minor: int, reference: str = "cap_1") -> PaymentResult:
        return capture_capable(self).capture_payment(
            "pay_1",
            capture_reference=reference,
            amount_minor=amount_minor,
            currency=self.currency,
            gateway_reference=self.told.get("pay_1", ""),
        )

    def notices(self) -> list[WebhookNotice]:
        """What the callbacks sent since the last call say, each verified."""
        found: list[WebhookNotice] = []
        for callback in self.callbacks():
            assert self.gateway.verify_webhook(callback.headers, callback.body).event_id
            found += self.gateway.translate_webhook(callback.body)
        return found

    def changed(self, body: bytes) -> bytes:
        """The same callback with another amount, or at least another letter."""
        return body.replace(b"1234", b"1235")

    def unsigned(self, body: bytes) -> bytes:
        """The same without its signature, where that is part of the body."""
        return body

    def finish_refund(self, reference: str) -> None:  # noqa: B027 most providers are done at once
        """The provider brings a refund under way to its end."""

    @abstractmethod
    def approve(self, reference: str) -> None:
        """The payer does what was asked."""

    @abstractmethod
    def payments_made(self) -> int:
        """How many payments the counterpart holds."""

    @abstractmethod
    def refunds_made(self) -> int: ...

    @abstractmethod
    def trouble_next_payment(self, reference: str, trouble: Trouble) -> None: ...

    @abstractmethod
    def trouble_next_refund(self, reference: str, trouble: Trouble) -> None: ...

    @abstractmethod
    def decline_next_payment(self, reference: str) -> None: ...

    @abstractmethod
    def answer_unlisted_state(self, reference: str) -> None:
        """From its creation on, the counterpart says a state for this payment that the adapter does not list."""

    @abstractmethod
    def callbacks(self) -> list[SignedCallback]:
        """What the counterpart sent since the last call."""

    @abstractmethod
    def sign(self, body: bytes, *, age_seconds: int = 0, secret: str | None = None) -> SignedCallback:
        """A callback with a signature that old (negative: from the future), by the right secret or by another."""


def a_payment(harness: GatewayHarness, **changes: Any) -> PaymentRequest:
    request = PaymentRequest(
        reference="pay_1",
        amount_minor=1234,
        currency=harness.currency,
        method=harness.method,
        description="Premium, one month",
        order_reference="ord_1",
        return_url="http://127.0.0.1:8000/pay/cs_1",
        webhook_url="http://127.0.0.1:8000/webhooks/ga_1",
    )
    return replace(request, **changes)


def needs_action(harness: GatewayHarness) -> PaymentRequest:
    if not harness.action_method:
        pytest.skip("no method of this gateway asks the payer for anything")
    return a_payment(harness, method=harness.action_method)


def a_refund(harness: GatewayHarness, payment: PaymentResult, *, amount_minor: int) -> RefundRequest:
    return RefundRequest(
        reference="ref_1",
        payment_reference=payment.reference,
        payment_gateway_reference=payment.gateway_reference,
        amount_minor=amount_minor,
        currency=harness.currency,
        reason="changed my mind",
        payment_amount_minor=payment.amount_minor,
        webhook_url="http://127.0.0.1:8000/webhooks/ga_1",
    )


def paid(harness: GatewayHarness) -> PaymentResult:
    return harness.pay(a_payment(harness))


def hold(harness: GatewayHarness) -> PaymentResult:
    capture_capable(harness)
    return harness.pay(a_payment(harness, capture=False))


def capture_capable(harness: GatewayHarness) -> CaptureCapable:
    if not isinstance(harness.gateway, CaptureCapable):
        pytest.skip("this gateway cannot hold")
    return cast("CaptureCapable", harness.gateway)


def close_capable(harness: GatewayHarness) -> CloseCapable:
    if not isinstance(harness.gateway, CloseCapable):
        pytest.skip("this gateway cannot close")
    return cast("CloseCapable", harness.gateway)


def require(flag: bool, reason: str) -> None:
    if not flag:
        pytest.skip(reason)
