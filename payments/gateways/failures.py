"""Why a payment failed, in our codes, and what may be done about it. Plain Python.

Adapters map their provider's words to these codes; routing and dunning read the advice; the words for the payer are in
:mod:`payments.orders.failure_texts`.
"""

from dataclasses import dataclass
from enum import StrEnum


class Advice(StrEnum):
    RETRY_SAME = "retry_same"
    """The same account may say yes later."""
    RETRY_ELSEWHERE = "retry_elsewhere"
    """Nothing was taken and another account may say yes now."""
    ASK_PAYER = "ask_payer"
    """Only the payer can help: another card, more money, a confirmation."""
    STOP = "stop"
    """Must not be tried again."""


class FailureKind(StrEnum):
    """Whose doing it is; routing's health counts technical and issuer failures apart, and the payer's not at all."""

    TECHNICAL = "technical"
    ISSUER = "issuer"
    PAYER = "payer"
    FRAUD = "fraud"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    advice: Advice
    kind: FailureKind


_RULES = (
    Failure("declined", Advice.ASK_PAYER, FailureKind.ISSUER),
    Failure("card_declined", Advice.ASK_PAYER, FailureKind.ISSUER),
    Failure("insufficient_funds", Advice.ASK_PAYER, FailureKind.PAYER),
    Failure("expired_card", Advice.ASK_PAYER, FailureKind.PAYER),
    Failure("invalid_details", Advice.ASK_PAYER, FailureKind.PAYER),
    Failure("limit_exceeded", Advice.ASK_PAYER, FailureKind.PAYER),
    Failure("account_closed", Advice.ASK_PAYER, FailureKind.PAYER),
    Failure("payer_declined", Advice.ASK_PAYER, FailureKind.PAYER),
    Failure("payer_timeout", Advice.ASK_PAYER, FailureKind.PAYER),
    Failure("authentication_failed", Advice.ASK_PAYER, FailureKind.PAYER),
    Failure("authentication_required", Advice.ASK_PAYER, FailureKind.PAYER),
    Failure("mandate_ended", Advice.ASK_PAYER, FailureKind.PAYER),
    Failure("lost_or_stolen", Advice.STOP, FailureKind.FRAUD),
    Failure("suspected_fraud", Advice.STOP, FailureKind.FRAUD),
    Failure("closed", Advice.STOP, FailureKind.REQUEST),
    Failure("gateway_rejected", Advice.STOP, FailureKind.REQUEST),
    Failure("outside_hours", Advice.RETRY_SAME, FailureKind.REQUEST),
    Failure("try_again_later", Advice.RETRY_SAME, FailureKind.TECHNICAL),
    Failure("method_not_supported", Advice.RETRY_ELSEWHERE, FailureKind.REQUEST),
    Failure("currency_not_supported", Advice.RETRY_ELSEWHERE, FailureKind.REQUEST),
    Failure("amount_not_supported", Advice.RETRY_ELSEWHERE, FailureKind.REQUEST),
    Failure("gateway_limit", Advice.RETRY_ELSEWHERE, FailureKind.TECHNICAL),
    Failure("account_misconfigured", Advice.RETRY_ELSEWHERE, FailureKind.TECHNICAL),
    Failure("gateway_unavailable", Advice.RETRY_ELSEWHERE, FailureKind.TECHNICAL),
    Failure("processing_error", Advice.RETRY_ELSEWHERE, FailureKind.TECHNICAL),
    Failure("issuer_unavailable", Advice.RETRY_ELSEWHERE, FailureKind.TECHNICAL),
)
FAILURES = {rule.code: rule for rule in _RULES}


def failure_of(code: str) -> Failure:
    """Of one of our codes; an unknown one is a plain decline."""
    return FAILURES.get(code) or FAILURES["declined"]
