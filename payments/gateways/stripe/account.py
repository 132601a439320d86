"""What all parts of the adapter share: the account's keys, and reading answers with doubt."""

from collections.abc import Callable
from typing import Any, TypeVar

from payments.gateways.contract import (
    DisputeNotice,
    Gateway,
    GatewayConfiguration,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayUnavailable,
    NextAction,
    PaymentResult,
    RefundResult,
    SaveResult,
)
from payments.gateways.stripe import reading
from payments.gateways.stripe.json_words import NotUnderstood, Words, entries, text
from payments.gateways.stripe.sdk import StripeApi, StripeRefusal, path_part

INTENTS = "/v1/payment_intents"
CHARGE = "latest_charge.balance_transaction"
"""Asked for with every intent: the charge knows the card, its balance transaction the fee."""
PAGE = 100
MAX_PAGES = 5

Result = TypeVar("Result", PaymentResult, RefundResult, SaveResult)


class StripeAccount(Gateway):
    def __init__(self, configuration: GatewayConfiguration) -> None:
        super().__init__(configuration)
        self._api = StripeApi(configuration)
        self._publishable_key = configuration.settings.get("publishable_key", "")

    def _customer_of(self, payer_reference: str) -> str:
        """Stripe's customer for this person, made once. Nothing was paid or kept yet if that goes wrong."""
        said = {"metadata": {"payer": payer_reference}}
        try:
            return text(self._api.post("/v1/customers", said, key=f"customer-{payer_reference}"), "id")
        except (GatewayOutcomeUnknown, NotUnderstood) as problem:
            raise GatewayUnavailable("no customer could be made", code="no_customer") from problem

    def _customer_access(self, customer: str, *, mobile_version: str) -> dict[str, str]:
        """Short-lived keys with which the payer's sheet shows and keeps this customer's methods. Without them the
        sheet still takes a payment, so none is worth losing it."""
        try:
            if mobile_version:
                made = self._api.post("/v1/ephemeral_keys", {"customer": customer}, version=mobile_version)
                return {"ephemeral_key": text(made, "secret")}
            kept = {"enabled": True, "features": {"payment_method_save": "enabled"}}
            said = {"customer": customer, "components": {"payment_element": kept, "mobile_payment_element": kept}}
            return {"customer_session": text(self._api.post("/v1/customer_sessions", said), "client_secret")}
        except (GatewayError, NotUnderstood):
            return {}

    def _read(self, intent: Words, reference: str, *, error: Words | None = None) -> PaymentResult:
        return about(
            lambda: reading.payment_result(intent, publishable_key=self._publishable_key, error=error), reference
        )

    def _find(self, reference: str, gateway_reference: str) -> Words | None:
        if gateway_reference:
            try:
                return self._api.get(f"{INTENTS}/{path_part(gateway_reference)}", {"expand": [CHARGE]})
            except StripeRefusal as refused:
                if refused.is_missing:
                    return None
                raise
        return self._search(reference)

    def _search(self, reference: str) -> Words | None:
        """Stripe's index is up to a minute behind, so that nothing is found proves nothing."""
        query = "metadata['{}']:'{}'".format(reading.REFERENCE, reference.replace("\\", "").replace("'", ""))
        answer = self._api.get(f"{INTENTS}/search", {"query": query, "limit": 10, "expand": [f"data.{CHARGE}"]})
        try:
            found = entries(answer, "data")
        except NotUnderstood as problem:
            raise malformed(problem) from None
        alive = [intent for intent in found if intent.get("status") != "canceled"]
        if len(alive) > 1:
            raise GatewayOutcomeUnknown(f"Stripe has {len(alive)} intents under this number", code="more_than_one")
        first = alive or found
        return first[0] if first else None

    def _found(self, reference: str, gateway_reference: str) -> Words:
        intent = self._find(reference, gateway_reference)
        if intent is None:
            raise GatewayOutcomeUnknown("Stripe does not find it yet", code="not_found")
        self._read(intent, reference)
        return intent

    def _list(self, path: str, asked: dict[str, Any], *, wanted: Callable[[Words], bool]) -> Words | None:
        """The first of the newest few hundred that is wanted."""
        asked = {**asked, "limit": PAGE}
        for _page in range(MAX_PAGES):
            answer = self._api.get(path, asked)
            try:
                found = entries(answer, "data")
                match = next((entry for entry in found if wanted(entry)), None)
                if match is not None or not answer.get("has_more") or not found:
                    return match
                asked["starting_after"] = text(found[-1], "id")
            except NotUnderstood as problem:
                raise malformed(problem) from None
        return None


def about(read: Callable[[], Result], reference: str) -> Result:
    """An answer about something else than what was asked is no answer."""
    result = understood(read)
    if result.reference != reference:
        raise GatewayOutcomeUnknown("the answer is about another reference", code="wrong_reference")
    return result


T = TypeVar("T", PaymentResult, RefundResult, SaveResult, DisputeNotice, NextAction)


def understood(read: Callable[[], T]) -> T:
    try:
        return read()
    except NotUnderstood as problem:
        raise malformed(problem) from None


def malformed(problem: NotUnderstood) -> GatewayOutcomeUnknown:
    return GatewayOutcomeUnknown(f"the answer is malformed: {problem}", code="malformed")


def unless_key_was_used(refused: StripeRefusal) -> GatewayError:
    """What was sent before under this key, in other words, may have had its effect."""
    if refused.is_key_reused:
        return GatewayOutcomeUnknown(str(refused), code="key_reused")
    return refused
