"""Every model of the app, for Django. Import them from where they live."""

from reconciliation.banking.models import BankAllocation, BankDecision, BankEntry, BankStatement
from reconciliation.banking.payout_models import Payout, PayoutBatch
from reconciliation.discrepancies.models import Discrepancy, DiscrepancyNote, Proposal
from reconciliation.statements.models import CarriedRecord, Statement, StatementChunk, StatementFile

__all__ = [
    "BankAllocation",
    "BankDecision",
    "BankEntry",
    "BankStatement",
    "CarriedRecord",
    "Discrepancy",
    "DiscrepancyNote",
    "Payout",
    "PayoutBatch",
    "Proposal",
    "Statement",
    "StatementChunk",
    "StatementFile",
]
