"""Vault v3: a PayPal wallet kept for later charges, agreed on PayPal's page, without taking money.

https://developer.paypal.com/docs/checkout/save-payment-methods/purchase-later/payment-tokens-api/paypal/
"""

from collections.abc import Mapping
from typing import Any

from payments.gateways.contract import (
    ActionKind,
    GatewayOutcomeUnknown,
    GatewayRejected,
    NextAction,
    Outcome,
    SavedMethod,
    SavedToken,
    SaveRequest,
    SaveResult,
)
from payments.gateways.paypal.client import PayPalClient, PayPalRefused
from payments.gateways.paypal.orders import link, moment
from payments.gateways.paypal.vaulted import read_saved

_TOKENS = ("v3", "vault", "payment-tokens")
_SETUPS = ("v3", "vault", "setup-tokens")
_AGREED = "APPROVED"
_KEPT = frozenset({"VAULTED", "TOKENIZED"})


class Vault:
    def __init__(self, client: PayPalClient) -> None:
        self._client = client

    def save(self, request: SaveRequest) -> SaveResult:
        answer = self._client.post(_SETUPS, _setup_words(request), request_id=request.reference)
        return self._result(answer.words, reference=request.reference)

    def fetch(self, reference: str, *, gateway_reference: str) -> SaveResult:
        """``gateway_reference`` is a setup token's id or, later, the payment token's. What the payer agreed to is
        turned into a payment token here: that it is only asked for is how PayPal wants it. A token that is gone was
        ended, or never agreed to in time."""
        if not gateway_reference:
            return SaveResult(reference, Outcome.NOT_FOUND)
        setup = self._client.get((*_SETUPS, gateway_reference))
        if setup is not None:
            return self._result(setup, reference=reference)
        token = self._client.get((*_TOKENS, gateway_reference))
        if token is None:
            gone = SavedMethod(token=gateway_reference)
            return SaveResult(reference, Outcome.CANCELED, gateway_reference=gateway_reference, saved=gone)
        return _kept(token, reference=reference, gateway_reference=gateway_reference)

    def forget(self, saved: SavedToken) -> None:
        self._client.delete((*_TOKENS, saved.token))

    def _result(self, setup: Mapping[str, Any], *, reference: str) -> SaveResult:
        setup_id, status = setup.get("id"), setup.get("status")
        if not isinstance(setup_id, str) or not setup_id or not isinstance(status, str):
            raise GatewayOutcomeUnknown("the setup token has no id or no status", code="malformed")
        if status == _AGREED:
            return self._keep(setup, setup_id, reference=reference)
        if status in _KEPT:
            return self._find_kept(setup, setup_id, reference=reference)
        url = link(setup, ("approve", "payer-action"))
        if status != "PAYER_ACTION_REQUIRED" or not url:
            return SaveResult(reference, Outcome.PENDING, gateway_reference=setup_id)
        action = NextAction(kind=ActionKind.REDIRECT, url=url)
        return SaveResult(reference, Outcome.REQUIRES_ACTION, gateway_reference=setup_id, action=action)

    def _keep(self, setup: Mapping[str, Any], setup_id: str, *, reference: str) -> SaveResult:
        words = {"payment_source": {"token": {"id": setup_id, "type": "SETUP_TOKEN"}}}
        try:
            answer = self._client.post(_TOKENS, words, request_id=f"{reference}.token")
        except PayPalRefused as refused:
            if refused.status == 404:
                return SaveResult(reference, Outcome.CANCELED, gateway_reference=setup_id)
            if refused.status != 422:
                raise
            return self._find_kept(setup, setup_id, reference=reference)
        return _kept(answer.words, reference=reference, gateway_reference=setup_id)

    def _find_kept(self, setup: Mapping[str, Any], setup_id: str, *, reference: str) -> SaveResult:
        """The setup token was used, and the answer lost: a payer has one PayPal token with us, so it is that."""
        pending = SaveResult(reference, Outcome.PENDING, gateway_reference=setup_id)
        customer = setup.get("customer")
        customer_id = customer.get("id") if isinstance(customer, dict) else None
        if not isinstance(customer_id, str) or not customer_id:
            return pending
        listed = self._client.get(_TOKENS, query={"customer_id": customer_id})
        tokens = listed.get("payment_tokens") if listed is not None else None
        wallets = [one for one in tokens if _is_wallet(one)] if isinstance(tokens, list) else []
        return _kept(wallets[0], reference=reference, gateway_reference=setup_id) if len(wallets) == 1 else pending


def _is_wallet(token: Any) -> bool:
    source = token.get("payment_source") if isinstance(token, dict) else None
    return isinstance(source, dict) and "paypal" in source


def _setup_words(request: SaveRequest) -> dict[str, Any]:
    if not request.return_url:
        raise GatewayRejected("PayPal needs to know where the payer comes back to", code="gateway_rejected")
    paypal = {
        "usage_type": "MERCHANT",
        "customer_type": "CONSUMER",
        "permit_multiple_payment_tokens": False,
        "experience_context": {
            "shipping_preference": "NO_SHIPPING",
            "return_url": request.return_url,
            "cancel_url": request.return_url,
        },
    }
    if request.description:
        paypal["description"] = request.description[:128]
    words: dict[str, Any] = {"payment_source": {"paypal": paypal}}
    customer = {"id": request.customer_reference, "merchant_customer_id": request.payer_reference}
    known = {name: value for name, value in customer.items() if value}
    return words | ({"customer": known} if known else {})


def _kept(token: Mapping[str, Any], *, reference: str, gateway_reference: str) -> SaveResult:
    source = token.get("payment_source")
    saved: SavedMethod | None = read_saved(token, source.get("paypal") if isinstance(source, dict) else None)
    if saved is None:
        raise GatewayOutcomeUnknown("the payment token has no id", code="malformed")
    return SaveResult(
        reference,
        Outcome.SUCCEEDED,
        gateway_reference=gateway_reference,
        saved=saved,
        occurred_at=moment(token.get("create_time")),
    )
