"""Ops pages of reconciliation. Nothing here edits: what may be done is an action, and an action is one service call."""

from reconciliation import dashboard
from reconciliation.admin import (
    bank_entry_pages,
    bank_statement_pages,
    discrepancy_pages,
    payout_pages,
    proposal_pages,
    statement_pages,
)

__all__ = [
    "bank_entry_pages",
    "bank_statement_pages",
    "dashboard",
    "discrepancy_pages",
    "payout_pages",
    "proposal_pages",
    "statement_pages",
]
