"""Disputes at the sandbox: reading them, and the merchant's one answer."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from payments.gateways.abilities import DisputeEvidence
from payments.gateways.contract import DisputeNotice, DisputeStatus, GatewayOutcomeUnknown
from payments.gateways.sandbox.reading import NotUnderstood, moment, number, text

_STATUSES = {
    "ALERT": DisputeStatus.WARNING,
    "CONTESTED": DisputeStatus.NEEDS_RESPONSE,
    "WEIGHED": DisputeStatus.UNDER_REVIEW,
    "KEPT_BY_SHOP": DisputeStatus.WON,
    "TAKEN_BACK": DisputeStatus.LOST,
}
_REASONS = {
    "NOT_ME": "fraudulent",
    "NEVER_CAME": "not_received",
    "NOT_AS_SAID": "not_as_described",
    "TWICE": "duplicate",
    "HAD_ENDED": "canceled",
    "OTHER_SUM": "amount",
    "NOT_GIVEN_BACK": "credit_not_processed",
}
_TEXTS = {
    "explanation": "story",
    "product_description": "goods",
    "customer_name": "name",
    "customer_email": "mail",
    "delivery_date": "came_on",
    "tracking_number": "parcel",
    "carrier": "carrier",
    "refund_policy": "terms",
    "refund_refusal": "why_kept",
}


class Disputing(ABC):
    """DisputeCapable, on top of what asks the sandbox."""

    def fetch_dispute(self, gateway_reference: str) -> DisputeNotice:
        return _about(self._ask("GET", _path(gateway_reference)), gateway_reference)

    def submit_evidence(self, evidence: DisputeEvidence) -> DisputeNotice:
        """Files first, each under its SHA-256, so that sending all of it again sends nothing twice."""
        path = _path(evidence.gateway_reference)
        standing = self.fetch_dispute(evidence.gateway_reference)
        if standing.status not in (DisputeStatus.WARNING, DisputeStatus.NEEDS_RESPONSE):
            return standing
        digests = []
        for file in evidence.files:
            digests.append(hashlib.sha256(file.body).hexdigest())
            self._upload(f"{path}/files/{digests[-1]}", file.body, content_type=file.content_type)
        says = {_TEXTS[kind]: words for kind, words in evidence.texts.items() if kind in _TEXTS and words}
        answer = self._ask("POST", f"{path}/answer", {"says": says, "files": digests})
        return _about(answer, evidence.gateway_reference)

    def accept_dispute(self, gateway_reference: str) -> DisputeNotice:
        return _about(self._ask("POST", f"{_path(gateway_reference)}/concede", {}), gateway_reference)

    @abstractmethod
    def _ask(
        self, method: str, path: str, words: Mapping[str, Any] | None = None, *, missing_is_none: bool = False
    ) -> Any: ...

    @abstractmethod
    def _upload(self, path: str, body: bytes, *, content_type: str) -> None: ...


def dispute_notice(words: Any) -> DisputeNotice:
    """Raises NotUnderstood."""
    dispute, amount_minor, currency = text(words, "dispute"), number(words, "sum"), text(words, "coin")
    if not dispute or amount_minor is None or not currency:
        raise NotUnderstood("dispute, sum or coin")
    due_at = moment(number(words, "answer_until"))
    unlisted = DisputeStatus.NEEDS_RESPONSE if due_at else DisputeStatus.UNDER_REVIEW
    return DisputeNotice(
        gateway_reference=dispute,
        payment_reference=text(words, "of"),
        status=_STATUSES.get(text(words, "state"), unlisted),
        amount_minor=amount_minor,
        currency=currency,
        reason=_REASONS.get(text(words, "why"), "other"),
        evidence_due_at=due_at,
        payment_gateway_reference=text(words, "txn"),
        fee_minor=number(words, "cost") or 0,
        occurred_at=moment(number(words, "at")),
    )


def _about(answer: Any, gateway_reference: str) -> DisputeNotice:
    """An answer about something else than what was asked is no answer."""
    try:
        notice = dispute_notice(answer)
    except NotUnderstood as problem:
        raise GatewayOutcomeUnknown(f"the answer is malformed: {problem}", code="malformed") from None
    if notice.gateway_reference != gateway_reference:
        raise GatewayOutcomeUnknown("the answer is about another dispute", code="wrong_reference")
    return notice


def _path(gateway_reference: str) -> str:
    return f"/v1/disputes/{quote(gateway_reference, safe='')}"
