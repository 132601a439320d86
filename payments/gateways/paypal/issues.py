"""What PayPal's error codes ("issues") mean for us.

https://developer.paypal.com/api/rest/reference/orders/v2/errors/ and the descriptions of Orders v2 and Payments v2.
"""

TRY_ANOTHER_SOURCE = frozenset(
    {
        "INSTRUMENT_DECLINED",
        "ORDER_NOT_APPROVED",
        "PAYER_ACTION_REQUIRED",
        "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING",
    }
)
"""A capture was refused, yet the payer can go back to PayPal's page and choose another source for the same order."""

MOVED_ON = frozenset(
    {
        "ACTION_DOES_NOT_MATCH_INTENT",
        "AUTHORIZATION_ALREADY_CAPTURED",
        "AUTHORIZATION_VOIDED",
        "ORDER_ALREADY_AUTHORIZED",
        "ORDER_ALREADY_CAPTURED",
        "ORDER_ALREADY_COMPLETED",
        "ORDER_COMPLETED_OR_VOIDED",
        "PREVIOUSLY_CAPTURED",
        "PREVIOUSLY_VOIDED",
    }
)
"""It is no longer as it was when it was read: read it anew."""

IN_PROGRESS = frozenset(
    {
        "DUPLICATE_INVOICE_ID",
        "DUPLICATE_REQUEST_ID",
        "ORDER_COMPLETION_IN_PROGRESS",
        "PREVIOUS_REQUEST_IN_PROGRESS",
    }
)
"""Another request is at it, or was: only asking tells how it ended. A duplicate invoice means that another order with
our reference was paid."""

DECLINES = {
    "AGREEMENT_ALREADY_CANCELLED": "mandate_ended",
    "AUTH_SETTLE_NOT_ALLOWED": "declined",
    "BILLING_AGREEMENT_ID_MISMATCH": "mandate_ended",
    "BILLING_AGREEMENT_NOT_FOUND": "mandate_ended",
    "COMPLIANCE_VIOLATION": "suspected_fraud",
    "CARD_EXPIRED": "expired_card",
    "DECLINED_DUE_TO_RELATED_TXN": "declined",
    "IDENTIFIER_NOT_FOUND": "mandate_ended",
    "INSTRUMENT_DECLINED": "declined",
    "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED": "limit_exceeded",
    "ORDER_EXPIRED": "payer_timeout",
    "PAYEE_BLOCKED_TRANSACTION": "suspected_fraud",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED": "account_closed",
    "PAYER_ACCOUNT_RESTRICTED": "declined",
    "PAYER_ACTION_REQUIRED": "authentication_required",
    "PAYER_CANNOT_PAY": "declined",
    "PAYMENT_DENIED": "declined",
    "PAYMENT_SOURCE_CANNOT_BE_USED": "declined",
    "PAYMENT_SOURCE_DECLINED_BY_PROCESSOR": "declined",
    "PAYMENT_SOURCE_INFO_CANNOT_BE_VERIFIED": "invalid_details",
    "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING": "declined",
    "REFERENCED_CARD_EXPIRED": "expired_card",
    "TOKEN_EXPIRED": "mandate_ended",
    "TOKEN_ID_NOT_FOUND": "mandate_ended",
    "TRANSACTION_BLOCKED_BY_PAYEE": "suspected_fraud",
    "TRANSACTION_LIMIT_EXCEEDED": "limit_exceeded",
    "TRANSACTION_REFUSED": "declined",
    "TRANSACTION_REFUSED_BY_PAYPAL_RISK": "suspected_fraud",
}
"""The payer's side said no and, without the payer at PayPal's page, will keep saying it for this attempt."""

REFUSALS = {
    "AMOUNT_MISMATCH": "amount_not_supported",
    "AUTH_CAPTURE_NOT_ENABLED": "account_misconfigured",
    "CANNOT_BE_ZERO_OR_NEGATIVE": "amount_not_supported",
    "CONSENT_NEEDED": "account_misconfigured",
    "CURRENCY_NOT_SUPPORTED_FOR_COUNTRY": "currency_not_supported",
    "DECIMALS_NOT_SUPPORTED": "amount_not_supported",
    "DECIMAL_PRECISION": "amount_not_supported",
    "INVALID_CURRENCY_CODE": "currency_not_supported",
    "MAX_VALUE_EXCEEDED": "amount_not_supported",
    "NOT_ENABLED_TO_VAULT_PAYMENT_SOURCE": "account_misconfigured",
    "PAYEE_ACCOUNT_INVALID": "account_misconfigured",
    "PAYEE_ACCOUNT_LOCKED_OR_CLOSED": "account_misconfigured",
    "PAYEE_ACCOUNT_NOT_SUPPORTED": "account_misconfigured",
    "PAYEE_ACCOUNT_NOT_VERIFIED": "account_misconfigured",
    "PAYEE_ACCOUNT_RESTRICTED": "account_misconfigured",
    "PERMISSION_DENIED": "account_misconfigured",
    "REFUND_FAILED_INSUFFICIENT_FUNDS": "try_again_later",
    "TRANSACTION_RECEIVING_LIMIT_EXCEEDED": "gateway_limit",
}
"""Our request or our own account; nothing happened."""

CAPTURE_REASONS = {
    "ECHECK": "declined",
    "BUYER_COMPLAINT": "declined",
    "CHARGEBACK": "declined",
    "DECLINED_BY_RISK_FRAUD_FILTERS": "suspected_fraud",
}
"""Why a capture ended declined or failed; anything else is plain ``declined``."""
