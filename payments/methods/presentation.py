"""Saved methods and mandates as the API shows them. Tokens never leave."""

from typing import Any

from payments.methods.models import Mandate, PaymentMethod


def present_method(method: PaymentMethod, *, merchant_id: str | None = None) -> dict[str, Any]:
    """To its owner, or with ``merchant_id`` to a merchant: the merchant's own mandates only."""
    mandates = [mandate for mandate in method.mandates.all() if merchant_id in (None, mandate.merchant_id)]
    is_card = bool(method.brand or method.last4 or method.expiry_month)
    return {
        "id": method.id,
        "object": "payment_method",
        "method": method.method,
        "status": str(method.status),
        "is_default": method.is_default,
        "card": _card(method) if is_card else None,
        "label": method.label,
        "next_action": method.action,
        "failure_code": method.failure_code or None,
        "merged_into": method.merged_into_id,
        "mandates": [present_mandate(mandate) for mandate in mandates],
        "last_used_at": method.last_used_at,
        "created_at": method.created_at,
    }


def _card(method: PaymentMethod) -> dict[str, Any]:
    return {
        "brand": method.brand,
        "last4": method.last4,
        "expiry_month": method.expiry_month,
        "expiry_year": method.expiry_year,
    }


def present_mandate(mandate: Mandate) -> dict[str, Any]:
    return {
        "id": mandate.id,
        "object": "mandate",
        "payment_method": mandate.payment_method_id,
        "merchant": mandate.merchant_id,
        "status": str(mandate.status),
        "text_version": mandate.text_version,
        "language": mandate.language,
        "max_amount_minor": mandate.max_amount_minor,
        "currency": mandate.currency or None,
        "interval": mandate.interval or None,
        "interval_count": mandate.interval_count,
        "first_charge_at": mandate.first_charge_at,
        "accepted_at": mandate.accepted_at,
        "ended_at": mandate.ended_at,
    }
