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


@dataclass(frozen=True)
class BankStatementRead(Event):
    name: ClassVar[str] = "bank_statement.read"
    statement_id: str
    account_id: str
    lines: int
    new_lines: int


@dataclass(frozen=True)
class BankStatementRefused(Event):
    name: ClassVar[str] = "bank_statement.refused"
    statement_id: str
    account_id: str
    code: str


@dataclass(frozen=True)
class BankTransferShort(Event):
    """Money came for a payment, and not all of it. Amounts are minor units."""

    name: ClassVar[str] = "bank_line.underpaid"
    entry_id: str
    payment_id: str
    order_id: str
    arrived_minor: int
    missing_minor: int
    user_id: str | None


@dataclass(frozen=True)
class BankLineDecided(Event):
    name: ClassVar[str] = "bank_line.decided"
    entry_id: str
    decision_id: str
    remedy: str


@dataclass(frozen=True)
class PayoutFileReleased(Event):
    name: ClassVar[str] = "payout_file.released"
    batch_id: str
    count: int


@dataclass(frozen=True)
class PayoutPaid(Event):
    name: ClassVar[str] = "payout.paid"
    payout_id: str
    kind: str
    subject_id: str


@dataclass(frozen=True)
class PayoutReturned(Event):
    name: ClassVar[str] = "payout.returned"
    payout_id: str
    kind: str
    subject_id: str
