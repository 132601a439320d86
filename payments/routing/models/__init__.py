"""Where payments can be sent, at what price, within which limits and by which rules."""

from payments.routing.models.accounts import GatewayAccount, GatewayFee
from payments.routing.models.quotas import GatewayQuota, QuotaTake, QuotaUse
from payments.routing.models.rules import RoutingRule, RoutingRuleSet
from payments.routing.models.trials import RoutingTrial

__all__ = [
    "GatewayAccount",
    "GatewayFee",
    "GatewayQuota",
    "QuotaTake",
    "QuotaUse",
    "RoutingRule",
    "RoutingRuleSet",
    "RoutingTrial",
]
