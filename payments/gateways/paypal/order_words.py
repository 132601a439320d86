"""What we tell PayPal when we create an order."""

from typing import Any

from payments.gateways.contract import GatewayRejected, PaymentRequest
from payments.gateways.paypal.money import money_words
from payments.gateways.paypal.orders import CLOSED_PREFIX


def order_words(request: PaymentRequest, *, brand_name: str) -> dict[str, Any]:
    """Our number goes twice: ``custom_id`` comes back in answers, callbacks, disputes and reports; ``invoice_id`` lets
    PayPal refuse to be paid twice for it, also after it forgot the request id."""
    unit: dict[str, Any] = {
        "amount": money_words(request.amount_minor, request.currency),
        "custom_id": request.reference,
        "invoice_id": request.reference,
    }
    if request.description:
        unit["description"] = request.description[:127]
    return {
        "intent": "CAPTURE" if request.capture else "AUTHORIZE",
        "purchase_units": [unit],
        "payment_source": {"paypal": _wallet(request, brand_name=brand_name)},
    }


def stopper_words(reference: str) -> dict[str, Any]:
    """An order that nobody can approve, under a payment's request id: if the payment arrived before, PayPal answers
    with that instead; if it comes later, it is answered with this."""
    amount = {"currency_code": "USD", "value": "1.00"}
    return {"intent": "AUTHORIZE", "purchase_units": [{"amount": amount, "custom_id": CLOSED_PREFIX + reference}]}


def _wallet(request: PaymentRequest, *, brand_name: str) -> dict[str, Any]:
    if not request.return_url and request.saved is None:
        raise GatewayRejected("PayPal needs to know where the payer comes back to", code="gateway_rejected")
    wallet: dict[str, Any] = {}
    if request.return_url:
        context = {
            "shipping_preference": "NO_SHIPPING",
            "user_action": "PAY_NOW",
            "return_url": request.return_url,
            "cancel_url": request.return_url,
        }
        wallet["experience_context"] = context | ({"brand_name": brand_name[:127]} if brand_name else {})
    if request.saved is not None:
        wallet["vault_id"] = request.saved.token
        wallet["stored_credential"] = {
            "payment_initiator": "MERCHANT" if request.is_off_session else "CUSTOMER",
            "usage": "SUBSEQUENT",
        }
    elif request.saves_method:
        attributes: dict[str, Any] = {"vault": {"store_in_vault": "ON_SUCCESS", "usage_type": "MERCHANT"}}
        if request.customer_reference:
            attributes["customer"] = {"id": request.customer_reference}
        wallet["attributes"] = attributes
    return wallet
