"""From a gateway account to a live adapter, and the one way to ask it anything."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import ParamSpec, TypeVar

from django.conf import settings

from paycore import http, metrics
from payments.errors import NotSupportedByGateway
from payments.gateways.abilities import LookCapable, ProbeCapable
from payments.gateways.contract import (
    Gateway,
    GatewayConfiguration,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayUnavailable,
    HttpRequest,
    HttpResponse,
    HttpTransport,
    PaymentResult,
)
from payments.gateways.registry import GATEWAYS, build_gateway
from payments.routing.models import GatewayAccount

P = ParamSpec("P")
T = TypeVar("T")

LEAST_SECRET_LENGTH = 4

IN_PROCESS: dict[str, HttpTransport] = {}
"""Providers that live in this process, by the host of ``inprocess://host``: for tests and benchmarks."""

_adapters: dict[tuple[str, object], Gateway] = {}


def connect(account: GatewayAccount) -> Gateway:
    """The adapter for this account, rebuilt when the account changes."""
    key = (account.id, account.updated_at)
    adapter = _adapters.get(key)
    if adapter is None:
        adapter = build_gateway(account.gateway, configuration_of(account))
        if len(_adapters) > 500:
            _adapters.clear()
        _adapters[key] = adapter
    return adapter


def configuration_of(account: GatewayAccount) -> GatewayConfiguration:
    """What the adapter is told. In production nothing may stand in for the provider: overrides that a copied database
    brought along are left out, and an address that is not the provider's is replaced by its own."""
    base_url, credentials, chosen = account.base_url, account.credentials, account.settings
    gateway = GATEWAYS.get(account.gateway)
    if gateway is not None:
        base_url = base_url or next(iter(gateway.addresses), "")
        if not settings.PAYCORE_GATEWAYS_MAY_BE_REPLACED:
            base_url = address_in_production(gateway, base_url)
            overrides = {field.name for field in gateway.account_fields if field.is_override}
            credentials, chosen = _without(credentials, overrides), _without(chosen, overrides)
    return GatewayConfiguration(
        account_id=account.id,
        base_url=base_url,
        credentials=credentials,
        transport=_transport(base_url),
        settings=chosen,
    )


def address_in_production(gateway: type[Gateway], base_url: str) -> str:
    """``base_url`` if it is one of the provider's own (or the provider has none), else the provider's first."""
    own = [address.rstrip("/") for address in gateway.addresses]
    return base_url if not own or base_url.rstrip("/") in own else gateway.addresses[0]


def _without(values: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name.removesuffix("_previous") not in names}


def can_be_probed(account: GatewayAccount) -> bool:
    gateway = GATEWAYS.get(account.gateway)
    return gateway is not None and hasattr(gateway, "probe")


def probe_account(account: GatewayAccount) -> str:
    """What the provider says of the account, by the address and credentials that are stored. Raises the three
    GatewayErrors, and NotSupportedByGateway when the adapter cannot ask."""
    adapter = connect(account)
    if not isinstance(adapter, ProbeCapable):
        raise NotSupportedByGateway
    return without_secrets(ask(account, adapter.probe), account)


def without_secrets(text: str, account: GatewayAccount) -> str:
    """Providers repeat keys in what they say of them."""
    for secret in sorted(account.credentials.values(), key=len, reverse=True):
        if len(secret) >= LEAST_SECRET_LENGTH:
            text = text.replace(secret, "…")
    return text[:300]


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


def fetch_payment(
    account: GatewayAccount, payment_id: str, *, gateway_reference: str, method: str, has_ended: bool = False
) -> PaymentResult:
    """Ask the gateway what it knows of one payment. For one that ``has_ended`` here nothing more is ever taken."""
    adapter = connect(account)
    question = adapter.look_at_payment if has_ended and isinstance(adapter, LookCapable) else adapter.fetch_payment
    return ask(account, question, payment_id, gateway_reference=gateway_reference, method=method)


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
