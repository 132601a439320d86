"""Gifts, grants and redemptions as the API shows them."""

from typing import Any

from memberships.catalogue.known import plan_of, price_of
from memberships.models import Gift, Grant, Redemption


def present_to_buyer(gift: Gift) -> dict[str, Any]:
    """With what the buyer wrote, and to whom."""
    return present_gift(gift) | {"recipient_email": gift.recipient_email, "message": gift.message}


def present_gift(gift: Gift) -> dict[str, Any]:
    """Without anybody's words or address: an answer to a create is kept as it is."""
    price = price_of(gift.price_id)
    good = [code.last_four for code in gift.codes.all() if code.voided_at is None]
    return {
        "id": gift.id,
        "object": "gift",
        "status": str(gift.status),
        "plan": price.plan.code,
        "price": price.id,
        "interval": str(price.interval),
        "interval_count": price.interval_count,
        "currency": gift.invoice.currency,
        "amount_minor": gift.invoice.total_minor,
        "order": gift.invoice.order_id,
        "invoice": gift.invoice_id,
        "language": gift.language,
        "deliver_at": _iso(gift.deliver_at),
        "delivered_at": _iso(gift.delivered_at),
        "code_ends_with": good[0] if good else None,
        "created_at": _iso(gift.created_at),
    }


def present_grant(grant: Grant) -> dict[str, Any]:
    return {
        "id": grant.id,
        "object": "grant",
        "user": grant.user_id,
        "plan": plan_of(grant.plan_id).code,
        "source": str(grant.source),
        "starts_at": _iso(grant.starts_at),
        "ends_at": _iso(grant.ends_at),
        "revoked_at": _iso(grant.revoked_at),
    }


def present_redemption(redemption: Redemption) -> dict[str, Any]:
    given = redemption.given
    if isinstance(given, Grant):
        plan_id, subscription_id = given.plan_id, None
    else:
        plan_id, subscription_id = given.plan_version.plan_id, given.subscription_id
    return {
        "id": redemption.id,
        "object": "redemption",
        "plan": plan_of(plan_id).code,
        "gave": "period" if subscription_id else "grant",
        "subscription": subscription_id,
        "starts_at": _iso(given.starts_at),
        "ends_at": _iso(given.ends_at),
        "redeemed_at": _iso(redemption.redeemed_at),
    }


def _iso(moment: Any) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
