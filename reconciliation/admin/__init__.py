"""Ops pages of reconciliation. Nothing here edits: what may be done is an action, and an action is one service call."""

from reconciliation import dashboard
from reconciliation.admin import discrepancy_pages, proposal_pages, statement_pages

__all__ = ["dashboard", "discrepancy_pages", "proposal_pages", "statement_pages"]
