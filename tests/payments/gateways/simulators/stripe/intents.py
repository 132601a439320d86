"""PaymentIntents, SetupIntents and refunds: what each may become, and when."""

from typing import Any

from tests.payments.gateways.simulators.stripe import objects
from tests.payments.gateways.simulators.stripe.book import Book
from tests.payments.gateways.simulators.stripe.cards import CARDS
from tests.payments.gateways.simulators.stripe.objects import Object
from tests.payments.gateways.simulators.stripe.problems import Problem, missing, unexpected_state

_CANCELABLE = frozenset({"requires_payment_method", "requires_confirmation", "requires_action", "requires_capture"})
_ERROR_OF = {"payment_intent": "last_payment_error", "setup_intent": "last_setup_error"}


class Intents:
    def __init__(self, book: Book) -> None:
        self.book = book
        self.settles_in = "usd"
        self.offers_multicapture = False
        self.declines: dict[str, str] = {}
        """By our reference: the test method whose fate the next try has."""

    def create(self, said: Object) -> Object:
        if int(said.get("amount", 0)) < 50 and said.get("currency") == "usd":
            raise Problem(400, "amount_too_small", "Amount must be at least $0.50 usd", param="amount")
        self._check_parties(said)
        intent = self.book.keep(objects.payment_intent(self.book.new_id("pi"), said, created=self.book.now))
        self.book.tell("payment_intent.created", intent)
        if said.get("confirm") == "true":
            self.confirm(intent, said["payment_method"], is_off_session=said.get("off_session") == "true", said=said)
        return intent

    def confirm(self, intent: Object, method: str, *, is_off_session: bool = False, said: Object | None = None) -> None:
        """Raises the 402 that the caller gets; a declined try leaves the intent open for another."""
        if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
            raise unexpected_state(intent, "confirm")
        used = self.book.method(self.declines.pop(intent["metadata"].get("reference", ""), method))
        card = self.book.cards[used["id"]]
        must_prove = (intent.get("payment_method_options") or {}).get("card", {}).get("request_three_d_secure")
        if card.code:
            self._decline(intent, used, {"code": card.code, "decline_code": card.decline_code, "type": "card_error"})
        if card.needs_proof or must_prove == "any":
            if is_off_session:
                error = {"code": "authentication_required", "decline_code": "authentication_required"}
                self._decline(intent, used, {**error, "type": "card_error"})
            self._ask_for_proof(intent, used, return_url=(said or {}).get("return_url", ""))
            return
        self.succeed(intent, used)

    def prove(self, intent: Object, *, is_proven: bool) -> None:
        """The payer did, or did not do, what their bank asked."""
        if intent["status"] != "requires_action":
            raise unexpected_state(intent, "authenticate")
        used, intent["next_action"] = self.book.get(intent["payment_method"], "payment_method"), None
        if is_proven:
            self.succeed(intent, used)
            return
        name = intent["object"]
        error = {"type": "invalid_request_error", "code": f"{name}_authentication_failure", "message": "Not proven."}
        intent |= {_ERROR_OF[name]: error, "payment_method": None, "status": "requires_payment_method"}
        self._tell_failure(intent)

    def succeed(self, intent: Object, used: Object) -> None:
        if intent.get("setup_future_usage") or intent["object"] == "setup_intent":
            used["customer"] = intent["customer"]
        intent |= {"payment_method": used["id"], _ERROR_OF[intent["object"]]: None, "next_action": None}
        if intent["object"] == "setup_intent":
            intent["status"] = "succeeded"
            self.book.tell("setup_intent.succeeded", intent)
            return
        made = self._charge(intent, used)
        if intent["capture_method"] == "manual":
            intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
            self.book.tell("payment_intent.amount_capturable_updated", intent)
            return
        self._take(intent, made, intent["amount"])
        intent["status"] = "succeeded"
        self.book.tell("payment_intent.succeeded", intent)

    def capture(self, intent: Object, said: Object) -> Object:
        if intent["status"] != "requires_capture":
            raise unexpected_state(intent, "capture")
        amount = int(said.get("amount_to_capture", intent["amount_capturable"]))
        if amount > intent["amount_capturable"]:
            raise Problem(400, "amount_too_large", "You cannot capture more than is held.", param="amount_to_capture")
        made = self.book.get(intent["latest_charge"], "charge")
        is_final = said.get("final_capture") != "false"
        available = made["payment_method_details"]["card"]["multicapture"]["status"] == "available"
        if not is_final and not available:
            raise Problem(400, "parameter_unknown", "Multicapture is not available.", param="final_capture")
        intent["metadata"] |= said.get("metadata", {})
        self._take(intent, made, amount)
        rest = intent["amount_capturable"] - amount
        intent["amount_capturable"] = 0 if is_final else rest
        if not intent["amount_capturable"]:
            intent["status"] = "succeeded"
            self.book.tell("payment_intent.succeeded", intent)
        return intent

    def cancel(self, intent: Object, said: Object) -> Object:
        if intent["status"] not in _CANCELABLE:
            raise unexpected_state(intent, "cancel")
        intent |= {
            "status": "canceled",
            "cancellation_reason": said.get("cancellation_reason"),
            "next_action": None,
        }
        if intent["object"] == "payment_intent":
            intent |= {"amount_capturable": 0, "canceled_at": self.book.now}
        self.book.tell(f"{intent['object']}.canceled", intent)
        return intent

    def create_setup(self, said: Object) -> Object:
        self._check_parties(said)
        intent = self.book.keep(objects.setup_intent(self.book.new_id("seti"), said, created=self.book.now))
        self.book.tell("setup_intent.created", intent)
        if said.get("confirm") == "true":
            self.confirm(intent, said["payment_method"], said=said)
        return intent

    def refund(self, said: Object) -> Object:
        intent = self.book.get(said["payment_intent"], "payment_intent", param="payment_intent")
        made = self.book.get(intent["latest_charge"] or "", "charge", param="charge")
        amount = int(said.get("amount", made["amount_captured"] - made["amount_refunded"]))
        left = made["amount_captured"] - made["amount_refunded"]
        if not left:
            raise Problem(400, "charge_already_refunded", "Charge has already been refunded.")
        if amount > left:
            raise Problem(
                400, "", f"Refund amount ({amount}) is greater than unrefunded amount ({left})", param="amount"
            )
        back = self.book.keep(
            objects.refund(self.book.new_id("re"), intent, said, amount=amount, created=self.book.now)
        )
        moved = self.book.moved(back["id"], amount=-amount, fee=0, currency=back["currency"], category="refund")
        back["balance_transaction"] = moved["id"]
        made["amount_refunded"] += amount
        made["refunded"] = made["amount_refunded"] == made["amount"]
        self.book.tell("refund.created", back)
        self.book.tell("charge.refunded", made)
        return back

    def fail_refund(self, back: Object, reason: str) -> None:
        """The bank sends it back, perhaps weeks later."""
        back |= {"status": "failed", "failure_reason": reason}
        made = self.book.get(back["charge"], "charge")
        made["amount_refunded"] -= back["amount"]
        made["refunded"] = False
        amount, currency = back["amount"], back["currency"]
        self.book.moved(back["id"], amount=amount, fee=0, currency=currency, category="refund_failure")
        self.book.tell("refund.failed", back)
        self.book.tell("charge.refund.updated", back)

    def _check_parties(self, said: Object) -> None:
        if said.get("customer"):
            self.book.get(said["customer"], "customer", param="customer")
        method = said.get("payment_method", "")
        if said.get("confirm") == "true" and method not in self.book.things and method not in CARDS:
            raise missing("PaymentMethod", method, param="payment_method")

    def _charge(self, intent: Object, used: Object) -> Object:
        wants_parts = (intent["payment_method_options"] or {}).get("card", {}).get("request_multicapture")
        status = "available" if wants_parts == "if_available" and self.offers_multicapture else "unavailable"
        made = objects.charge(self.book.new_id("ch"), intent, used, created=self.book.now, multicapture=status)
        intent["latest_charge"] = made["id"]
        return self.book.keep(made)

    def _take(self, intent: Object, made: Object, amount: int) -> None:
        intent["amount_received"] += amount
        made["amount_captured"] += amount
        made["captured"] = True
        currency, settled = intent["currency"], amount
        if currency != self.settles_in:
            currency, settled = self.settles_in, amount * 2
        fee = (settled * 29 + 500) // 1000 + 30
        moved = self.book.moved(made["id"], amount=settled, fee=fee, currency=currency, category="charge")
        if currency != intent["currency"]:
            moved["exchange_rate"] = 2.0
        made["balance_transaction"] = moved["id"]

    def _decline(self, intent: Object, used: Object, error: dict[str, Any]) -> None:
        name = intent["object"]
        error = {**error, "message": f"Your card was declined ({error['decline_code']})."}
        if name == "payment_intent" and error["code"] != "authentication_required":
            made = self._charge(intent, used)
            made |= {"paid": False, "status": "failed", "failure_code": error["code"]}
            made |= {
                "failure_message": error["message"],
                "outcome": {"reason": error["decline_code"], "type": "issuer_declined"},
            }
            error["charge"] = made["id"]
        intent |= {_ERROR_OF[name]: error, "status": "requires_payment_method", "payment_method": None}
        self._tell_failure(intent)
        more = {"decline_code": error["decline_code"], name: intent}
        raise Problem(402, error["code"], error["message"], is_kept=True, **more)

    def _tell_failure(self, intent: Object) -> None:
        is_payment = intent["object"] == "payment_intent"
        self.book.tell("payment_intent.payment_failed" if is_payment else "setup_intent.setup_failed", intent)

    def _ask_for_proof(self, intent: Object, used: Object, *, return_url: str) -> None:
        if return_url:
            url = f"https://hooks.stripe.com/3d_secure_2/hosted?intent={intent['id']}"
            action: Object = {"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": return_url}}
        else:
            action = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
        intent |= {"status": "requires_action", "payment_method": used["id"], "next_action": action}
        self.book.tell(f"{intent['object']}.requires_action", intent)
