"""Every model of the app, for Django. Import them from where they live."""

from payments.checkout.models import CheckoutSession
from payments.ledger.models import LedgerAccount, LedgerSeal, Posting, Transfer
from payments.methods.models import GatewayCustomer, Mandate, PaymentMethod
from payments.orders.disputes.models import Dispute, DisputeFile
from payments.orders.models import Capture, Evidence, Order, Payment, Refund
from payments.promotions.models import (
    CodeBatch,
    FundingEntry,
    KnownCard,
    Promotion,
    PromotionCode,
    Redemption,
    RedemptionPerson,
)
from payments.routing.models import (
    GatewayAccount,
    GatewayFee,
    GatewayQuota,
    QuotaTake,
    QuotaUse,
    RoutingRule,
    RoutingRuleSet,
    RoutingTrial,
)
from payments.wallet.models import Wallet, WalletOperation, WalletTopUp, WalletWithdrawal
from payments.webhooks.models import WebhookReceipt

__all__ = [
    "Capture",
    "CheckoutSession",
    "CodeBatch",
    "Dispute",
    "DisputeFile",
    "Evidence",
    "FundingEntry",
    "GatewayAccount",
    "GatewayCustomer",
    "GatewayFee",
    "GatewayQuota",
    "KnownCard",
    "LedgerAccount",
    "LedgerSeal",
    "Mandate",
    "Order",
    "Payment",
    "PaymentMethod",
    "Posting",
    "Promotion",
    "PromotionCode",
    "QuotaTake",
    "QuotaUse",
    "Redemption",
    "RedemptionPerson",
    "Refund",
    "RoutingRule",
    "RoutingRuleSet",
    "RoutingTrial",
    "Transfer",
    "Wallet",
    "WalletOperation",
    "WalletTopUp",
    "WalletWithdrawal",
    "WebhookReceipt",
]
