"""A PayPal wallet that PayPal keeps for us, as we show it: never the whole e-mail address."""

from typing import Any

from payments.gateways.contract import SavedMethod


def read_saved(token: Any, paypal: Any) -> SavedMethod | None:
    """``token`` names it (``id``, ``customer``), ``paypal`` tells of the payer. None while it has no id."""
    token_id = _text(token, "id")
    if not token_id:
        return None
    return SavedMethod(
        token=token_id,
        customer_reference=_text(_part(token, "customer"), "id"),
        brand="paypal",
        fingerprint=_text(paypal, "account_id") or _text(paypal, "payer_id"),
        country=_text(_part(paypal, "address"), "country_code"),
        label=masked(_text(paypal, "email_address")),
    )


def masked(email: str) -> str:
    name, at, domain = email.partition("@")
    return f"{name[:1]}***@{domain}" if at and domain else ""


def _part(words: Any, name: str) -> Any:
    return words.get(name) if isinstance(words, dict) else None


def _text(words: Any, name: str) -> str:
    value = _part(words, name)
    return value if isinstance(value, str) else ""
