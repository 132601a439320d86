"""Every model of the app, for Django. Import them from where they live."""

from reconciliation.discrepancies.models import Discrepancy, DiscrepancyNote, Proposal
from reconciliation.statements.models import CarriedRecord, Statement, StatementChunk, StatementFile

__all__ = [
    "CarriedRecord",
    "Discrepancy",
    "DiscrepancyNote",
    "Proposal",
    "Statement",
    "StatementChunk",
    "StatementFile",
]
