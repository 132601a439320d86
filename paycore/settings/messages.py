"""How messages leave, and what codes by SMS may cost."""

from paycore.settings import env

PAYCORE_MAIL_PROVIDER = env.text("PAYCORE_MAIL_PROVIDER", "django")
"""``django``: by EMAIL_BACKEND (SMTP in production, a file elsewhere); ``webhook``; ``log``: sent to nobody."""
PAYCORE_MAIL_WEBHOOK_URL = env.text("PAYCORE_MAIL_WEBHOOK_URL")
PAYCORE_MAIL_WEBHOOK_SECRET = env.text("PAYCORE_MAIL_WEBHOOK_SECRET")
PAYCORE_SMS_PROVIDER = env.text("PAYCORE_SMS_PROVIDER", "log")
"""``webhook``, or ``log``: sent to nobody."""
PAYCORE_SMS_WEBHOOK_URL = env.text("PAYCORE_SMS_WEBHOOK_URL")
PAYCORE_SMS_WEBHOOK_SECRET = env.text("PAYCORE_SMS_WEBHOOK_SECRET")
PAYCORE_SHOW_MESSAGES = False
"""Whether a developer may read what was sent (``GET /api/v1/sandbox/messages``); never in production."""

PAYCORE_SMS_CAPS = env.items(
    "PAYCORE_SMS_CAPS",
    "number=5/hour,number=10/day,address=30/hour,prefix=30/hour,country=1000/hour",
)
PAYCORE_SMS_DAILY_BUDGET_MINOR = env.number("PAYCORE_SMS_DAILY_BUDGET_MINOR", 10_000)
PAYCORE_SMS_BUDGET_CURRENCY = env.text("PAYCORE_SMS_BUDGET_CURRENCY", "USD")
PAYCORE_SMS_COSTS = env.items("PAYCORE_SMS_COSTS", "*=8,CN=5,GB=5,US=1")
"""What one message costs by country, in the budget currency's smallest unit; ``*`` for all others."""
PAYCORE_SMS_ALARM_AFTER = env.number("PAYCORE_SMS_ALARM_AFTER", 20)
PAYCORE_SMS_ALARM_BELOW_PERCENT = env.number("PAYCORE_SMS_ALARM_BELOW_PERCENT", 20)
"""More codes than the first sent to one prefix within two hours and fewer than the second typed in: stop it."""
