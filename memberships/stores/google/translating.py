"""Between Google Play's words and ours. Anything unlisted is pending."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from memberships.models import StorePurchase
from memberships.stores.accounts import user_of_token
from memberships.stores.facts import Span
from memberships.stores.moments import from_rfc3339

Standing = StorePurchase.Standing
NEVER_PAID = "SUBSCRIPTION_STATE_PENDING_PURCHASE_CANCELED"
_STANDINGS = {
    "SUBSCRIPTION_STATE_ACTIVE": Standing.ACTIVE,
    "SUBSCRIPTION_STATE_CANCELED": Standing.ACTIVE,  # access lasts until it expires
    "SUBSCRIPTION_STATE_IN_GRACE_PERIOD": Standing.GRACE,
    "SUBSCRIPTION_STATE_ON_HOLD": Standing.RETRY,
    "SUBSCRIPTION_STATE_PAUSED": Standing.PAUSED,
    "SUBSCRIPTION_STATE_EXPIRED": Standing.EXPIRED,
    NEVER_PAID: Standing.EXPIRED,
}
_END_IS_AN_ESTIMATE = (Standing.GRACE, Standing.RETRY, Standing.PAUSED)


@dataclass(frozen=True, slots=True)
class PlayAnswer:
    """``SubscriptionPurchaseV2``, read. ``linked_token`` is the one that this token replaces, once it ``is_bought``: a
    payment that is pending, or was given up, replaces nothing."""

    standing: str
    span: Span | None
    grace_until: datetime | None
    auto_renews: bool | None
    linked_token: str
    is_bought: bool
    is_test: bool
    wants_acknowledgement: bool
    user_id: str | None


def read_answer(answer: Mapping[str, Any], *, asked_at: datetime, voided: Mapping[str, str]) -> PlayAnswer:
    """``asked_at`` stands for the signature's date, for the answer is true of that moment; ``voided`` are orders that
    were taken back, and when."""
    standing = _STANDINGS.get(answer.get("subscriptionState", ""), Standing.PENDING)
    is_bought = standing != Standing.PENDING and answer.get("subscriptionState") != NEVER_PAID
    line = _newest_line(answer)
    span = _span(answer, line, standing, asked_at=asked_at, voided=voided) if is_bought else None
    linked = answer.get("linkedPurchaseToken")
    return PlayAnswer(
        standing=standing,
        span=span,
        grace_until=span.ends_at if span is not None and standing == Standing.GRACE else None,
        auto_renews=_renews(line),
        linked_token=linked if isinstance(linked, str) and 0 < len(linked) <= 1024 else "",
        is_bought=is_bought,
        is_test="testPurchase" in answer,
        wants_acknowledgement=is_bought and answer.get("acknowledgementState") == "ACKNOWLEDGEMENT_STATE_PENDING",
        user_id=user_of_token(_object(answer, "externalAccountIdentifiers").get("obfuscatedExternalAccountId")),
    )


def _newest_line(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    lines = [line for line in answer.get("lineItems") or [] if isinstance(line, dict)]
    return max(lines, key=lambda line: str(line.get("expiryTime", "")), default={})


def _object(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _renews(line: Mapping[str, Any]) -> bool | None:
    """JSON leaves out what is false."""
    if "autoRenewingPlan" in line:
        return bool(_object(line, "autoRenewingPlan").get("autoRenewEnabled", False))
    return False if "prepaidPlan" in line else None


def _span(
    answer: Mapping[str, Any],
    line: Mapping[str, Any],
    standing: str,
    *,
    asked_at: datetime,
    voided: Mapping[str, str],
) -> Span | None:
    starts_at, ends_at = from_rfc3339(answer.get("startTime")), from_rfc3339(line.get("expiryTime"))
    order = line.get("latestSuccessfulOrderId") or answer.get("latestOrderId")
    product = line.get("productId")
    if starts_at is None or ends_at is None or ends_at <= starts_at:
        return None
    if not isinstance(order, str) or not isinstance(product, str) or not order or not product:
        return None
    return Span(
        transaction=order[:255],
        product_id=product[:255],
        starts_at=starts_at,
        ends_at=ends_at,
        signed_at=asked_at,
        revoked_at=from_rfc3339(voided.get(order)),
        is_trial="freeTrial" in _object(line, "offerPhase"),
        is_start_open=".." in order,  # a renewal; what it renews began where it says
        is_end_open=standing in _END_IS_AN_ESTIMATE,
    )
