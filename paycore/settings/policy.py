"""The company's own decisions, each changeable without a line of code."""

from paycore.settings import env

PAYCORE_ORDER_LIFETIME_SECONDS = env.number("PAYCORE_ORDER_LIFETIME_SECONDS", 30 * 60)
PAYCORE_SURPLUS_POLICY = env.text("PAYCORE_SURPLUS_POLICY", "refund")
"""Money for an order that cannot take it: ``refund`` at once, or ``hold`` until a person decides."""
PAYCORE_MAX_PAYMENT_ATTEMPTS = env.number("PAYCORE_MAX_PAYMENT_ATTEMPTS", 3)
PAYCORE_GATEWAY_DEADLINE_SECONDS = env.number("PAYCORE_GATEWAY_DEADLINE_SECONDS", 8)
PAYCORE_ALERTS_TO = env.items("PAYCORE_ALERTS_TO")
PAYCORE_SANDBOX_MODE = env.flag("PAYCORE_SANDBOX_MODE")
PAYCORE_LONG_POLL_SLOTS = env.number("PAYCORE_LONG_POLL_SLOTS", 2)
