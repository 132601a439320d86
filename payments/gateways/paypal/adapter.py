"""PayPal's Orders and Payments, in our words.

An order that the payer approved is not paid: PayPal takes money only when we ask it to. :meth:`fetch_payment` asks, so
the core's polling (when the payer returns, when a callback hints, on schedule) is what takes it. Hence also the two
rules of closing. An order cannot be cancelled at PayPal, so :meth:`close_payment` marks it there (``custom_id``) and
turns its intent, in one change: a capture that is on its way is then refused, or came first and refuses the change.
And a payment whose order we never heard of is closed by taking its request id for an empty order.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime
from typing import IO, Any, ClassVar, TypeVar

from payments.gateways.abilities import DisputeEvidence, StatementLine
from payments.gateways.contract import (
    AccountField,
    ActionKind,
    DisputeNotice,
    Gateway,
    GatewayConfiguration,
    GatewayError,
    GatewayOutcomeUnknown,
    GatewayRejected,
    NextAction,
    Outcome,
    PaymentRequest,
    PaymentResult,
    RefundRequest,
    RefundResult,
    SavedToken,
    SaveRequest,
    SaveResult,
    WebhookIdentity,
    WebhookNotice,
)
from payments.gateways.paypal.certificates import CertificateStore
from payments.gateways.paypal.client import PayPalClient, PayPalRefused, after_the_order_was_made
from payments.gateways.paypal.disputes import Disputes
from payments.gateways.paypal.issues import DECLINES, MOVED_ON, TRY_ANOTHER_SOURCE
from payments.gateways.paypal.money import CURRENCIES, money_words
from payments.gateways.paypal.order_words import order_words, stopper_words
from payments.gateways.paypal.orders import APPROVE_LINKS, CLOSED_PREFIX, Capture, Order, Refund, failed, link
from payments.gateways.paypal.statements import PayPalStatements
from payments.gateways.paypal.vault import Vault
from payments.gateways.paypal.webhooks import DEFAULT_MAX_AGE_SECONDS, Verifier, translate

Part = TypeVar("Part", Capture, Refund)
_ORDERS = ("v2", "checkout", "orders")
_PAYMENTS = ("v2", "payments")


class PayPalGateway(Gateway):
    """Implements CaptureCapable, CloseCapable, LookCapable, VaultCapable, DisputeCapable, ProbeCapable, StatementSource
    and StatementReader. ``gateway_reference`` is the order's id: without it PayPal cannot be asked about a payment, and
    the same request (within 6 hours) is answered with the same order."""

    name: ClassVar[str] = "paypal"
    methods: ClassVar[tuple[str, ...]] = ("paypal",)
    saveable_methods: ClassVar[frozenset[str]] = frozenset({"paypal"})
    currencies: ClassVar[frozenset[str]] = CURRENCIES
    addresses: ClassVar[tuple[str, ...]] = ("https://api-m.paypal.com", "https://api-m.sandbox.paypal.com")
    account_fields: ClassVar[tuple[AccountField, ...]] = (
        AccountField("client_id"),
        AccountField("client_secret"),
        AccountField("webhook_id", is_secret=False),
        AccountField("brand_name", is_secret=False, is_required=False),
        AccountField("webhook_max_age_seconds", is_secret=False, is_required=False),
        AccountField("webhook_intermediates_pem", is_secret=False, is_required=False, is_multiline=True),
        AccountField("settlement_zero_decimals", is_secret=False, is_required=False),
        AccountField("certificate_address", is_secret=False, is_required=False, is_override=True),
        AccountField("trusted_roots_pem", is_secret=False, is_required=False, is_multiline=True, is_override=True),
    )
    resolves_by_repeating: ClassVar[bool] = True
    repeats_for_seconds: ClassVar[int | None] = 5 * 3600  # PayPal forgets a PayPal-Request-Id of an order after six
    webhooks_are_hints: ClassVar[bool] = True
    statement_zone: ClassVar[str] = PayPalStatements.zone
    statement_ready_after_seconds: ClassVar[int] = PayPalStatements.ready_after_seconds

    def __init__(self, configuration: GatewayConfiguration, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(configuration)
        settings = configuration.settings
        self._client = PayPalClient(configuration, clock=clock)
        self._vault = Vault(self._client)
        self._disputes = Disputes(self._client)
        self._statements = PayPalStatements(
            self._client, zero_decimals=settings.get("settlement_zero_decimals", ""), clock=clock
        )
        certificates = CertificateStore(
            configuration.transport,
            clock=clock,
            roots_pem=settings.get("trusted_roots_pem", ""),
            intermediates_pem=settings.get("webhook_intermediates_pem", ""),
            address=settings.get("certificate_address", ""),
        )
        self._verifier = Verifier(
            certificates,
            webhook_id=_webhook_id(configuration),
            clock=clock,
            max_age_seconds=_seconds(settings.get("webhook_max_age_seconds", "")) or DEFAULT_MAX_AGE_SECONDS,
        )

    def create_payment(self, request: PaymentRequest) -> PaymentResult:
        """A saved wallet is charged at once; any other payer is sent to PayPal's page."""
        if request.method not in self.methods:
            raise GatewayRejected(f"PayPal has no method {request.method}", code="method_not_supported")
        words = order_words(request, brand_name=self.configuration.settings.get("brand_name", ""))
        try:
            answer = self._client.post(_ORDERS, words, request_id=request.reference)
        except PayPalRefused as refused:
            if request.saved is None or refused.issue not in DECLINES:
                raise
            return failed(request.reference, refused.issue)
        with after_the_order_was_made():
            order = self._whole(answer.words, request.reference)
        said = (order.amount_minor, order.currency)
        if answer.status == 200 and said != (request.amount_minor, request.currency):
            code = "closed" if order.is_closed else "gateway_rejected"
            raise GatewayRejected("this request id was used for another order", code=code)
        with after_the_order_was_made():
            result = self._advance(order, request.reference)
        if request.saved is not None and result.outcome is Outcome.REQUIRES_ACTION:
            return self._give_up(order, request, result)
        return result

    def fetch_payment(self, reference: str, *, gateway_reference: str = "", method: str = "") -> PaymentResult:
        """Takes the money of an order that the payer approved (or holds it): nobody else does. Never of one that was
        closed."""
        order = self._order(reference, gateway_reference)
        if order is None:
            return PaymentResult(reference, Outcome.NOT_FOUND)
        return self._advance(order, reference)

    def look_at_payment(self, reference: str, *, gateway_reference: str = "", method: str = "") -> PaymentResult:
        order = self._order(reference, gateway_reference)
        return order.result(reference) if order else PaymentResult(reference, Outcome.NOT_FOUND)

    def capture_payment(
        self,
        reference: str,
        *,
        capture_reference: str,
        amount_minor: int,
        currency: str,
        gateway_reference: str = "",
    ) -> PaymentResult:
        order = self._required_order(reference, gateway_reference)
        if order.capture_called(capture_reference) is not None:
            return order.result(reference)
        # PayPal would take up to 115 % of what was held.
        if currency != order.currency or order.asked_minor + amount_minor > order.amount_minor:
            raise GatewayRejected("more than is held", code="amount_not_supported")
        if not order.authorization_id or order.authorization_status not in ("CREATED", "PARTIALLY_CAPTURED"):
            raise GatewayRejected(f"nothing is held: {order.authorization_status or order.status}", code="closed")
        words = {
            "amount": money_words(amount_minor, currency),
            "invoice_id": capture_reference,
            "final_capture": order.asked_minor + amount_minor == order.amount_minor,
        }
        path = (*_PAYMENTS, "authorizations", order.authorization_id, "capture")
        answer = self._client.post(path, words, request_id=capture_reference)
        return order.with_capture(_read(Capture.read, answer.words)).result(reference)

    def void_payment(self, reference: str, *, gateway_reference: str = "") -> PaymentResult:
        order = self._required_order(reference, gateway_reference)
        if order.authorization_status == "VOIDED":
            return order.result(reference)
        if not order.authorization_id or order.authorization_status == "CAPTURED":
            raise GatewayRejected("nothing is held", code="closed")
        try:
            self._client.post((*_PAYMENTS, "authorizations", order.authorization_id, "void"), {})
        except PayPalRefused as refused:
            if refused.issue not in MOVED_ON:
                raise
        order = self._required_order(reference, gateway_reference)
        if order.authorization_status == "CAPTURED":
            raise GatewayRejected("all of it was taken meanwhile", code="closed")
        return order.result(reference)

    def close_payment(
        self, reference: str, *, gateway_reference: str = "", method: str = "", expires_at: datetime | None = None
    ) -> PaymentResult:
        if gateway_reference:
            order = self._order(reference, gateway_reference)
        else:
            answer = self._client.post(_ORDERS, stopper_words(reference), request_id=reference)
            order = self._whole(answer.words, reference)
        if order is None:
            return PaymentResult(reference, Outcome.CANCELED)
        if order.is_closed or order.status in ("COMPLETED", "VOIDED"):
            return order.result(reference)
        return self._close(order, reference)

    def create_refund(self, request: RefundRequest) -> RefundResult:
        order = self._required_order(request.payment_reference, request.payment_gateway_reference)
        earlier = order.refund_called(request.reference)
        if earlier is not None:
            return earlier.result(payment_reference=request.payment_reference)
        capture = order.capture_to_refund(request.amount_minor, request.currency)
        words: dict[str, Any] = {
            "amount": money_words(request.amount_minor, request.currency),
            "custom_id": request.reference,
            "invoice_id": request.payment_reference,
        }
        if request.reason:
            words["note_to_payer"] = request.reason[:255]
        path = (*_PAYMENTS, "captures", capture.id, "refund")
        answer = self._client.post(path, words, request_id=request.reference)
        refund = _read(Refund.read, answer.words)
        if refund.reference != request.reference:
            raise GatewayOutcomeUnknown("the answer is about another refund", code="wrong_reference")
        return refund.result(payment_reference=request.payment_reference)

    def fetch_refund(
        self, reference: str, *, payment_reference: str = "", payment_gateway_reference: str = ""
    ) -> RefundResult:
        order = self._order(payment_reference, payment_gateway_reference)
        refund = order.refund_called(reference) if order is not None else None
        if refund is None:
            return RefundResult(reference, Outcome.NOT_FOUND)
        return refund.result(payment_reference=payment_reference)

    def save_method(self, request: SaveRequest) -> SaveResult:
        if request.method not in self.saveable_methods:
            raise GatewayRejected(f"PayPal keeps no {request.method}", code="method_not_supported")
        return self._vault.save(request)

    def fetch_saved(self, reference: str, *, gateway_reference: str = "") -> SaveResult:
        return self._vault.fetch(reference, gateway_reference=gateway_reference)

    def forget_method(self, saved: SavedToken, *, method: str) -> None:
        self._vault.forget(saved)

    def fetch_dispute(self, gateway_reference: str) -> DisputeNotice:
        return self._disputes.fetch(gateway_reference)

    def submit_evidence(self, evidence: DisputeEvidence) -> DisputeNotice:
        return self._disputes.submit(evidence)

    def accept_dispute(self, gateway_reference: str) -> DisputeNotice:
        return self._disputes.accept(gateway_reference)

    def verify_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookIdentity:
        return self._verifier.verify(headers, body)

    def translate_webhook(self, body: bytes) -> list[WebhookNotice]:
        return translate(body)

    def fetch_statement(self, day: date) -> bytes | None:
        return self._statements.fetch(day)

    def read_statement(self, file: IO[bytes]) -> Iterator[StatementLine]:
        return self._statements.read(file)

    def probe(self) -> str:
        """The webhook's address, as PayPal knows it: proves the credentials and the webhook id at once."""
        webhook = self._client.get(("v1", "notifications", "webhooks", _webhook_id(self.configuration)))
        if webhook is None:
            raise GatewayRejected("PayPal knows no webhook with this id", code="account_misconfigured")
        url = webhook.get("url")
        return f"webhook at {url[:200]}" if isinstance(url, str) else "webhook known"

    def _order(self, reference: str, order_id: str) -> Order | None:
        words = self._client.get((*_ORDERS, order_id)) if order_id else None
        if words is None:
            return None
        order = Order.read(words)
        if order.id != order_id:
            raise GatewayOutcomeUnknown("the answer is about another order", code="wrong_reference")
        return _about(order, reference)

    def _required_order(self, reference: str, order_id: str) -> Order:
        order = self._order(reference, order_id)
        if order is None:
            raise GatewayRejected("PayPal knows no such order", code="gateway_rejected")
        return order

    def _whole(self, words: Mapping[str, Any], reference: str) -> Order:
        """The order of an answer; asked for when the answer is short, as PayPal's to a capture may be."""
        units, order_id = words.get("purchase_units"), words.get("id")
        unit = units[0] if isinstance(units, list) and units else None
        if isinstance(unit, dict) and "amount" in unit and "custom_id" in unit:
            return _about(Order.read(words), reference)
        if not isinstance(order_id, str) or not order_id:
            raise GatewayOutcomeUnknown("the answer names no order", code="malformed")
        return self._reread(order_id, reference)

    def _advance(self, order: Order, reference: str) -> PaymentResult:
        if order.status != "APPROVED" or order.is_closed:
            return order.result(reference)
        return self._take(order, reference)

    def _take(self, order: Order, reference: str) -> PaymentResult:
        """An order is captured or authorized once, whatever the request id. The id changes with the order, so that a
        refusal is not repeated to a payer who chose another source since."""
        verb = "authorize" if order.intent == "AUTHORIZE" else "capture"
        stamp = int(order.updated_at.timestamp()) if order.updated_at else 0
        try:
            answer = self._client.post((*_ORDERS, order.id, verb), {}, request_id=f"{reference}.{verb}.{stamp}")
        except PayPalRefused as refused:
            return self._not_taken(order, reference, refused)
        return self._whole({"id": order.id} | answer.words, reference).result(reference)

    def _not_taken(self, order: Order, reference: str, refused: PayPalRefused) -> PaymentResult:
        if refused.issue in MOVED_ON:
            return self._reread(order.id, reference).result(reference)
        url = link(refused.words, APPROVE_LINKS) or order.approve_url
        if refused.issue in TRY_ANOTHER_SOURCE and url:
            return PaymentResult(
                reference,
                Outcome.REQUIRES_ACTION,
                gateway_reference=order.id,
                amount_minor=order.amount_minor,
                currency=order.currency,
                action=NextAction(kind=ActionKind.REDIRECT, url=url),
            )
        if refused.issue in DECLINES:
            # Without this the payer could approve it once more, long after we said that it failed.
            with suppress(GatewayError):
                self._close(order, reference)
            return failed(reference, refused.issue, order=order)
        if refused.code == "account_misconfigured":
            raise refused
        return PaymentResult(reference, Outcome.PENDING, gateway_reference=order.id, failure_message=refused.issue)

    def _reread(self, order_id: str, reference: str) -> Order:
        """That an order is gone which was there a moment ago tells nothing."""
        order = self._order(reference, order_id)
        if order is None:
            raise GatewayOutcomeUnknown("PayPal does not show the order", code="not_found")
        return order

    def _close(self, order: Order, reference: str) -> PaymentResult:
        """In one change, so that a capture comes wholly before it or not at all."""
        changes = [
            {"op": "replace", "path": "/intent", "value": "CAPTURE" if order.intent == "AUTHORIZE" else "AUTHORIZE"},
            {
                "op": "replace",
                "path": "/purchase_units/@reference_id=='default'/custom_id",
                "value": CLOSED_PREFIX + reference,
            },
        ]
        try:
            self._client.patch((*_ORDERS, order.id), changes)
        except PayPalRefused as refused:
            current = self._order(reference, order.id)
            if current is not None and current.status in ("COMPLETED", "VOIDED"):
                return current.result(reference)
            if refused.code == "account_misconfigured":
                raise
            # It could not be marked, and yet nothing is taken without a further call of ours.
        return PaymentResult(
            reference,
            Outcome.CANCELED,
            gateway_reference=order.id,
            amount_minor=order.amount_minor,
            currency=order.currency,
        )

    def _give_up(self, order: Order, request: PaymentRequest, result: PaymentResult) -> PaymentResult:
        """A saved wallet was charged and PayPal wants the payer: nobody is there, or has no page to see."""
        if not request.is_off_session:
            return result
        with suppress(GatewayError):
            self._close(order, request.reference)
        return PaymentResult(
            request.reference,
            Outcome.FAILED,
            gateway_reference=order.id,
            amount_minor=order.amount_minor,
            currency=order.currency,
            failure_code="authentication_required",
            failure_message=order.status,
        )


def _webhook_id(configuration: GatewayConfiguration) -> str:
    return configuration.settings.get("webhook_id", "")


def _seconds(value: str) -> int:
    """0 for what is no number: a slip in a setting must not stop payments."""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 8 else 0


def _about(order: Order, reference: str) -> Order:
    """An answer about something else than what was asked is no answer."""
    if not order.id or not order.is_about(reference):
        raise GatewayOutcomeUnknown("the answer is about another payment", code="wrong_reference")
    return order


def _read(read: Callable[[Any], Part], words: Any) -> Part:
    try:
        return read(words)
    except (ValueError, AttributeError, TypeError) as problem:
        raise GatewayOutcomeUnknown(f"the answer is malformed: {problem}", code="malformed") from None
