"""Between Apple's words and ours: what of a verified message is kept, and what it says."""

from collections.abc import Mapping
from typing import Any

from memberships.models import StorePurchase
from memberships.stores.accounts import user_of_token
from memberships.stores.facts import Span, StoreState
from memberships.stores.moments import from_milliseconds

Standing = StorePurchase.Standing
RENEWABLE = "Auto-Renewable Subscription"
UPGRADES = (("DID_CHANGE_RENEWAL_PREF", "UPGRADE"), ("OFFER_REDEEMED", "UPGRADE"))
_STANDINGS = {
    1: Standing.ACTIVE,
    2: Standing.EXPIRED,
    3: Standing.RETRY,
    4: Standing.GRACE,
    5: Standing.REVOKED,
}
_STANDINGS_BY_TYPE = {
    "SUBSCRIBED": Standing.ACTIVE,
    "DID_RENEW": Standing.ACTIVE,
    "EXPIRED": Standing.EXPIRED,
    "GRACE_PERIOD_EXPIRED": Standing.RETRY,
    "REVOKE": Standing.REVOKED,
}
_OF_TRANSACTION = {
    "originalTransactionId": "originalTransactionId",
    "transactionId": "transactionId",
    "productId": "productId",
    "purchaseDate": "purchaseDate",
    "expiresDate": "expiresDate",
    "revocationDate": "revocationDate",
    "signedDate": "signedDate",
    "type": "rawType",
    "transactionReason": "rawTransactionReason",
    "offerDiscountType": "rawOfferDiscountType",
    "appAccountToken": "appAccountToken",
}
_OF_RENEWAL = {
    "originalTransactionId": "originalTransactionId",
    "autoRenewStatus": "rawAutoRenewStatus",
    "gracePeriodExpiresDate": "gracePeriodExpiresDate",
    "signedDate": "signedDate",
}


def facts_of(
    *, transaction: Any = None, renewal: Any = None, status: Any = None, kind: str = "", subtype: str = ""
) -> dict[str, Any]:
    """What is kept of verified objects of the library: ids, dates and codes."""
    facts = {"type": kind, "subtype": subtype, "status": status}
    if transaction is not None:
        facts["transaction"] = {name: getattr(transaction, field) for name, field in _OF_TRANSACTION.items()}
    if renewal is not None:
        facts["renewal"] = {name: getattr(renewal, field) for name, field in _OF_RENEWAL.items()}
    return facts


def state_of(facts: Mapping[str, Any]) -> StoreState | None:
    """None for what is not about a subscription, or lacks what every subscription has."""
    told = facts.get("transaction") or {}
    span = _span(told, is_upgrade=(facts.get("type"), facts.get("subtype")) in UPGRADES)
    reference = told.get("originalTransactionId")
    if span is None or not isinstance(reference, str) or not reference:
        return None
    renewal = facts.get("renewal") or {}
    if renewal.get("originalTransactionId") not in (None, reference):
        renewal = {}
    standing = _standing(facts, span)
    renews = renewal.get("autoRenewStatus")
    return StoreState(
        reference=reference,
        signed_at=max(span.signed_at, from_milliseconds(renewal.get("signedDate")) or span.signed_at),
        span=span,
        standing=standing,
        grace_until=from_milliseconds(renewal.get("gracePeriodExpiresDate")) if standing == Standing.GRACE else None,
        auto_renews=bool(renews) if renews in (0, 1) else None,
        user_id=user_of_token(told.get("appAccountToken")),
    )


def _span(told: Mapping[str, Any], *, is_upgrade: bool) -> Span | None:
    dates = [from_milliseconds(told.get(name)) for name in ("purchaseDate", "expiresDate", "signedDate")]
    starts_at, ends_at, signed_at = dates
    if told.get("type") != RENEWABLE or starts_at is None or ends_at is None or signed_at is None:
        return None
    if ends_at <= starts_at or not told.get("transactionId") or not told.get("productId"):
        return None
    return Span(
        transaction=told["transactionId"][:255],
        product_id=told["productId"][:255],
        starts_at=starts_at,
        ends_at=ends_at,
        signed_at=signed_at,
        revoked_at=from_milliseconds(told.get("revocationDate")),
        is_bought=told.get("transactionReason") == "PURCHASE" and not is_upgrade,
        is_trial=told.get("offerDiscountType") == "FREE_TRIAL",
    )


def _standing(facts: Mapping[str, Any], span: Span) -> str:
    """Of the whole subscription. A transaction handed in alone says that it is active while its span lasts."""
    known = _STANDINGS.get(facts.get("status") or 0) or _STANDINGS_BY_TYPE.get(facts.get("type", ""))
    if known is not None:
        return known
    is_running = span.revoked_at is None and span.ends_at > span.signed_at
    return Standing.ACTIVE if is_running and not facts.get("type") else ""
