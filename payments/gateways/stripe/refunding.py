"""Refunds. A bank can send one back weeks later: then a refund that had succeeded is reported as failed."""

from typing import Any

from payments.gateways.contract import Outcome, RefundRequest, RefundResult
from payments.gateways.stripe import reading
from payments.gateways.stripe.account import StripeAccount, about, unless_key_was_used
from payments.gateways.stripe.amounts import to_stripe
from payments.gateways.stripe.json_words import text
from payments.gateways.stripe.sdk import StripeRefusal

PATH = "/v1/refunds"


class Refunding(StripeAccount):
    def create_refund(self, request: RefundRequest) -> RefundResult:
        intent = request.payment_gateway_reference or text(self._found(request.payment_reference, ""), "id")
        said = {
            "payment_intent": intent,
            "amount": to_stripe(request.amount_minor, request.currency),
            "metadata": {
                reading.REFERENCE: request.reference,
                "payment_reference": request.payment_reference,
                "reason": request.reason[:500],
            },
        }
        try:
            refund = self._api.post(PATH, said, key=request.reference)
        except StripeRefusal as refused:
            raise unless_key_was_used(refused) from None
        return about(lambda: reading.refund_result(refund), request.reference)

    def fetch_refund(
        self, reference: str, *, payment_reference: str = "", payment_gateway_reference: str = ""
    ) -> RefundResult:
        """Refunds cannot be searched for: those of the payment, or else the newest of all, are looked through."""
        asked: dict[str, Any] = {}
        if payment_gateway_reference:
            asked["payment_intent"] = payment_gateway_reference
        elif payment_reference and (intent := self._search(payment_reference)) is not None:
            asked["payment_intent"] = text(intent, "id")
        refund = self._list(PATH, asked, wanted=lambda refund: reading.is_called(refund, reference))
        if refund is None:
            return RefundResult(reference=reference, outcome=Outcome.NOT_FOUND)
        return about(lambda: reading.refund_result(refund), reference)
