"""Which addresses the description is about."""

from typing import Any

_PUBLIC = "/api/v1/"


def only_public_api(endpoints: list[tuple[str, Any, str, Any]], **_context: Any) -> list[tuple[str, Any, str, Any]]:
    """drf-spectacular pre-processing hook: callbacks, health and consoles are nobody's API."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith(_PUBLIC)]
