"""A provider that does not exist, or has no address, is found at the start and not with the first message."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from paycore.notifications.channels import providers
from paycore.throttling import parse_rate

_SCOPES = {"number", "address", "prefix", "country"}


def check_providers(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Errors, each naming the variable."""
    found: list[CheckMessage] = []
    for channel, names in zip(("MAIL", "SMS"), providers(), strict=True):
        chosen = getattr(settings, f"PAYCORE_{channel}_PROVIDER")
        if chosen not in names:
            found.append(_error(f"PAYCORE_{channel}_PROVIDER is one of {', '.join(names)}.", number=1))
        has_address = getattr(settings, f"PAYCORE_{channel}_WEBHOOK_URL")
        has_secret = getattr(settings, f"PAYCORE_{channel}_WEBHOOK_SECRET")
        if chosen == "webhook" and not (has_address and has_secret):
            found.append(_error(f"PAYCORE_{channel}_WEBHOOK_URL and …_SECRET are needed for webhook.", number=2))
    return found


def check_sms_caps(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Errors for caps and costs that cannot be read."""
    found: list[CheckMessage] = []
    for entry in settings.PAYCORE_SMS_CAPS:
        scope, _equals, rate = entry.partition("=")
        try:
            is_good = scope in _SCOPES and bool(parse_rate(rate))
        except ImproperlyConfigured:
            is_good = False
        if not is_good:
            found.append(_error(f"PAYCORE_SMS_CAPS: {entry!r} does not read like number=5/hour.", number=3))
    costs = dict(entry.partition("=")[::2] for entry in settings.PAYCORE_SMS_COSTS)
    if "*" not in costs or not all(cost.isdecimal() for cost in costs.values()):
        found.append(_error("PAYCORE_SMS_COSTS reads like *=8,US=1, with a cost for *.", number=4))
    return found


def _error(text: str, *, number: int) -> CheckMessage:
    return Error(text, hint="See .env.example.", id=f"paycore.E{number:03d}")
