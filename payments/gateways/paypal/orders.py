"""An order as PayPal shows it, read strictly, and what it means for a payment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from payments.gateways.contract import (
    ActionKind,
    GatewayOutcomeUnknown,
    GatewayRejected,
    NextAction,
    Outcome,
    PaymentResult,
    RefundResult,
    SavedMethod,
)
from payments.gateways.paypal.issues import CAPTURE_REASONS, DECLINES
from payments.gateways.paypal.money import read_money
from payments.gateways.paypal.vaulted import read_saved

CLOSED_PREFIX = "closed:"
"""Before our reference in ``custom_id``: this order was closed by us and is never to be captured."""
APPROVE_LINKS = ("payer-action", "approve", "redirect")
"""Where PayPal sends the payer, by what it calls the link."""
_TAKEN = {"COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"}
_NOT_TAKEN = {"DECLINED", "DENIED", "FAILED"}
_WAITING = {"CREATED", "PAYER_ACTION_REQUIRED"}
_REFUND_OUTCOMES = {
    "COMPLETED": Outcome.SUCCEEDED,
    "PENDING": Outcome.PENDING,
    "FAILED": Outcome.FAILED,
    "CANCELLED": Outcome.FAILED,
}


@dataclass(frozen=True, slots=True)
class Capture:
    id: str
    status: str
    amount_minor: int
    currency: str
    reference: str
    fee_minor: int | None
    reason: str
    created_at: datetime | None

    @classmethod
    def read(cls, words: Any) -> Self:
        amount_minor, currency = read_money(words.get("amount"))
        return cls(
            id=text(words, "id"),
            status=text(words, "status"),
            amount_minor=amount_minor,
            currency=currency,
            reference=text(words, "invoice_id"),
            fee_minor=_fee(words.get("seller_receivable_breakdown"), currency),
            reason=text(words.get("status_details"), "reason"),
            created_at=moment(words.get("create_time")),
        )


@dataclass(frozen=True, slots=True)
class Refund:
    id: str
    status: str
    amount_minor: int
    currency: str
    reference: str
    capture_id: str
    created_at: datetime | None

    @classmethod
    def read(cls, words: Any) -> Self:
        amount_minor, currency = read_money(words.get("amount"))
        capture = link(words, ("up",)).rstrip("/").rpartition("/")[2]
        return cls(
            id=text(words, "id"),
            status=text(words, "status"),
            amount_minor=amount_minor,
            currency=currency,
            reference=text(words, "custom_id"),
            capture_id=capture,
            created_at=moment(words.get("create_time")),
        )

    def result(self, *, payment_reference: str) -> RefundResult:
        outcome = _REFUND_OUTCOMES.get(self.status, Outcome.PENDING)
        is_failed = outcome is Outcome.FAILED
        return RefundResult(
            reference=self.reference,
            outcome=outcome,
            gateway_reference=self.id,
            payment_reference=payment_reference,
            amount_minor=self.amount_minor,
            currency=self.currency,
            failure_code="declined" if is_failed else "",
            failure_message=self.status if is_failed else "",
            occurred_at=self.created_at,
        )


@dataclass(frozen=True, slots=True)
class Order:
    id: str
    status: str
    intent: str
    custom_id: str
    amount_minor: int
    currency: str
    approve_url: str
    created_at: datetime | None
    updated_at: datetime | None
    authorization_id: str = ""
    authorization_status: str = ""
    captures: tuple[Capture, ...] = ()
    refunds: tuple[Refund, ...] = ()
    saved: SavedMethod | None = field(default=None)

    @classmethod
    def read(cls, words: Mapping[str, Any]) -> Self:
        """Raises GatewayOutcomeUnknown for what is not an order with one purchase unit."""
        try:
            return cls._read(words)
        except (ValueError, LookupError, AttributeError, TypeError) as problem:
            raise GatewayOutcomeUnknown(f"the order is malformed: {problem}", code="malformed") from None

    @classmethod
    def _read(cls, words: Mapping[str, Any]) -> Self:
        units = words.get("purchase_units")
        if not isinstance(units, list) or len(units) != 1:
            raise NotUnderstood("purchase_units")
        [unit] = units
        amount_minor, currency = read_money(unit.get("amount"))
        payments = unit.get("payments") or {}
        authorizations = payments.get("authorizations") or [{}]
        captures = tuple(Capture.read(capture) for capture in payments.get("captures") or ())
        if any(capture.currency != currency for capture in captures):
            raise NotUnderstood("a capture in another currency")
        return cls(
            id=text(words, "id"),
            status=text(words, "status"),
            intent=text(words, "intent"),
            custom_id=text(unit, "custom_id"),
            amount_minor=amount_minor,
            currency=currency,
            approve_url=link(words, APPROVE_LINKS),
            created_at=moment(words.get("create_time")),
            updated_at=moment(words.get("update_time")),
            authorization_id=text(authorizations[-1], "id"),
            authorization_status=text(authorizations[-1], "status"),
            captures=captures,
            refunds=tuple(Refund.read(refund) for refund in payments.get("refunds") or ()),
            saved=_saved(words.get("payment_source")),
        )

    def is_about(self, reference: str) -> bool:
        return self.custom_id in (reference, CLOSED_PREFIX + reference)

    @property
    def is_closed(self) -> bool:
        return self.custom_id.startswith(CLOSED_PREFIX)

    @property
    def captured_minor(self) -> int:
        return sum(capture.amount_minor for capture in self.captures if capture.status in _TAKEN)

    @property
    def asked_minor(self) -> int:
        """Taken, or about to be."""
        return sum(capture.amount_minor for capture in self.captures if capture.status not in _NOT_TAKEN)

    def capture_called(self, reference: str) -> Capture | None:
        return next((capture for capture in self.captures if capture.reference == reference), None)

    def refund_called(self, reference: str) -> Refund | None:
        return next((refund for refund in self.refunds if refund.reference == reference), None)

    def left_to_refund(self, capture: Capture) -> int:
        given = sum(
            refund.amount_minor
            for refund in self.refunds
            if refund.capture_id == capture.id and refund.status not in ("FAILED", "CANCELLED")
        )
        return capture.amount_minor - given if capture.status in _TAKEN else 0

    def capture_to_refund(self, amount_minor: int, currency: str) -> Capture:
        """One that has so much left, whole: PayPal refunds captures, not orders. Raises GatewayRejected."""
        if currency != self.currency:
            raise GatewayRejected("another currency than was taken", code="currency_not_supported")
        for capture in self.captures:
            if self.left_to_refund(capture) >= amount_minor:
                return capture
        raise GatewayRejected("no capture has so much left to refund", code="amount_not_supported")

    def with_capture(self, capture: Capture) -> "Order":
        order = replace(self, captures=(*self.captures, capture))
        is_all = order.captured_minor >= self.amount_minor
        return replace(order, authorization_status="CAPTURED" if is_all else "PARTIALLY_CAPTURED")

    def result(self, reference: str) -> PaymentResult:
        outcome = self._outcome()
        is_failed = outcome is Outcome.FAILED
        reason = self.captures[-1].reason if self.captures else self.authorization_status
        return PaymentResult(
            reference=reference,
            outcome=outcome,
            gateway_reference=self.id,
            amount_minor=self.amount_minor,
            currency=self.currency,
            captured_minor=self.captured_minor,
            fee_minor=self._fee_minor(),
            failure_code=CAPTURE_REASONS.get(reason, "declined") if is_failed else "",
            failure_message=reason if is_failed else "",
            action=self.action if outcome is Outcome.REQUIRES_ACTION else None,
            occurred_at=self.captures[-1].created_at if self.captures else self.created_at,
            saved=self.saved if outcome in (Outcome.SUCCEEDED, Outcome.AUTHORIZED) else None,
        )

    @property
    def action(self) -> NextAction | None:
        return NextAction(kind=ActionKind.REDIRECT, url=self.approve_url) if self.approve_url else None

    def _outcome(self) -> Outcome:
        if self.status == "COMPLETED":
            return self._authorized_outcome() if self.authorization_id else self._captured_outcome()
        if self.is_closed or self.status == "VOIDED":
            return Outcome.CANCELED
        if self.status in _WAITING:
            return Outcome.REQUIRES_ACTION if self.approve_url else Outcome.PENDING
        return Outcome.PENDING

    def _captured_outcome(self) -> Outcome:
        statuses = {capture.status for capture in self.captures}
        if not statuses or statuses - _TAKEN - _NOT_TAKEN:
            return Outcome.PENDING
        return Outcome.SUCCEEDED if statuses & _TAKEN else Outcome.FAILED

    def _authorized_outcome(self) -> Outcome:
        taken = self.captured_minor
        if self.authorization_status in ("CREATED", "PARTIALLY_CAPTURED"):
            return Outcome.AUTHORIZED
        if self.authorization_status == "CAPTURED":
            return Outcome.SUCCEEDED if taken else Outcome.PENDING
        if self.authorization_status in ("VOIDED", "EXPIRED"):
            return Outcome.SUCCEEDED if taken else Outcome.CANCELED
        return Outcome.FAILED if self.authorization_status == "DENIED" else Outcome.PENDING

    def _fee_minor(self) -> int | None:
        fees = [capture.fee_minor for capture in self.captures if capture.status in _TAKEN]
        return sum(fee or 0 for fee in fees) if fees and None not in fees else None


def failed(reference: str, issue: str, *, order: Order | None = None) -> PaymentResult:
    """``issue`` is one of :data:`DECLINES`."""
    return PaymentResult(
        reference,
        Outcome.FAILED,
        gateway_reference=order.id if order else "",
        amount_minor=order.amount_minor if order else None,
        currency=order.currency if order else None,
        failure_code=DECLINES[issue],
        failure_message=issue,
    )


class NotUnderstood(ValueError):
    """A field is missing or of another type than PayPal describes."""


def text(words: Any, name: str) -> str:
    value = words.get(name) if isinstance(words, dict) else None
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotUnderstood(name)
    return value


def moment(value: Any) -> datetime | None:
    """RFC 3339, as aware UTC or with PayPal's offset; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    return read if read.tzinfo is not None else None


def link(words: Any, relations: Sequence[str]) -> str:
    """The address of the first of ``relations`` that is there."""
    links = words.get("links") if isinstance(words, dict) else None
    found = {one.get("rel"): one.get("href") for one in links or () if isinstance(one, dict)}
    return next((str(found[relation]) for relation in relations if isinstance(found.get(relation), str)), "")


def _fee(breakdown: Any, currency: str) -> int | None:
    fee = breakdown.get("paypal_fee") if isinstance(breakdown, dict) else None
    if fee is None:
        return None
    fee_minor, fee_currency = read_money(fee)
    return fee_minor if fee_currency == currency else None


def _saved(source: Any) -> SavedMethod | None:
    paypal = source.get("paypal") if isinstance(source, dict) else None
    attributes = paypal.get("attributes") if isinstance(paypal, dict) else None
    vault = attributes.get("vault") if isinstance(attributes, dict) else None
    return read_saved(vault, paypal) if isinstance(vault, dict) else None
