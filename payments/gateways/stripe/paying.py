"""Payments: one PaymentIntent each, under our number, confirmed in the payer's sheet or, with a known method, here."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from payments.gateways.contract import (
    ActionKind,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRejected,
    Outcome,
    PaymentRequest,
    PaymentResult,
)
from payments.gateways.stripe import reading, words
from payments.gateways.stripe.account import CHARGE, INTENTS, StripeAccount, unless_key_was_used
from payments.gateways.stripe.amounts import CURRENCIES, to_stripe
from payments.gateways.stripe.json_words import NotUnderstood, Words, inner, number, text
from payments.gateways.stripe.sdk import StripeRefusal, path_part

_ENDED = (Outcome.SUCCEEDED, Outcome.AUTHORIZED, Outcome.CANCELED, Outcome.FAILED)
TOKEN = re.compile(r"pm_[A-Za-z0-9_]{1,250}")
"""A payment method that Stripe's own form made in the payer's browser or app. Nothing else is ever sent on."""


class Paying(StripeAccount):
    def create_payment(self, request: PaymentRequest) -> PaymentResult:
        said = self._said_of(request)
        error: Words | None = None
        is_old = False
        try:
            intent, is_old = self._api.make(INTENTS, said, key=request.reference)
        except StripeRefusal as refused:
            if refused.intent is None:
                raise
            intent, error = refused.intent, refused.error
        try:
            if is_old:
                intent = self._find(request.reference, text(intent, "id")) or intent
            result = self._settled(intent, request.reference, error=error)
        except (GatewayError, NotUnderstood) as problem:  # the intent is there, whatever went wrong after
            raise GatewayOutcomeUnknown(str(problem), code=getattr(problem, "code", "malformed")) from problem
        return self._with_customer_access(result, request)

    def fetch_payment(self, reference: str, *, gateway_reference: str = "", method: str = "") -> PaymentResult:
        intent = self._find(reference, gateway_reference)
        if intent is None:
            return PaymentResult(reference=reference, outcome=Outcome.NOT_FOUND)
        return self._settled(intent, reference)

    def capture_payment(
        self,
        reference: str,
        *,
        capture_reference: str,
        amount_minor: int,
        currency: str,
        gateway_reference: str = "",
    ) -> PaymentResult:
        """Where the account cannot capture in parts, Stripe lets the rest go and the answer is SUCCEEDED."""
        intent = self._found(reference, gateway_reference)
        held = self._read(intent, reference)
        if capture_reference in inner(intent, "metadata"):
            return held
        if held.currency != currency:
            raise GatewayRejected(f"what is held is {held.currency}", code="currency_not_supported")
        amount = to_stripe(amount_minor, currency)
        said: dict[str, Any] = {
            "amount_to_capture": amount,
            # Under its number for this adapter, under "capture" for the statement: a line is one capture.
            "metadata": {capture_reference: str(amount_minor), "capture": capture_reference},
            "expand": [CHARGE],
        }
        if _captures_in_parts(intent) and amount < (number(intent, "amount_capturable") or 0):
            said["final_capture"] = False
        try:
            taken = self._api.post(f"{INTENTS}/{path_part(text(intent, 'id'))}/capture", said, key=capture_reference)
        except StripeRefusal as refused:
            raise unless_key_was_used(refused) from None
        return self._read(taken, reference)

    def void_payment(self, reference: str, *, gateway_reference: str = "") -> PaymentResult:
        result = self._read(self._cancel(self._found(reference, gateway_reference)), reference)
        if result.outcome is Outcome.SUCCEEDED and result.captured_minor == result.amount_minor:
            raise GatewayRejected("it was captured", code="gateway_rejected")
        return result

    def close_payment(
        self, reference: str, *, gateway_reference: str = "", method: str = "", expires_at: datetime | None = None
    ) -> PaymentResult:
        intent = self._find(reference, gateway_reference)
        if intent is None:
            intent = self._use_up(reference)
        result = self._read(intent, reference)
        return result if result.outcome in _ENDED else self._read(self._cancel(intent), reference)

    def _said_of(self, request: PaymentRequest) -> dict[str, Any]:
        if request.method not in words.METHODS:
            raise GatewayRejected(f"Stripe has no method {request.method} here", code="method_not_supported")
        if request.currency not in CURRENCIES:
            raise GatewayRejected(f"Stripe takes no {request.currency}", code="currency_not_supported")
        said: dict[str, Any] = {
            "amount": to_stripe(request.amount_minor, request.currency),
            "currency": request.currency.lower(),
            # Apple Pay and Google Pay are cards in a wallet; nothing else that the account may have switched on.
            "allowed_payment_method_types": ["card"],
            # Not automatic_async: the answer then knows the fee.
            "capture_method": "automatic" if request.capture else "manual",
            "description": request.description[:1000],
            "metadata": {
                reading.REFERENCE: request.reference,
                "order": request.order_reference,
                "method": request.method,
            },
            "expand": [CHARGE],
        }
        self._say_who(request, said)
        _say_how(request, said, multicapture=self.configuration.settings.get("request_multicapture", ""))
        return said

    def _say_who(self, request: PaymentRequest, said: dict[str, Any]) -> None:
        customer = (request.saved.customer_reference if request.saved else "") or request.customer_reference
        if request.saves_method and not request.saved:
            said["setup_future_usage"] = "off_session"
            if not customer and not request.payer_reference:
                raise GatewayRejected("a method is kept for somebody", code="gateway_rejected")
            customer = customer or self._customer_of(request.payer_reference)
        if customer:
            said["customer"] = customer

    def _settled(self, intent: Words, reference: str, *, error: Words | None = None) -> PaymentResult:
        """A try that failed here is over only when nobody can try again with the same intent."""
        result = self._read(intent, reference, error=error)
        if not reading.is_declined_here(intent):
            return result
        error = error or inner(intent, "last_payment_error") or None
        return self._read(self._cancel(intent), reference, error=error)

    def _with_customer_access(self, result: PaymentResult, request: PaymentRequest) -> PaymentResult:
        action = result.action
        if action is None or action.kind is not ActionKind.APP or not action.app_parameters.get("customer"):
            return result
        version = request.options.get("mobile_api_version")
        access = self._customer_access(
            action.app_parameters["customer"], mobile_version=version if isinstance(version, str) else ""
        )
        return replace(result, action=replace(action, app_parameters={**action.app_parameters, **access}))

    def _cancel(self, intent: Words) -> Words:
        """The intent afterwards: canceled, or what it became meanwhile."""
        path = f"{INTENTS}/{path_part(text(intent, 'id'))}/cancel"
        said = {"cancellation_reason": "abandoned", "expand": [CHARGE]}
        try:
            return self._api.post(path, said)
        except StripeRefusal as refused:
            if refused.intent is None:
                raise
            return refused.intent

    def _use_up(self, reference: str) -> Words:
        """Take the number's key with an intent that nobody can pay. The lost request, should it still arrive, then
        differs from what the key was used for and is refused; if it came first, ours is."""
        said = {
            "amount": 200,
            "currency": "usd",
            "allowed_payment_method_types": ["card"],
            "description": "Never to be paid: closed before it arrived",
            "metadata": {reading.REFERENCE: reference, reading.CLOSED: "1"},
        }
        try:
            return self._api.post(INTENTS, said, key=reference)
        except StripeRefusal as refused:
            raise GatewayOutcomeUnknown(str(refused), code="arrived_meanwhile") from None


def _say_how(request: PaymentRequest, said: dict[str, Any], *, multicapture: str) -> None:
    card: dict[str, str] = {}
    if request.must_prove:
        card["request_three_d_secure"] = "any"
    if multicapture and not request.capture:
        card["request_multicapture"] = multicapture
    if card:
        said["payment_method_options"] = {"card": card}
    token = request.saved.token if request.saved else token_of(request.options)
    if not token:
        return
    said |= {"payment_method": token, "confirm": True}
    said["metadata"][reading.CONFIRMED_BY] = reading.SERVER
    if request.is_off_session:
        said["off_session"] = True
    elif request.return_url:
        said["return_url"] = request.return_url


def token_of(options: Mapping[str, Any]) -> str:
    token = options.get("token")
    if token is None:
        return ""
    if not isinstance(token, str) or not TOKEN.fullmatch(token):
        raise GatewayRejected("this is no payment method of Stripe's", code="invalid_details")
    return token


def _captures_in_parts(intent: Words) -> bool:
    details = inner(inner(inner(intent, "latest_charge"), "payment_method_details"), "card")
    return inner(details, "multicapture").get("status") == "available"
