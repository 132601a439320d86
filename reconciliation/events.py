"""What reconciliation tells. Nobody above listens yet; the events are the history that people read."""

from dataclasses import dataclass
from typing import ClassVar

from paycore.events import Event


@dataclass(frozen=True)
class StatementReceived(Event):
    name: ClassVar[str] = "statement.received"
    statement_id: str
    revision: int


@dataclass(frozen=True)
class StatementMatched(Event):
    name: ClassVar[str] = "statement.matched"
    statement_id: str
    revision: int
    open_discrepancies: int


@dataclass(frozen=True)
class StatementFailed(Event):
    name: ClassVar[str] = "statement.failed"
    statement_id: str
    revision: int
    code: str


@dataclass(frozen=True)
class DiscrepancyProposed(Event):
    name: ClassVar[str] = "discrepancy.proposed"
    discrepancy_id: str
    proposal_id: str
    remedy: str


@dataclass(frozen=True)
class ProposalDeclined(Event):
    """Rejected by another person, withdrawn by its own, or void because the facts changed."""

    name: ClassVar[str] = "discrepancy.proposal_declined"
    discrepancy_id: str
    proposal_id: str
    how: str


@dataclass(frozen=True)
class DiscrepancyResolved(Event):
    name: ClassVar[str] = "discrepancy.resolved"
    discrepancy_id: str
    resolution: str
