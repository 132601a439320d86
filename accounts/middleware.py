"""A strict reader in front of allauth's views, which parse bodies themselves and would stumble over hostile JSON."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _

from paycore.parsers import BodyRefused, MalformedJSON, body_limit_bytes, loads_strict
from paycore.problems import problem_response


class StrictSignInBodyMiddleware:
    """Refuses duplicate keys, deep nesting, NUL and broken text on the authentication endpoints, as everywhere else."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or "headless" not in match.namespaces or not request.body:
            return None
        try:
            body = loads_strict(request.body, max_bytes=body_limit_bytes(request.path_info))
            if not isinstance(body, dict):
                raise MalformedJSON(_("Send a JSON object."))
        except BodyRefused as refusal:
            return problem_response(request, refusal)
        return None
