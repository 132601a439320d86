"""Which renderer answers."""

from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation

_ANYTHING = frozenset({"", "*/*", "application/json"})


class QuickNegotiation(DefaultContentNegotiation):
    """The usual ``Accept`` headers of programs need no parsing: they take what the view has to give."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        if format_suffix is None and request.META.get("HTTP_ACCEPT", "") in _ANYTHING:
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)
