"""The one way a discrepancy ends, and a proposal that nobody approved."""

from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.events import publish
from reconciliation.discrepancies.models import Discrepancy, Proposal
from reconciliation.events import DiscrepancyResolved, ProposalDeclined
from reconciliation.statements.models import Statement
from reconciliation.transitions import DISCREPANCY
from riskcontrol.cases import resolve_cases
from riskcontrol.models import Case


def resolve(row: Discrepancy, *, resolution: str) -> None:
    """In the running transaction, with the row locked. The statement is closed with its last discrepancy."""
    DISCREPANCY.require(row.status, Discrepancy.Status.RESOLVED)
    row.status, row.resolution = Discrepancy.Status.RESOLVED, resolution
    row.resolved_at, row.next_attempt_at = database_now(), None
    row.save()
    publish(DiscrepancyResolved(row.id, resolution))
    if row.aspect == Discrepancy.Aspect.UNKNOWN:
        resolve_cases(kind=Case.Kind.UNKNOWN_PAYMENT, object_id=row.id, resolution=resolution)


def close_if_done(statement: Statement) -> None:
    """In the running transaction, with the statement locked: a whole day without anything unresolved is closed."""
    is_open = statement.discrepancies.exclude(status=Discrepancy.Status.RESOLVED).exists()
    if statement.status == Statement.Status.MATCHED and not statement.is_provisional and not is_open:
        statement.status = Statement.Status.CLOSED
        statement.save(update_fields=["status"])


def lock_discrepancy(discrepancy_id: str) -> Discrepancy:
    """Statement, then discrepancy: whoever compares the statement anew goes the same way. NotFound."""
    statement_id = Discrepancy.objects.filter(id=discrepancy_id).values_list("statement_id", flat=True).first()
    if statement_id is None:
        raise NotFound
    statement = Statement.objects.select_for_update(no_key=True).get(id=statement_id)
    row = Discrepancy.objects.select_for_update(no_key=True).get(id=discrepancy_id)
    row.statement = statement
    return row


def decline_waiting_proposal(row: Discrepancy, *, by: str, note: str) -> None:
    """The machine withdraws what was proposed: the facts it was about are gone."""
    proposal = row.proposals.filter(status=Proposal.Status.WAITING).select_for_update(no_key=True).first()
    if proposal is not None:
        end_proposal(row, proposal, status=Proposal.Status.WITHDRAWN, by=by, note=note)


def end_proposal(row: Discrepancy, proposal: Proposal, *, status: Proposal.Status, by: str, note: str) -> None:
    proposal.status, proposal.decided_by, proposal.note = status, by, note[:300]
    proposal.decided_at = database_now()
    proposal.save(update_fields=["status", "decided_by", "note", "decided_at"])
    if status != Proposal.Status.APPROVED:
        publish(ProposalDeclined(row.id, proposal.id, str(status.value)))
