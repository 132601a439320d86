"""Saved methods: a SetupIntent each, for a customer of Stripe's who stands for one person of ours."""

from dataclasses import replace
from typing import Any, ClassVar

from payments.gateways.contract import (
    ActionKind,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRejected,
    Outcome,
    SavedToken,
    SaveRequest,
    SaveResult,
)
from payments.gateways.stripe import reading, words
from payments.gateways.stripe.account import StripeAccount, about
from payments.gateways.stripe.json_words import NotUnderstood, Words, inner, text
from payments.gateways.stripe.paying import token_of
from payments.gateways.stripe.sdk import StripeRefusal, path_part

PATH = "/v1/setup_intents"


class Vault(StripeAccount):
    saveable_methods: ClassVar[frozenset[str]] = frozenset(words.METHODS)

    def save_method(self, request: SaveRequest) -> SaveResult:
        if request.method not in words.METHODS:
            raise GatewayRejected(f"Stripe has no method {request.method} here", code="method_not_supported")
        said: dict[str, Any] = {
            "customer": request.customer_reference or self._customer_of(request.payer_reference),
            "allowed_payment_method_types": ["card"],
            "usage": "off_session",
            "description": request.description[:1000],
            "metadata": {reading.REFERENCE: request.reference, "method": request.method},
            "expand": ["payment_method"],
        }
        if token := token_of(request.options):
            said |= {"payment_method": token, "confirm": True}
            said["metadata"][reading.CONFIRMED_BY] = reading.SERVER
            if request.return_url:
                said["return_url"] = request.return_url
        error: Words | None = None
        is_old = False
        try:
            intent, is_old = self._api.make(PATH, said, key=request.reference)
        except StripeRefusal as refused:
            if refused.intent is None:
                raise
            intent, error = refused.intent, refused.error
        try:
            if is_old:
                intent = self._api.get(f"{PATH}/{path_part(text(intent, 'id'))}", {"expand": ["payment_method"]})
            result = self._settled_setup(intent, request.reference, error=error)
        except (GatewayError, NotUnderstood) as problem:
            raise GatewayOutcomeUnknown(str(problem), code=getattr(problem, "code", "malformed")) from problem
        return self._with_sheet(result, mobile_version=request.options.get("mobile_api_version"))

    def fetch_saved(self, reference: str, *, gateway_reference: str = "") -> SaveResult:
        """Without Stripe's own id the newest few hundred are looked through."""
        expand = {"expand": ["payment_method"]}
        intent: Words | None
        if gateway_reference:
            try:
                intent = self._api.get(f"{PATH}/{path_part(gateway_reference)}", expand)
            except StripeRefusal as refused:
                if not refused.is_missing:
                    raise
                intent = None
        else:
            intent = self._list(
                PATH, {"expand": ["data.payment_method"]}, wanted=lambda intent: reading.is_called(intent, reference)
            )
        if intent is None:
            return SaveResult(reference=reference, outcome=Outcome.NOT_FOUND)
        return self._settled_setup(intent, reference)

    def forget_method(self, saved: SavedToken, *, method: str) -> None:
        path = f"/v1/payment_methods/{path_part(saved.token)}"
        try:
            self._api.post(f"{path}/detach", {})
        except StripeRefusal as refused:
            # Detaching twice is refused; what belongs to nobody any more cannot be charged.
            if not refused.is_missing and self._api.get(path).get("customer") is not None:
                raise

    def _settled_setup(self, intent: Words, reference: str, *, error: Words | None = None) -> SaveResult:
        self._read_setup(intent, reference)
        if reading.is_declined_here(intent):
            error = error or inner(intent, "last_setup_error") or None
            path = f"{PATH}/{path_part(text(intent, 'id'))}/cancel"
            intent = self._api.post(path, {"cancellation_reason": "abandoned", "expand": ["payment_method"]})
        return self._read_setup(intent, reference, error=error)

    def _with_sheet(self, result: SaveResult, *, mobile_version: Any) -> SaveResult:
        action = result.action
        if action is None or action.kind is not ActionKind.APP:
            return result
        access = self._customer_access(
            action.app_parameters["customer"], mobile_version=mobile_version if isinstance(mobile_version, str) else ""
        )
        return replace(result, action=replace(action, app_parameters={**action.app_parameters, **access}))

    def _read_setup(self, intent: Words, reference: str, *, error: Words | None = None) -> SaveResult:
        return about(lambda: reading.save_result(intent, publishable_key=self._publishable_key, error=error), reference)
