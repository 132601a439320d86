"""What must be configured before anyone can sign in."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning


def check_jwt_key(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Production refuses to start without the key; elsewhere `make run` and `make test` provide it."""
    if settings.HEADLESS_JWT_PRIVATE_KEY:
        return []
    return [
        Warning(
            "PAYCORE_JWT_PRIVATE_KEY is empty: app users cannot sign in.",
            hint="Start through `make run`, or set it (see .env.example).",
            id="accounts.W001",
        )
    ]
