"""Customer disputes v1: what PayPal says of one, and the merchant's answer to it.

https://developer.paypal.com/docs/api/customer-disputes/v1/
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from payments.gateways.abilities import DisputeEvidence, EvidenceFile
from payments.gateways.contract import (
    DisputeNotice,
    DisputeStatus,
    GatewayOutcomeUnknown,
    GatewayRejected,
)
from payments.gateways.paypal.client import PayPalClient
from payments.gateways.paypal.money import NotAnAmount, read_money
from payments.gateways.paypal.orders import NotUnderstood, link, moment, text

_REASONS = {
    "MERCHANDISE_OR_SERVICE_NOT_RECEIVED": "not_received",
    "MERCHANDISE_OR_SERVICE_NOT_AS_DESCRIBED": "not_as_described",
    "UNAUTHORISED": "fraudulent",
    "CREDIT_NOT_PROCESSED": "credit_not_processed",
    "DUPLICATE_TRANSACTION": "duplicate",
    "INCORRECT_AMOUNT": "amount",
    "CANCELED_RECURRING_BILLING": "canceled",
}
_STATUSES = {
    "WAITING_FOR_SELLER_RESPONSE": DisputeStatus.NEEDS_RESPONSE,
    "REQUIRED_ACTION": DisputeStatus.NEEDS_RESPONSE,
    "WAITING_FOR_BUYER_RESPONSE": DisputeStatus.UNDER_REVIEW,
    "UNDER_REVIEW": DisputeStatus.UNDER_REVIEW,
}
_WON = {"RESOLVED_SELLER_FAVOUR", "RESOLVED_SELLER_FAVOR", "CANCELED_BY_BUYER", "DENIED"}
"""DENIED: PayPal denied the buyer's claim. RESOLVED_WITH_PAYOUT: PayPal pays the buyer itself, see below."""
_WON_WITH_PAYOUT = "RESOLVED_WITH_PAYOUT"
_FILE_TYPES = frozenset({"application/pdf", "image/gif", "image/jpeg", "image/png"})
_MAX_FILE_BYTES = 10 * 1024 * 1024
_MAX_ALL_BYTES = 50 * 1024 * 1024
_MAX_NOTES = 2000
_EVIDENCE_TYPES = {
    "receipt": "PROOF_OF_FULFILLMENT",
    "delivery": "PROOF_OF_FULFILLMENT",
    "communication": "OTHER",
    "policy": "OTHER",
    "other": "OTHER",
}
_TEXTS = {
    "explanation": "",
    "product_description": "Product",
    "customer_name": "Customer",
    "customer_email": "Customer's e-mail",
    "delivery_date": "Delivered on",
    "refund_policy": "Refund policy",
    "refund_refusal": "Why there is no refund",
}


class Disputes:
    def __init__(self, client: PayPalClient) -> None:
        self._client = client

    def fetch(self, dispute_id: str) -> DisputeNotice:
        words = self._show(dispute_id)
        notice = self._notice(words, dispute_id)
        return notice if notice.payment_reference else self._with_payment(notice, words)

    def submit(self, evidence: DisputeEvidence) -> DisputeNotice:
        """PayPal takes evidence once each time it waits for the seller: what is no longer open is left as it is."""
        dispute_id = evidence.gateway_reference
        _require_files(evidence.files)
        words = self._show(dispute_id)
        if not link(words, ("provide_evidence", "provide-evidence")):
            return self._closed_to_us(words, dispute_id)
        boundary = secrets.token_hex(16)
        body = _multipart(evidence, boundary=boundary)
        path = ("v1", "customer", "disputes", dispute_id, "provide-evidence")
        self._client.post_multipart(path, body, boundary=boundary)
        return self.fetch(dispute_id)

    def accept(self, dispute_id: str) -> DisputeNotice:
        words = self._show(dispute_id)
        if not link(words, ("accept_claim", "accept-claim")):
            return self._closed_to_us(words, dispute_id)
        note = {"note": "The seller accepts the claim.", "accept_claim_type": "REFUND"}
        self._client.post(("v1", "customer", "disputes", dispute_id, "accept-claim"), note)
        return self.fetch(dispute_id)

    def _with_payment(self, notice: DisputeNotice, words: Mapping[str, Any]) -> DisputeNotice:
        """A dispute that does not repeat our number names PayPal's of the capture, which does."""
        try:
            capture_id = text(_first_transaction(words), "seller_transaction_id")
            capture = self._client.get(("v2", "payments", "captures", capture_id)) if capture_id else None
            if capture is None:
                return notice
            related = (capture.get("supplementary_data") or {}).get("related_ids")
            ours, order_id = text(capture, "custom_id"), text(related, "order_id")
        except (NotUnderstood, AttributeError) as problem:
            raise GatewayOutcomeUnknown(f"the capture is malformed: {problem}", code="malformed") from None
        return replace(notice, payment_reference=ours, payment_gateway_reference=order_id)

    def _closed_to_us(self, words: Mapping[str, Any], dispute_id: str) -> DisputeNotice:
        notice = self._notice(words, dispute_id)
        if notice.status in (DisputeStatus.WARNING, DisputeStatus.NEEDS_RESPONSE):
            raise GatewayRejected("PayPal takes no such answer to this dispute now", code="not_possible_now")
        return notice

    def _show(self, dispute_id: str) -> dict[str, Any]:
        words = self._client.get(("v1", "customer", "disputes", dispute_id))
        if words is None:
            raise GatewayRejected("PayPal knows no such dispute", code="not_found")
        return words

    def _notice(self, words: Mapping[str, Any], dispute_id: str) -> DisputeNotice:
        try:
            notice = read_dispute(words)
        except (NotUnderstood, NotAnAmount, AttributeError, TypeError) as problem:
            raise GatewayOutcomeUnknown(f"the dispute is malformed: {problem}", code="malformed") from None
        if notice.gateway_reference != dispute_id:
            raise GatewayOutcomeUnknown("the answer is about another dispute", code="wrong_reference")
        return notice


def read_dispute(words: Mapping[str, Any]) -> DisputeNotice:
    """Raises NotUnderstood, NotAnAmount."""
    dispute_id = text(words, "dispute_id")
    if not dispute_id:
        raise NotUnderstood("dispute_id")
    first = _first_transaction(words)
    amount_minor, currency = read_money(words.get("dispute_amount"))
    due_at = moment(words.get("seller_response_due_date"))
    return DisputeNotice(
        gateway_reference=dispute_id,
        payment_reference=text(first, "custom") or text(first, "invoice_number"),
        status=_status(words, has_due_date=due_at is not None),
        amount_minor=amount_minor,
        currency=currency,
        reason=_REASONS.get(text(words, "reason"), "other"),
        evidence_due_at=due_at,
        fee_minor=_fee_minor(words, currency),
        occurred_at=moment(words.get("update_time")) or moment(words.get("create_time")),
    )


def _first_transaction(words: Mapping[str, Any]) -> Any:
    transactions = words.get("disputed_transactions")
    return transactions[0] if isinstance(transactions, list) and transactions else {}


def _status(words: Mapping[str, Any], *, has_due_date: bool) -> DisputeStatus:
    status = text(words, "status")
    if status == "RESOLVED":
        outcome = text(words.get("dispute_outcome"), "outcome_code")
        if outcome in _WON or (outcome == _WON_WITH_PAYOUT and not _is_charged(words)):
            return DisputeStatus.WON
        # A resolution that is not listed may have taken money: a person looks at what is lost sooner.
        return DisputeStatus.LOST
    if text(words, "dispute_life_cycle_stage") == "INQUIRY":
        return DisputeStatus.WARNING
    unlisted = DisputeStatus.NEEDS_RESPONSE if has_due_date else DisputeStatus.UNDER_REVIEW
    return _STATUSES.get(status, unlisted)


def _is_charged(words: Mapping[str, Any]) -> bool:
    """Whether any of the money that moved was the seller's."""
    return any(text(movement, "affected_party") == "SELLER" for movement in _movements(words))


def _fee_minor(words: Mapping[str, Any], currency: str) -> int:
    total = 0
    for movement in _movements(words):
        is_fee = text(movement, "reason") in ("DISPUTE_FEE", "CHARGEBACK_FEE")
        if is_fee and text(movement, "affected_party") == "SELLER":
            fee_minor, fee_currency = read_money(movement.get("amount"))
            sign = -1 if text(movement, "type") == "CREDIT" else 1
            total += sign * fee_minor if fee_currency == currency else 0
    return max(total, 0)


def _movements(words: Mapping[str, Any]) -> list[dict[str, Any]]:
    movements = words.get("money_movements")
    return [one for one in movements if isinstance(one, dict)] if isinstance(movements, list) else []


def _require_files(files: tuple[EvidenceFile, ...]) -> None:
    """PayPal takes JPG, GIF, PNG and PDF, each up to 10 MB, 50 MB together."""
    for file in files:
        if file.content_type not in _FILE_TYPES:
            raise GatewayRejected(f"PayPal takes no {file.content_type[:80]}", code="invalid_file")
        if len(file.body) > _MAX_FILE_BYTES:
            raise GatewayRejected("PayPal takes files up to 10 MB", code="invalid_file")
    if sum(len(file.body) for file in files) > _MAX_ALL_BYTES:
        raise GatewayRejected("PayPal takes 50 MB of files together", code="invalid_file")


def _evidences(evidence: DisputeEvidence) -> list[dict[str, Any]]:
    notes = "\n".join(
        f"{title}: {evidence.texts[kind]}" if title else evidence.texts[kind]
        for kind, title in _TEXTS.items()
        if evidence.texts.get(kind)
    )[:_MAX_NOTES]
    number, carrier = evidence.texts.get("tracking_number", ""), evidence.texts.get("carrier", "")
    said: dict[str, dict[str, Any]] = {}
    if number:
        tracking = {"carrier_name": "OTHER", "carrier_name_other": carrier or "unknown", "tracking_number": number}
        said["PROOF_OF_FULFILLMENT"] = {"evidence_info": {"tracking_info": [tracking]}}
    for file in evidence.files:
        documents = said.setdefault(_EVIDENCE_TYPES.get(file.kind, "OTHER"), {}).setdefault("documents", [])
        documents.append({"name": _file_name(file)})
    if notes or not said:
        said.setdefault(next(iter(said), "OTHER"), {})["notes"] = notes or "-"
    return [{"evidence_type": kind} | words for kind, words in said.items()]


def _multipart(evidence: DisputeEvidence, *, boundary: str) -> bytes:
    """``input`` says what is in the files, which follow as ``file1``, ``file2``, …"""
    words = json.dumps({"evidences": _evidences(evidence)}).encode()
    parts = [(b'name="input"', b"application/json", words)]
    for number, file in enumerate(evidence.files, start=1):
        name = f'name="file{number}"; filename="{_file_name(file)}"'
        parts.append((name.encode(), file.content_type.encode(), file.body))
    lines = [
        b"--%b\r\nContent-Disposition: form-data; %b\r\nContent-Type: %b\r\n\r\n%b\r\n"
        % (boundary.encode(), disposition, content_type, body)
        for disposition, content_type, body in parts
    ]
    return b"".join(lines) + b"--%b--\r\n" % boundary.encode()


def _file_name(file: EvidenceFile) -> str:
    """No quotes, slashes or line ends: they would end the header."""
    kept = "".join(letter for letter in file.name if letter.isascii() and (letter.isalnum() or letter in "._- "))
    return kept.lstrip(".")[-100:] or "evidence"
