"""From a gateway account to a live adapter, and the one way to ask it anything."""

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.conf import settings

from paycore import http, metrics
from payments.gateways.contract import (
    Gateway,
    GatewayConfiguration,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayUnavailable,
    HttpRequest,
    HttpResponse,
    HttpTransport,
)
from payments.gateways.registry import build_gateway
from payments.routing.models import GatewayAccount

P = ParamSpec("P")
T = TypeVar("T")

IN_PROCESS: dict[str, HttpTransport] = {}
"""Providers that live in this process, by the host of ``inprocess://host``: for tests and benchmarks."""

_adapters: dict[tuple[str, object], Gateway] = {}


def connect(account: GatewayAccount) -> Gateway:
    """The adapter for this account, rebuilt when the account changes."""
    key = (account.id, account.updated_at)
    adapter = _adapters.get(key)
    if adapter is None:
        adapter = build_gateway(
            account.gateway,
            GatewayConfiguration(
                account_id=account.id,
                base_url=account.base_url,
                credentials=account.credentials,
                transport=_transport(account.base_url),
            ),
        )
        if len(_adapters) > 500:
            _adapters.clear()
        _adapters[key] = adapter
    return adapter


def forget_adapters() -> None:
    """For tests: connect anew."""
    _adapters.clear()


def webhook_url(account: GatewayAccount) -> str:
    return f"{settings.PAYCORE_BASE_URL}/webhooks/{account.id}"


def ask(account: GatewayAccount, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call one method of an adapter, timed and counted. Refuses to run inside a transaction."""
    http.refuse_open_transaction()
    started = time.monotonic()
    outcome = "answered"
    try:
        return operation(*args, **kwargs)
    except GatewayError as error:
        outcome = type(error).__name__
        raise
    finally:
        name = getattr(operation, "__name__", "call")
        metrics.observe_gateway_call(
            gateway=account.gateway, operation=name, outcome=outcome, seconds=time.monotonic() - started
        )


def _transport(base_url: str) -> HttpTransport:
    if base_url.startswith("inprocess://"):
        return IN_PROCESS[base_url.removeprefix("inprocess://").rstrip("/")]
    return _send_over_http


def _send_over_http(request: HttpRequest) -> HttpResponse:
    outbound = http.OutboundRequest(
        method=request.method,
        url=request.url,
        headers=dict(request.headers),
        body=request.body,
        deadline_seconds=min(request.deadline_seconds, settings.PAYCORE_GATEWAY_DEADLINE_SECONDS),
        max_response_bytes=request.max_response_bytes,
    )
    try:
        response = http.client().send(outbound)
    except http.NothingSent as error:
        raise GatewayUnavailable(str(error), code="not_reached") from error
    except http.MayHaveArrived as error:
        raise GatewayOutcomeUnknown(str(error), code="no_answer") from error
    return HttpResponse(status=response.status, headers=response.headers, body=response.body)
