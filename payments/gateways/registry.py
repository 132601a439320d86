"""Every gateway there is, by name. A new gateway adds one line."""

from payments.gateways.alipay.adapter import AlipayGateway
from payments.gateways.bank_transfer import BankTransferGateway
from payments.gateways.contract import Gateway, GatewayConfiguration
from payments.gateways.paypal.adapter import PayPalGateway
from payments.gateways.sandbox.adapter import SandboxGateway
from payments.gateways.stripe.adapter import StripeGateway
from payments.gateways.wallet import WalletGateway
from payments.gateways.wechat.adapter import WechatGateway

GATEWAYS: dict[str, type[Gateway]] = {
    gateway.name: gateway
    for gateway in (
        SandboxGateway,
        WalletGateway,
        BankTransferGateway,
        WechatGateway,
        AlipayGateway,
        PayPalGateway,
        StripeGateway,
    )
}


class UnknownGateway(LookupError):
    """No adapter has this name."""


def build_gateway(name: str, configuration: GatewayConfiguration) -> Gateway:
    """The adapter ``name`` for one gateway account. Raises :class:`UnknownGateway`."""
    try:
        gateway = GATEWAYS[name]
    except KeyError:
        raise UnknownGateway(name) from None
    return gateway(configuration)
