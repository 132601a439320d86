"""Disputes as the API and merchants' webhooks show them."""

from typing import Any

from payments.orders.disputes.models import Dispute, DisputeFile


def present_dispute(dispute: Dispute) -> dict[str, Any]:
    return {
        "id": dispute.id,
        "object": "dispute",
        "payment": dispute.payment_id,
        "status": str(dispute.status),
        "reason": str(dispute.reason),
        "currency": dispute.currency,
        "amount_minor": dispute.amount_minor,
        "withdrawn_minor": dispute.withdrawn_minor,
        "evidence_due_at": dispute.evidence_due_at,
        "answer": str(dispute.answer),
        "answer_failure": dispute.answer_failure or None,
        "answered_at": dispute.answered_at,
        "opened_at": dispute.opened_at,
        "decided_at": dispute.decided_at,
    }


def present_file(file: DisputeFile) -> dict[str, Any]:
    """Never its content."""
    return {
        "id": file.id,
        "object": "dispute_file",
        "kind": str(file.kind),
        "content_type": file.content_type,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
        "created_at": file.created_at,
    }
