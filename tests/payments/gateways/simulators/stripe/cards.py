"""Stripe's test payment methods (docs.stripe.com/testing): what a bank says to each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    last4: str = "4242"
    brand: str = "visa"
    code: str = ""
    decline_code: str = ""
    needs_proof: bool = False


CARDS = {
    "pm_card_visa": Card(),
    "pm_card_mastercard": Card(last4="4444", brand="mastercard"),
    "pm_card_chargeDeclined": Card(last4="0002", code="card_declined", decline_code="generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": Card(
        last4="9995", code="card_declined", decline_code="insufficient_funds"
    ),
    "pm_card_chargeDeclinedLostCard": Card(last4="9987", code="card_declined", decline_code="lost_card"),
    "pm_card_chargeDeclinedFraudulent": Card(last4="0019", code="card_declined", decline_code="fraudulent"),
    "pm_card_chargeDeclinedExpiredCard": Card(last4="0069", code="expired_card", decline_code="expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": Card(last4="0127", code="incorrect_cvc", decline_code="incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": Card(
        last4="0119", code="processing_error", decline_code="processing_error"
    ),
    "pm_card_authenticationRequired": Card(last4="3184", needs_proof=True),
}
