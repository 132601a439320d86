"""Two people decide about a discrepancy: one proposes, another approves exactly that."""

import hashlib
import json

from django.db import transaction

from paycore.errors import NotFound
from paycore.events import publish
from reconciliation.discrepancies import bookkeeping
from reconciliation.discrepancies.closing import close_if_done, end_proposal, lock_discrepancy, resolve
from reconciliation.discrepancies.models import Discrepancy, DiscrepancyNote, Proposal
from reconciliation.errors import (
    DiscrepancyIsResolved,
    ProposalChanged,
    ProposalIsYourOwn,
    ReasonIsMissing,
    RemedyDoesNotFit,
)
from reconciliation.events import DiscrepancyProposed
from reconciliation.transitions import DISCREPANCY


def fitting_remedies(row: Discrepancy) -> tuple[Proposal.Remedy, ...]:
    """Money in suspense has to go somewhere; a success that the door has yet to see is nobody's decision."""
    if row.status == Discrepancy.Status.RESOLVED or row.next_attempt_at is not None:
        return ()
    if row.is_in_suspense:
        return Proposal.Remedy.RETURNED, Proposal.Remedy.WRITE_OFF
    return Proposal.Remedy.WRITE_OFF, Proposal.Remedy.IGNORE


def fingerprint_of(row: Discrepancy, *, remedy: str, reason: str) -> str:
    """SHA-256 of what would be done and why: an approval is of this and of nothing else."""
    content = json.dumps([row.id, row.facts, remedy, reason], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def propose(discrepancy_id: str, *, remedy: str, reason: str, proposed_by: str) -> Proposal:
    """NotFound, DiscrepancyIsResolved, IllegalTransition (one waits already), RemedyDoesNotFit, ReasonIsMissing."""
    reason = reason.strip()[:300]
    if not reason:
        raise ReasonIsMissing
    with transaction.atomic():
        row = lock_discrepancy(discrepancy_id)
        if row.status == Discrepancy.Status.RESOLVED:
            raise DiscrepancyIsResolved
        DISCREPANCY.require(row.status, Discrepancy.Status.PROPOSED)
        if remedy not in fitting_remedies(row):
            raise RemedyDoesNotFit(remedy=remedy)
        row.status = Discrepancy.Status.PROPOSED
        row.save(update_fields=["status"])
        proposal = Proposal.objects.create(
            discrepancy=row,
            remedy=remedy,
            reason=reason,
            fingerprint=fingerprint_of(row, remedy=remedy, reason=reason),
            proposed_by=proposed_by,
        )
        publish(DiscrepancyProposed(row.id, proposal.id, remedy))
    return proposal


def approve(proposal_id: str, *, fingerprint: str, approved_by: str, note: str = "") -> Discrepancy:
    """Another person agrees: booked and resolved, once. ``fingerprint`` is of what that person looked at.

    NotFound, ProposalIsYourOwn, ProposalChanged.
    """
    with transaction.atomic():
        row, proposal = _lock(proposal_id)
        _require_waiting(proposal)
        if proposal.proposed_by == approved_by:
            raise ProposalIsYourOwn
        now_means = fingerprint_of(row, remedy=proposal.remedy, reason=proposal.reason)
        if not proposal.fingerprint == fingerprint == now_means:
            raise ProposalChanged
        end_proposal(row, proposal, status=Proposal.Status.APPROVED, by=approved_by, note=note)
        _carry_out(row, proposal)
        resolve(row, resolution=proposal.remedy)
        close_if_done(row.statement)
    return row


def reject(proposal_id: str, *, rejected_by: str, note: str) -> Discrepancy:
    """Another person disagrees: the discrepancy is open again. NotFound, ProposalIsYourOwn, ProposalChanged."""
    with transaction.atomic():
        row, proposal = _lock(proposal_id)
        _require_waiting(proposal)
        if proposal.proposed_by == rejected_by:
            raise ProposalIsYourOwn
        end_proposal(row, proposal, status=Proposal.Status.REJECTED, by=rejected_by, note=note)
        _open_again(row)
    return row


def withdraw(proposal_id: str, *, withdrawn_by: str) -> Discrepancy:
    """Whoever proposed it takes it back. NotFound (also for another's), ProposalChanged."""
    with transaction.atomic():
        row, proposal = _lock(proposal_id)
        if proposal.proposed_by != withdrawn_by:
            raise NotFound
        _require_waiting(proposal)
        end_proposal(row, proposal, status=Proposal.Status.WITHDRAWN, by=withdrawn_by, note="")
        _open_again(row)
    return row


def waiting_proposal(row: Discrepancy) -> Proposal | None:
    return row.proposals.filter(status=Proposal.Status.WAITING).first()


def write_note(discrepancy_id: str, *, text: str, written_by: str) -> DiscrepancyNote:
    """NotFound, ReasonIsMissing."""
    if not text.strip():
        raise ReasonIsMissing
    if not Discrepancy.objects.filter(id=discrepancy_id).exists():
        raise NotFound
    return DiscrepancyNote.objects.create(
        discrepancy_id=discrepancy_id, text=text.strip()[:1000], written_by=written_by
    )


def assign(discrepancy_id: str, *, user_id: str | None) -> Discrepancy:
    """Who looks after it; None: nobody. NotFound."""
    with transaction.atomic():
        row = lock_discrepancy(discrepancy_id)
        Discrepancy.objects.filter(id=row.id).update(assigned_to_id=user_id)
    return row


def _carry_out(row: Discrepancy, proposal: Proposal) -> None:
    match proposal.remedy:
        case Proposal.Remedy.WRITE_OFF:
            bookkeeping.write_off(row)
        case Proposal.Remedy.RETURNED:
            bookkeeping.leave_suspense(row, phase="returned")


def _lock(proposal_id: str) -> tuple[Discrepancy, Proposal]:
    discrepancy_id = Proposal.objects.filter(id=proposal_id).values_list("discrepancy_id", flat=True).first()
    if discrepancy_id is None:
        raise NotFound
    row = lock_discrepancy(discrepancy_id)
    return row, Proposal.objects.select_for_update(no_key=True).get(id=proposal_id)


def _require_waiting(proposal: Proposal) -> None:
    if proposal.status != Proposal.Status.WAITING:
        raise ProposalChanged


def _open_again(row: Discrepancy) -> None:
    row.status = Discrepancy.Status.OPEN
    row.save(update_fields=["status"])
