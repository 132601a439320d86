"""The company's own decisions, each changeable without a line of code."""

from paycore.settings import env

PAYCORE_ORDER_LIFETIME_SECONDS = env.number("PAYCORE_ORDER_LIFETIME_SECONDS", 30 * 60)
PAYCORE_SURPLUS_POLICY = env.text("PAYCORE_SURPLUS_POLICY", "refund")
"""Money for an order that cannot take it: ``refund`` at once, or ``hold`` until a person decides."""
PAYCORE_MAX_PAYMENT_ATTEMPTS = env.number("PAYCORE_MAX_PAYMENT_ATTEMPTS", 3)
PAYCORE_MAX_PAYMENT_METHODS = env.number("PAYCORE_MAX_PAYMENT_METHODS", 20)
"""How many payment methods one person may have saved."""
PAYCORE_EARLY_ALERT_REFUND = {
    currency: int(minor) for currency, minor in (pair.split("=") for pair in env.items("PAYCORE_EARLY_ALERT_REFUND"))
}
"""Up to how much (minor units, by currency) an early dispute alert is refunded at once instead of being answered."""
PAYCORE_GATEWAY_DEADLINE_SECONDS = env.number("PAYCORE_GATEWAY_DEADLINE_SECONDS", 8)
PAYCORE_ROUTING_FAILURE_COST_BASIS_POINTS = env.number("PAYCORE_ROUTING_FAILURE_COST_BASIS_POINTS", 500)
"""What a payment that fails costs us, as a share of its amount: the weight of success against fees in routing."""
PAYCORE_ROUTING_FAILURES_TO_OPEN = env.number("PAYCORE_ROUTING_FAILURES_TO_OPEN", 3)
"""After so many technical failures in a row a gateway account is left alone for a while."""
PAYCORE_RISK_REVIEW_SECONDS = env.number("PAYCORE_RISK_REVIEW_SECONDS", 24 * 3600)
"""How long a payment may wait for a person's risk review; then it is given up."""
PAYCORE_ALERTS_TO = env.items("PAYCORE_ALERTS_TO")
PAYCORE_SANDBOX_MODE = env.flag("PAYCORE_SANDBOX_MODE")
PAYCORE_LONG_POLL_SLOTS = env.number("PAYCORE_LONG_POLL_SLOTS", 2)
PAYCORE_KYC_DOCUMENT_DAYS = env.number("PAYCORE_KYC_DOCUMENT_DAYS", 30)
"""How long the files of an identity check are kept after its decision."""
PAYCORE_ERASURE_GRACE_DAYS = env.number("PAYCORE_ERASURE_GRACE_DAYS", 14)
"""How long a person may still change their mind after asking to be erased."""
PAYCORE_EXPORT_HOURS = env.number("PAYCORE_EXPORT_HOURS", 24)
"""How long an archive of somebody's data can be downloaded."""
PAYCORE_MESSAGES_KEEP_DAYS = env.number("PAYCORE_MESSAGES_KEEP_DAYS", 90)
"""How long a message is kept after it was written, sent or given up."""
PAYCORE_WEBHOOKS_ALLOW_PRIVATE = env.flag("PAYCORE_WEBHOOKS_ALLOW_PRIVATE")
"""Whether merchants' webhooks may go to http:// and to addresses that are not public: for one machine only."""
PAYCORE_WEBHOOKS_DISABLE_AFTER_DAYS = env.number("PAYCORE_WEBHOOKS_DISABLE_AFTER_DAYS", 5)
"""An endpoint whose every attempt failed for so long is disabled, and its merchant told."""
PAYCORE_WEBHOOKS_KEEP_DAYS = env.number("PAYCORE_WEBHOOKS_KEEP_DAYS", 30)
"""How long merchants' events and the log of their deliveries are kept."""
PAYCORE_STATEMENT_BOUNDARY_SECONDS = env.number("PAYCORE_STATEMENT_BOUNDARY_SECONDS", 2 * 3600)
"""How near the end of a day a record may be and still be looked for in the next day's statement."""
PAYCORE_STATEMENT_OVERDUE_SECONDS = env.number("PAYCORE_STATEMENT_OVERDUE_SECONDS", 12 * 3600)
"""How long after the end of its day a statement that has not come becomes a case."""
PAYCORE_BANK_SECOND_PERSON_ABOVE_MINOR = env.number("PAYCORE_BANK_SECOND_PERSON_ABOVE_MINOR", 10_000)
"""Decisions about bank lines above so much (minor units) need a second person."""
PAYCORE_WALLET_TOP_UP_MIN = env.items("PAYCORE_WALLET_TOP_UP_MIN", "USD=5,EUR=5,GBP=5,CNY=30,HKD=40,JPY=500")
PAYCORE_WALLET_TOP_UP_MAX = env.items(
    "PAYCORE_WALLET_TOP_UP_MAX", "USD=500,EUR=500,GBP=500,CNY=3000,HKD=4000,JPY=50000"
)
"""The smallest and largest top-up, in major units; a currency without both has no top-ups."""
PAYCORE_WALLET_BALANCE_MAX = env.items(
    "PAYCORE_WALLET_BALANCE_MAX", "USD=2000,EUR=2000,GBP=2000,CNY=15000,HKD=16000,JPY=300000"
)
"""What a wallet may hold by topping up; a currency that is not named has no such limit."""
PAYCORE_WALLET_WITHDRAWAL_MIN = env.items("PAYCORE_WALLET_WITHDRAWAL_MIN", "EUR=5")
PAYCORE_WALLET_WITHDRAWAL_MAX = env.items("PAYCORE_WALLET_WITHDRAWAL_MAX", "EUR=2000")
"""The smallest and largest withdrawal; a currency without both has none: payouts are SEPA credit transfers."""
PAYCORE_WALLET_WITHDRAWAL_SECOND_PERSON_ABOVE = env.items("PAYCORE_WALLET_WITHDRAWAL_SECOND_PERSON_ABOVE", "EUR=500")
"""Above it two people must agree; in a currency that is not named, always."""
PAYCORE_WALLET_WITHDRAWALS_A_DAY = env.number("PAYCORE_WALLET_WITHDRAWALS_A_DAY", 5)
PAYCORE_WALLET_HOLD_DAYS = env.number("PAYCORE_WALLET_HOLD_DAYS", 7)
"""How long a merchant may leave a user's money on hold before it is the user's again."""
PAYCORE_GATEWAYS_MAY_BE_REPLACED = False
"""Whether a gateway account may name another address, or other roots of trust, than its provider's own: for one machine
and tests only, so there is no variable for it."""
PAYCORE_STRIPE_SCRIPT_URL = env.text("PAYCORE_STRIPE_SCRIPT_URL", "https://js.stripe.com/v3/")
"""Where the card form's script comes from: Stripe's own in production, a stand-in elsewhere."""
