"""Reaches a sandbox provider that lives in this process: no sockets, and the errors a real transport would raise."""

from urllib.parse import urlsplit

from payments.gateways.contract import GatewayOutcomeUnknown, GatewayUnavailable, HttpRequest, HttpResponse
from payments.gateways.sandbox.provider.api import Silence, respond
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.provider.requests import ProviderRequest


class SandboxTransport:
    """An :data:`HttpTransport`. ``is_reachable = False`` plays a provider whose connections are refused."""

    def __init__(self, provider: SandboxProvider) -> None:
        self.provider = provider
        self.is_reachable = True

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not self.is_reachable:
            raise GatewayUnavailable("connection refused", code="connection_refused")
        parts = urlsplit(request.url)
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            answer = respond(
                self.provider, ProviderRequest(request.method, parts.path, parts.query, headers, request.body)
            )
        except Silence:
            raise GatewayOutcomeUnknown("no answer before the deadline", code="timeout") from None
        return HttpResponse(answer.status, answer.headers, answer.body)
