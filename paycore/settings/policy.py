"""The company's own decisions, each changeable without a line of code."""

from paycore.settings import env

PAYCORE_ORDER_LIFETIME_SECONDS = env.number("PAYCORE_ORDER_LIFETIME_SECONDS", 30 * 60)
PAYCORE_SURPLUS_POLICY = env.text("PAYCORE_SURPLUS_POLICY", "refund")
"""Money for an order that cannot take it: ``refund`` at once, or ``hold`` until a person decides."""
PAYCORE_MAX_PAYMENT_ATTEMPTS = env.number("PAYCORE_MAX_PAYMENT_ATTEMPTS", 3)
PAYCORE_GATEWAY_DEADLINE_SECONDS = env.number("PAYCORE_GATEWAY_DEADLINE_SECONDS", 8)
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
