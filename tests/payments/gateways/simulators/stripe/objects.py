"""The shapes of Stripe's objects, written from its API reference; checked against its published fixtures."""

from typing import Any

from tests.payments.gateways.simulators.stripe.cards import Card

Object = dict[str, Any]


def payment_method(identifier: str, card: Card, *, created: int) -> Object:
    return {
        "id": identifier,
        "object": "payment_method",
        "type": "card",
        "created": created,
        "customer": None,
        "livemode": False,
        "metadata": {},
        "card": {
            "brand": card.brand,
            "last4": card.last4,
            "exp_month": 8,
            "exp_year": 2030,
            "fingerprint": f"fp{card.brand}{card.last4}",
            "country": "US",
            "funding": "credit",
        },
    }


def payment_intent(identifier: str, said: Object, *, created: int) -> Object:
    return {
        "id": identifier,
        "object": "payment_intent",
        "amount": int(said["amount"]),
        "amount_capturable": 0,
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": said.get("capture_method", "automatic_async"),
        "client_secret": f"{identifier}_secret_{identifier[::-1]}",
        "confirmation_method": "automatic",
        "created": created,
        "currency": said["currency"],
        "customer": said.get("customer"),
        "description": said.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": dict(said.get("metadata", {})),
        "next_action": None,
        "payment_method": None,
        "payment_method_options": said.get("payment_method_options", {}),
        "payment_method_types": said.get("allowed_payment_method_types", ["card"]),
        "setup_future_usage": said.get("setup_future_usage"),
        "status": "requires_payment_method",
    }


def setup_intent(identifier: str, said: Object, *, created: int) -> Object:
    return {
        "id": identifier,
        "object": "setup_intent",
        "cancellation_reason": None,
        "client_secret": f"{identifier}_secret_{identifier[::-1]}",
        "created": created,
        "customer": said.get("customer"),
        "description": said.get("description"),
        "last_setup_error": None,
        "livemode": False,
        "metadata": dict(said.get("metadata", {})),
        "next_action": None,
        "payment_method": None,
        "payment_method_types": said.get("allowed_payment_method_types", ["card"]),
        "status": "requires_payment_method",
        "usage": said.get("usage", "off_session"),
    }


def charge(identifier: str, intent: Object, method: Object, *, created: int, multicapture: str) -> Object:
    card = method["card"]
    return {
        "id": identifier,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "balance_transaction": None,
        "captured": False,
        "created": created,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "outcome": {"reason": None, "type": "authorized"},
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {
            "type": "card",
            "card": {
                name: card[name]
                for name in ("brand", "last4", "exp_month", "exp_year", "fingerprint", "country", "funding")
            }
            | {"multicapture": {"status": multicapture}},
        },
        "refunded": False,
        "status": "succeeded",
    }


def balance_transaction(identifier: str, **facts: Any) -> Object:
    return {
        "id": identifier,
        "object": "balance_transaction",
        "available_on": facts["created"] + 2 * 86_400,
        "description": None,
        "exchange_rate": None,
        "fee_details": [],
        "net": facts["amount"] - facts["fee"],
        "status": "pending",
        **facts,
    }


def refund(identifier: str, intent: Object, said: Object, *, amount: int, created: int) -> Object:
    return {
        "id": identifier,
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": intent["latest_charge"],
        "created": created,
        "currency": intent["currency"],
        "metadata": dict(said.get("metadata", {})),
        "payment_intent": intent["id"],
        "reason": said.get("reason"),
        "status": "succeeded",
    }


def dispute(identifier: str, of: Object, *, amount: int, reason: str, status: str, created: int) -> Object:
    return {
        "id": identifier,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": of["id"],
        "created": created,
        "currency": of["currency"],
        "evidence": {},
        "evidence_details": {
            "due_by": created + 7 * 86_400,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": of["payment_intent"],
        "reason": reason,
        "status": status,
    }


def event(identifier: str, kind: str, subject: Object, *, created: int, api_version: str) -> Object:
    return {
        "id": identifier,
        "object": "event",
        "api_version": api_version,
        "created": created,
        "data": {"object": subject},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }
