"""Stripe's words and ours. Sources: docs.stripe.com/declines/codes, /error-codes, /disputes/categories and the API's
reference of PaymentIntent, Refund and Dispute."""

from payments.gateways.contract import DisputeStatus, Outcome

METHODS = ("card", "apple_pay", "google_pay")

PAYMENT_OUTCOMES = {
    "requires_payment_method": Outcome.REQUIRES_ACTION,
    "requires_confirmation": Outcome.REQUIRES_ACTION,
    "requires_action": Outcome.REQUIRES_ACTION,
    "processing": Outcome.PENDING,
    "requires_capture": Outcome.AUTHORIZED,
    "succeeded": Outcome.SUCCEEDED,
    "canceled": Outcome.CANCELED,
}
SETUP_OUTCOMES = {name: PAYMENT_OUTCOMES[name] for name in PAYMENT_OUTCOMES if name != "requires_capture"}
REFUND_OUTCOMES = {
    "pending": Outcome.PENDING,
    "requires_action": Outcome.PENDING,
    "succeeded": Outcome.SUCCEEDED,
    "failed": Outcome.FAILED,
    "canceled": Outcome.FAILED,
}
DISPUTE_STATUSES = {
    "warning_needs_response": DisputeStatus.WARNING,
    "warning_under_review": DisputeStatus.WARNING,
    # An inquiry that ended without becoming a chargeback: no money moved.
    "warning_closed": DisputeStatus.WON,
    "needs_response": DisputeStatus.NEEDS_RESPONSE,
    "appeal_needs_response": DisputeStatus.NEEDS_RESPONSE,
    "under_review": DisputeStatus.UNDER_REVIEW,
    "appeal_under_review": DisputeStatus.UNDER_REVIEW,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
    # Ended before it was filed: the payer has the money (rapid dispute resolution).
    "prevented": DisputeStatus.LOST,
}
DISPUTE_REASONS = {
    "fraudulent": "fraudulent",
    "unrecognized": "fraudulent",
    "debit_not_authorized": "fraudulent",
    "product_not_received": "not_received",
    "product_unacceptable": "not_as_described",
    "duplicate": "duplicate",
    "subscription_canceled": "canceled",
    "credit_not_processed": "credit_not_processed",
}
"""The rest (bank_cannot_process, check_returned, customer_initiated, general, incorrect_account_details,
insufficient_funds, noncompliant) is other."""

_DECLINES = {
    "card_declined": (
        "approve_with_id call_issuer card_declined card_not_supported currency_not_supported do_not_honor "
        "do_not_try_again generic_decline new_account_information_available no_action_taken not_permitted "
        "offline_pin_required online_or_offline_pin_required pin_try_exceeded restricted_card security_violation "
        "service_not_allowed testmode_decline transaction_not_allowed"
    ),
    "declined": "duplicate_transaction payment_intent_payment_attempt_failed payment_method_provider_decline "
    "setup_attempt_failed debit_not_authorized",
    "insufficient_funds": "insufficient_funds",
    "expired_card": "expired_card expired_payment_method",
    "invalid_details": (
        "incorrect_address incorrect_cvc incorrect_number incorrect_pin incorrect_postal_code incorrect_zip "
        "invalid_card_type invalid_cvc invalid_expiry_month invalid_expiry_year invalid_number invalid_pin "
        "payment_method_unexpected_state token_already_used token_in_use token_card_network_invalid"
    ),
    "limit_exceeded": (
        "card_velocity_exceeded withdrawal_count_limit_exceeded invalid_amount card_decline_rate_limit_exceeded "
        "charge_exceeds_source_limit"
    ),
    "account_closed": "invalid_account account_closed no_account",
    "payer_declined": "payment_method_customer_decline",
    "payer_timeout": "payment_intent_payment_attempt_expired setup_intent_setup_attempt_expired",
    "authentication_required": "authentication_required mobile_device_authentication_required "
    "payment_intent_action_required",
    "authentication_failed": (
        "authentication_failure authentication_not_handled payment_intent_authentication_failure "
        "setup_intent_authentication_failure three_d_secure_authentication_not_supported"
    ),
    "mandate_ended": (
        "revocation_of_authorization revocation_of_all_authorizations stop_payment_order "
        "payment_intent_mandate_invalid setup_intent_mandate_invalid india_recurring_payment_mandate_canceled"
    ),
    "lost_or_stolen": "lost_card stolen_card pickup_card",
    "suspected_fraud": "fraudulent merchant_blacklist highest_risk_level rule request_blocked",
    "try_again_later": "try_again_later reenter_transaction",
    "issuer_unavailable": "issuer_not_available payment_method_not_available payment_method_provider_timeout",
    "processing_error": "processing_error three_d_secure_authentication_upstream_error",
}
_REQUEST_FAULTS = {
    "account_misconfigured": (
        "account_invalid action_blocked api_key_expired capability_not_active livemode_mismatch "
        "not_allowed_on_standard_account payment_method_restricted payment_method_unactivated "
        "platform_account_required platform_api_key_expired product_inactive secret_key_required "
        "storer_capability_missing storer_capability_not_active testmode_charges_only tls_version_unsupported "
        "payment_method_invalid_parameter_testmode"
    ),
    "amount_not_supported": "amount_too_large amount_too_small invalid_charge_amount",
    "currency_not_supported": "payment_method_currency_mismatch",
    "method_not_supported": "payment_intent_incompatible_payment_method payment_method_unsupported_type "
    "country_unsupported setup_intent_mobile_wallet_unsupported",
    "gateway_limit": (
        "balance_insufficient charge_exceeds_transaction_limit payment_intent_rate_limit_exceeded rate_limit "
        "progressive_onboarding_limit_exceeded"
    ),
}
FAILURE_CODES = {theirs: ours for ours, codes in (_DECLINES | _REQUEST_FAULTS).items() for theirs in codes.split()}
"""By Stripe's ``decline_code`` or ``code``."""

REFUND_FAILURE_CODES = {
    "lost_or_stolen_card": "lost_or_stolen",
    "expired_or_canceled_card": "account_closed",
    "charge_for_pending_refund_disputed": "closed",
    "insufficient_funds": "gateway_limit",
    "merchant_request": "closed",
    "declined": "declined",
}


def failure_code(*, code: str, decline_code: str = "", otherwise: str = "declined") -> str:
    """Of what Stripe says of a try; its ``decline_code`` is the more exact one."""
    return FAILURE_CODES.get(decline_code) or FAILURE_CODES.get(code) or otherwise
