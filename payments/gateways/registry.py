"""Every gateway there is, by name. A new gateway adds one line."""

from payments.gateways.contract import Gateway, GatewayConfiguration
from payments.gateways.sandbox.adapter import SandboxGateway

GATEWAYS: dict[str, type[Gateway]] = {gateway.name: gateway for gateway in (SandboxGateway,)}


class UnknownGateway(LookupError):
    """No adapter has this name."""


def build_gateway(name: str, configuration: GatewayConfiguration) -> Gateway:
    """The adapter ``name`` for one gateway account. Raises :class:`UnknownGateway`."""
    try:
        gateway = GATEWAYS[name]
    except KeyError:
        raise UnknownGateway(name) from None
    return gateway(configuration)
