"""Every model of the app, for Django. Import them from where they live."""

from payments.checkout.models import CheckoutSession
from payments.ledger.models import LedgerAccount, LedgerSeal, Posting, Transfer
from payments.orders.models import Capture, Evidence, Order, Payment, Refund
from payments.routing.models import GatewayAccount
from payments.webhooks.models import WebhookReceipt

__all__ = [
    "Capture",
    "CheckoutSession",
    "Evidence",
    "GatewayAccount",
    "LedgerAccount",
    "LedgerSeal",
    "Order",
    "Payment",
    "Posting",
    "Refund",
    "Transfer",
    "WebhookReceipt",
]
