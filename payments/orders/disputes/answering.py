"""Answering a dispute: evidence gathered, the intent committed, then the gateway asked until it says something."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from paycore import bell
from paycore.card_numbers import CardDataNotAllowed, contains_card_number
from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.errors import Conflict, NotFound, PaycoreError
from paycore.events import publish
from paycore.uploads import Upload
from payments.bells import DISPUTES
from payments.errors import NotSupportedByGateway
from payments.events import DisputeUpdated
from payments.gateways.abilities import DisputeCapable, DisputeEvidence, EvidenceFile
from payments.gateways.contract import DisputeNotice, GatewayError, GatewayRejected
from payments.orders.disputes.models import Dispute, DisputeFile
from payments.orders.disputes.recording import LOOK_AGAIN, record_dispute_notice
from payments.orders.models import Evidence
from payments.orders.schedule import QUERY_DELAYS_SECONDS
from payments.routing.connections import ask, connect
from payments.routing.models import GatewayAccount
from payments.routing.services import get_account

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
MAX_FILES = 10
TEXT_KINDS = (
    "explanation",
    "product_description",
    "customer_name",
    "customer_email",
    "delivery_date",
    "tracking_number",
    "carrier",
    "refund_policy",
    "refund_refusal",
)


class DisputeNotOpen(Conflict):
    code = "dispute_not_open"
    title = _("The dispute cannot be answered any more, or not yet.")


class EvidenceMissing(PaycoreError):
    code, http_status = "evidence_missing", 422
    title = _("Say something or add a file before the answer is sent.")


class TooMuchEvidence(PaycoreError):
    code, http_status = "too_much_evidence", 422
    title = _("A dispute takes at most ten files.")


def write_texts(dispute_id: str, texts: Mapping[str, str]) -> Dispute:
    """Replace the texts by these (only :data:`TEXT_KINDS`; empty ones are dropped). DisputeNotOpen once it was sent,
    CardDataNotAllowed for what looks like a card's number."""
    if any(contains_card_number(text) for text in texts.values()):
        raise CardDataNotAllowed
    with transaction.atomic():
        dispute = _lock_open(dispute_id)
        dispute.texts = {kind: texts[kind] for kind in TEXT_KINDS if texts.get(kind)}
        dispute.save(update_fields=["texts", "updated_at"])
    return dispute


def add_file(dispute_id: str, *, kind: DisputeFile.Kind, file: Upload, uploaded_by: str) -> DisputeFile:
    """The same file twice is one."""
    with transaction.atomic():
        dispute = _lock_open(dispute_id)
        if known := dispute.files.filter(sha256=file.sha256).first():
            return known
        if dispute.files.count() >= MAX_FILES:
            raise TooMuchEvidence
        return DisputeFile.objects.create(
            dispute=dispute,
            kind=kind,
            content=file.content,
            content_type=file.content_type,
            size_bytes=len(file.content),
            sha256=file.sha256,
            uploaded_by=uploaded_by,
        )


def send_answer(dispute_id: str, *, by: str) -> Dispute:
    """Decide to send what was gathered: it is final. EvidenceMissing, DisputeNotOpen, NotSupportedByGateway."""
    with transaction.atomic():
        dispute = _lock_open(dispute_id)
        if not dispute.texts and not dispute.files.exists():
            raise EvidenceMissing
        return _intend(dispute, Dispute.Answer.SUBMITTING, by=by)


def accept_dispute(dispute_id: str, *, by: str) -> Dispute:
    """Decide to give up: the payer keeps the money."""
    with transaction.atomic():
        return _intend(_lock_open(dispute_id), Dispute.Answer.ACCEPTING, by=by)


def advance_dispute(dispute_id: str) -> Dispute:
    """Send the answer that was decided, or ask how the dispute stands. No transaction is open meanwhile."""
    dispute = _mark_attempt(dispute_id)
    account = get_account(dispute.gateway_account_id)
    if account is None:
        raise NotFound
    adapter = connect(account)
    if dispute.is_decided or not isinstance(adapter, DisputeCapable):
        return dispute
    try:
        notice = _ask(dispute, account, adapter)
    except GatewayRejected as error:
        return _refused(dispute, code=error.code or "gateway_rejected")
    except GatewayError as error:
        log.warning("dispute_unknown", dispute_id=dispute.id, reason=error.code or type(error).__name__)
        return dispute
    _finish_answer(dispute)
    return record_dispute_notice(account, notice, source=Evidence.Source.RESPONSE)


def due_disputes(*, limit: int) -> list[str]:
    """Ids of disputes to answer or to ask about now, leased."""
    return claim_due(Dispute, lease=LEASE, limit=limit)


def _ask(dispute: Dispute, account: GatewayAccount, adapter: DisputeCapable) -> DisputeNotice:
    match dispute.answer:
        case Dispute.Answer.SUBMITTING:
            return ask(account, adapter.submit_evidence, _evidence(dispute))
        case Dispute.Answer.ACCEPTING:
            return ask(account, adapter.accept_dispute, dispute.gateway_reference)
    return ask(account, adapter.fetch_dispute, dispute.gateway_reference)


def _evidence(dispute: Dispute) -> DisputeEvidence:
    files = tuple(
        EvidenceFile(name=f"{file.kind}-{file.id}", content_type=file.content_type, kind=file.kind, body=file.content)
        for file in dispute.files.order_by("id")
    )
    return DisputeEvidence(dispute.gateway_reference, texts=dispute.texts or {}, files=files)


def _intend(dispute: Dispute, answer: Dispute.Answer, *, by: str) -> Dispute:
    account = get_account(dispute.gateway_account_id)
    if account is None:
        raise NotFound
    if not isinstance(connect(account), DisputeCapable):
        raise NotSupportedByGateway
    dispute.answer, dispute.answered_by, dispute.answer_failure = answer, by, ""
    dispute.attempts, dispute.next_attempt_at = 0, database_now()
    dispute.save()
    bell.ring_on_commit(DISPUTES)
    return dispute


def _lock_open(dispute_id: str) -> Dispute:
    dispute = Dispute.objects.select_for_update(no_key=True).filter(id=dispute_id).first()
    if dispute is None:
        raise NotFound
    is_open = dispute.status in (Dispute.Status.WARNING, Dispute.Status.NEEDS_RESPONSE)
    if not is_open or dispute.answer not in (Dispute.Answer.OPEN, Dispute.Answer.REFUSED):
        raise DisputeNotOpen(status=dispute.status)
    return dispute


def _mark_attempt(dispute_id: str) -> Dispute:
    with transaction.atomic():
        dispute = Dispute.objects.select_for_update(no_key=True).filter(id=dispute_id).first()
        if dispute is None:
            raise NotFound
        if not dispute.is_decided:
            is_answering = dispute.answer in (Dispute.Answer.SUBMITTING, Dispute.Answer.ACCEPTING)
            delay = QUERY_DELAYS_SECONDS[min(dispute.attempts, len(QUERY_DELAYS_SECONDS) - 1)]
            wait = max(LEASE, timedelta(seconds=delay)) if is_answering else LOOK_AGAIN
            dispute.attempts = min(dispute.attempts + 1, 1000)
            dispute.next_attempt_at = database_now() + wait
            dispute.save(update_fields=["attempts", "next_attempt_at", "updated_at"])
    return dispute


def _refused(dispute: Dispute, *, code: str) -> Dispute:
    """The gateway will not take the answer: a person looks again while there is time."""
    if dispute.answer not in (Dispute.Answer.SUBMITTING, Dispute.Answer.ACCEPTING):
        log.warning("dispute_not_known_there", dispute_id=dispute.id, reason=code)
        return dispute
    return _set_answer(dispute, Dispute.Answer.REFUSED, failure=code)


def _finish_answer(dispute: Dispute) -> None:
    ends = {
        Dispute.Answer.SUBMITTING: Dispute.Answer.SUBMITTED,
        Dispute.Answer.ACCEPTING: Dispute.Answer.ACCEPTED,
    }
    if end := ends.get(Dispute.Answer(dispute.answer)):
        _set_answer(dispute, end)


def _set_answer(dispute: Dispute, answer: Dispute.Answer, *, failure: str = "") -> Dispute:
    now: datetime = database_now()
    with transaction.atomic():
        row = Dispute.objects.select_for_update(no_key=True).get(id=dispute.id)
        if row.answer != dispute.answer:
            return row
        row.answer, row.answer_failure = answer, failure[:64]
        row.answered_at = None if failure else now
        if not row.is_decided:
            row.next_attempt_at = now + LOOK_AGAIN
        row.save()
        publish(DisputeUpdated(row.id, row.payment_id, row.merchant_id))
    return row
