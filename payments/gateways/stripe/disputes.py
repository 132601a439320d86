"""Disputes: reading them, and the merchant's one answer. Source: docs.stripe.com/disputes/responding and the Files
and Disputes API reference."""

import hashlib

from payments.gateways.abilities import DisputeEvidence, EvidenceFile
from payments.gateways.contract import DisputeNotice, GatewayOutcomeUnknown, GatewayRejected
from payments.gateways.stripe import reading
from payments.gateways.stripe.account import StripeAccount, understood
from payments.gateways.stripe.json_words import NotUnderstood, Words, inner, number, text
from payments.gateways.stripe.sdk import StripeRefusal, path_part

PATH = "/v1/disputes"
WARNINGS = "/v1/radar/early_fraud_warnings"
WARNING_PREFIX = "issfr_"
MAX_TEXT = 20_000
MAX_ALL_TEXT = 150_000
MAX_ALL_FILES_BYTES = 4_500_000
_FILE_TYPES = frozenset({"application/pdf", "image/jpeg", "image/png"})
_OPEN = frozenset({"needs_response", "warning_needs_response", "appeal_needs_response"})
_TEXT_FIELDS = {
    "explanation": "uncategorized_text",
    "product_description": "product_description",
    "customer_name": "customer_name",
    "customer_email": "customer_email_address",
    "tracking_number": "shipping_tracking_number",
    "carrier": "shipping_carrier",
    "refund_policy": "refund_policy_disclosure",
    "refund_refusal": "refund_refusal_explanation",
}
_FILE_FIELDS = {
    "receipt": "receipt",
    "delivery": "shipping_documentation",
    "communication": "customer_communication",
    "policy": "refund_policy",
    "other": "uncategorized_file",
}
_EXPAND = ["payment_intent"]


class Disputing(StripeAccount):
    def fetch_dispute(self, gateway_reference: str) -> DisputeNotice:
        """Also of an early fraud warning."""
        if not gateway_reference.startswith(WARNING_PREFIX):
            return self._notice(self._dispute(gateway_reference))
        warning = self._api.get(f"{WARNINGS}/{path_part(gateway_reference)}", {"expand": ["charge"]})
        return understood(lambda: reading.early_warning(warning))

    def submit_evidence(self, evidence: DisputeEvidence) -> DisputeNotice:
        texts = _texts_of(evidence)
        fields = _fields_of(evidence.files)
        dispute = self._dispute(evidence.gateway_reference)
        if text(dispute, "status") not in _OPEN or (
            number(inner(dispute, "evidence_details"), "submission_count") or 0
        ):
            return self._notice(dispute)
        said = dict(texts)
        for field, file in fields.items():
            said[field] = self._upload(evidence.gateway_reference, file)
        path = f"{PATH}/{path_part(evidence.gateway_reference)}"
        key = f"evidence-{evidence.gateway_reference}-{_digest(repr(sorted(said.items())).encode())}"
        return self._notice(self._api.post(path, {"evidence": said, "submit": True, "expand": _EXPAND}, key=key))

    def accept_dispute(self, gateway_reference: str) -> DisputeNotice:
        try:
            dispute = self._api.post(f"{PATH}/{path_part(gateway_reference)}/close", {"expand": _EXPAND})
        except StripeRefusal:
            notice = self.fetch_dispute(gateway_reference)
            if notice.status != "lost":
                raise
            return notice
        return self._notice(dispute)

    def _dispute(self, gateway_reference: str) -> Words:
        dispute = self._api.get(f"{PATH}/{path_part(gateway_reference)}", {"expand": _EXPAND})
        if dispute.get("id") != gateway_reference:
            raise GatewayOutcomeUnknown("the answer is about another dispute", code="wrong_reference")
        return dispute

    def _upload(self, gateway_reference: str, file: EvidenceFile) -> str:
        made = self._api.upload(
            name=file.name[:100],
            body=file.body,
            purpose="dispute_evidence",
            key=f"file-{gateway_reference}-{_digest(file.body)}",
        )
        try:
            return path_part(text(made, "id"))
        except (NotUnderstood, GatewayRejected):
            raise GatewayOutcomeUnknown("the answer names no file", code="malformed") from None

    def _notice(self, dispute: Words) -> DisputeNotice:
        return understood(lambda: reading.dispute_notice(dispute))


def _texts_of(evidence: DisputeEvidence) -> dict[str, str]:
    """Stripe knows no date of delivery (``shipping_date`` is when it left), so that is said in the free text."""
    said = {_TEXT_FIELDS[kind]: words for kind, words in evidence.texts.items() if kind in _TEXT_FIELDS and words}
    if delivered := evidence.texts.get("delivery_date"):
        free = said.get("uncategorized_text", "")
        said["uncategorized_text"] = f"{free}\n\nDelivered on {delivered}.".strip()
    if any(len(words) > MAX_TEXT for words in said.values()) or sum(map(len, said.values())) > MAX_ALL_TEXT:
        raise GatewayRejected("the texts are too long for Stripe", code="evidence_too_large")
    return said


def _fields_of(files: tuple[EvidenceFile, ...]) -> dict[str, EvidenceFile]:
    """One file a field; a second one of a kind goes where files without a kind go."""
    fields: dict[str, EvidenceFile] = {}
    for file in files:
        if file.content_type not in _FILE_TYPES:
            raise GatewayRejected("Stripe takes PDF, JPEG and PNG", code="evidence_type_not_supported")
        field = _FILE_FIELDS.get(file.kind, "uncategorized_file")
        field = field if field not in fields else "uncategorized_file"
        if field in fields:
            raise GatewayRejected("Stripe takes one file of a kind and one more", code="evidence_too_many_files")
        fields[field] = file
    if sum(len(file.body) for file in files) > MAX_ALL_FILES_BYTES:
        raise GatewayRejected("together the files may have 4.5 MB", code="evidence_too_large")
    return fields


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
