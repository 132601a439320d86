"""Every model of the app."""

from memberships.models.actions import MemberAction, MemberActionItem
from memberships.models.catalogue import Feature, Plan, PlanVersion, Price, Tier
from memberships.models.changes import Pause, PlanChange
from memberships.models.credit_notes import CreditNote, PromisedRefund
from memberships.models.dunning import ChargeNotice, Dunning
from memberships.models.gifts import CodeBatch, Gift, RedeemCode, Redemption
from memberships.models.invoices import Invoice, NumberSeries
from memberships.models.price_changes import PriceChange, PriceMove
from memberships.models.reports import MembershipCohort, MembershipMonth
from memberships.models.revenue import RevenueRecognition, RevenueSchedule
from memberships.models.seats import Seat
from memberships.models.stores import (
    Store,
    StoreAccount,
    StoreCustomer,
    StoreNotice,
    StoreProduct,
    StorePurchase,
    StoreToken,
    StoreTransaction,
    StoreTransfer,
)
from memberships.models.subscriptions import Grant, Period, Subscription, SubscriptionChange, TimestampRange
from memberships.models.tax import TaxRate
from memberships.models.usage import ClockAdvance, UsageCounter
from memberships.models.voiding import InvoiceVoiding

__all__ = [
    "ChargeNotice",
    "ClockAdvance",
    "CodeBatch",
    "CreditNote",
    "Dunning",
    "Feature",
    "Gift",
    "Grant",
    "Invoice",
    "InvoiceVoiding",
    "MemberAction",
    "MemberActionItem",
    "MembershipCohort",
    "MembershipMonth",
    "NumberSeries",
    "Pause",
    "Period",
    "Plan",
    "PlanChange",
    "PlanVersion",
    "Price",
    "PriceChange",
    "PriceMove",
    "PromisedRefund",
    "RedeemCode",
    "Redemption",
    "RevenueRecognition",
    "RevenueSchedule",
    "Seat",
    "Store",
    "StoreAccount",
    "StoreCustomer",
    "StoreNotice",
    "StoreProduct",
    "StorePurchase",
    "StoreToken",
    "StoreTransaction",
    "StoreTransfer",
    "Subscription",
    "SubscriptionChange",
    "TaxRate",
    "Tier",
    "TimestampRange",
    "UsageCounter",
]
