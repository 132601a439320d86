"""The hands that move a gateway's counterpart in the contract tests, and the words those tests share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, cast

import pytest

from payments.gateways.contract import (
    CaptureCapable,
    CloseCapable,
    Gateway,
    PaymentRequest,
    PaymentResult,
    RefundRequest,
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
    """The hands that move one gateway's counterpart. ``currency`` and the two methods are what it supports;
    an empty ``action_method`` means that no method of it asks the payer for anything."""

    gateway: Gateway
    currency: str = "USD"
    immediate_method: str = "card"
    action_method: str = ""

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
        method=harness.immediate_method,
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
    return harness.gateway.create_payment(a_payment(harness))


def hold(harness: GatewayHarness) -> PaymentResult:
    return harness.gateway.create_payment(a_payment(harness, capture=False))


def take(gateway: CaptureCapable, harness: GatewayHarness, *, amount_minor: int) -> PaymentResult:
    return gateway.capture_payment(
        "pay_1", capture_reference="cap_1", amount_minor=amount_minor, currency=harness.currency
    )


def capture_capable(harness: GatewayHarness) -> CaptureCapable:
    if not isinstance(harness.gateway, CaptureCapable):
        pytest.skip("this gateway cannot hold")
    return cast("CaptureCapable", harness.gateway)


def close_capable(harness: GatewayHarness) -> CloseCapable:
    if not isinstance(harness.gateway, CloseCapable):
        pytest.skip("this gateway cannot close")
    return cast("CloseCapable", harness.gateway)
