"""The clock of reconciliation. Each task looks for due rows, may run twice at once, and may be lost."""

import structlog
from celery import shared_task

from paycore import clock
from paycore.alerts import raise_alert
from paycore.claims import try_each
from paycore.clock import database_now
from paycore.errors import PaycoreError
from reconciliation.banking.matching import due_entries, settle_entry
from reconciliation.banking.payouts import collect_payouts
from reconciliation.banking.receiving import due_bank_statements, read_stored_file
from reconciliation.checks import run_checks
from reconciliation.discrepancies.settling import settle_due
from reconciliation.services import advance_statement
from reconciliation.statements.fetching import due_statements
from reconciliation.statements.fetching import expect_statements as expect

log = structlog.get_logger(__name__)


@shared_task
def expect_statements() -> int:
    return expect(database_now())


@shared_task
def advance_statements() -> int:
    statement_ids = due_statements(limit=2)
    try_each(statement_ids, _advance)
    return len(statement_ids)


def _advance(statement_id: str) -> None:
    try:
        advance_statement(statement_id, now=database_now())
    except PaycoreError as refusal:
        log.info("statement_not_advanced", statement_id=statement_id, reason=refusal.code)


@shared_task
def settle_discrepancies() -> int:
    return settle_due(limit=50)


@shared_task
def read_bank_statements() -> int:
    statement_ids = due_bank_statements(limit=2)
    try_each(statement_ids, read_stored_file)
    return len(statement_ids)


@shared_task
def settle_bank_lines() -> int:
    entry_ids = due_entries(limit=100)
    try_each(entry_ids, settle_entry)
    return len(entry_ids)


@shared_task
def collect_bank_payouts() -> int:
    return collect_payouts()


@shared_task
def check_reconciliation() -> int:
    findings = run_checks()
    for finding in findings:
        what = f"invariant {finding.code} broken"
        raise_alert(what=what, object_id=f"{finding.count}: {', '.join(finding.examples)}"[:120], now=clock.now())
    return len(findings)
