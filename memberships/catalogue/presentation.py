"""What is for sale as the API shows it."""

from typing import Any

from memberships.catalogue.known import OnSale, features
from memberships.models import Price


def present_plan(offered: OnSale, *, currency: str, interval: str, language: str) -> dict[str, Any]:
    """With its prices in ``currency`` and, unless empty, of ``interval`` only; names in ``language``."""
    plan, tier = offered.plan, offered.plan.tier
    prices = [price for price in offered.prices if price.currency == currency]
    return {
        "id": plan.id,
        "object": "plan",
        "code": plan.code,
        "name": plan.name(language),
        "tier": {"id": tier.id, "code": tier.code, "name": tier.name(language), "rank": tier.rank},
        "rank": tier.rank,
        "version": offered.version.number,
        "features": _features(offered, language),
        "seats": {"included": offered.version.seats_included, "most": offered.version.seats_most},
        "availability": _availability(offered, currency),
        "currency": currency,
        "currencies": sorted({price.currency for price in offered.prices}),
        "prices": [present_price(price) for price in prices if interval in ("", price.interval)],
    }


def present_price(price: Price) -> dict[str, Any]:
    return {
        "id": price.id,
        "currency": price.currency,
        "amount_minor": price.amount_minor,
        "interval": price.interval,
        "interval_count": price.interval_count,
        "trial_days": price.trial_days,
        "setup_fee_minor": price.setup_fee_minor,
        "seat_amount_minor": price.seat_amount_minor,
        "is_tax_inclusive": price.is_tax_inclusive,
    }


def _availability(offered: OnSale, currency: str) -> str:
    if offered.plan.tier.rank == 0:
        return "free"
    if not offered.prices:
        return "not_for_sale"
    return "on_sale" if any(price.currency == currency for price in offered.prices) else "not_in_currency"


def _features(offered: OnSale, language: str) -> list[dict[str, Any]]:
    known = features()
    return [
        {
            "code": code,
            "name": known[code].name(language),
            "kind": known[code].kind,
            "limit": limit,
            "reset": known[code].reset,
        }
        for code, limit in sorted(offered.version.features.items())
        if code in known
    ]
