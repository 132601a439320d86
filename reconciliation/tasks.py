"""The clock of reconciliation. Each task looks for due rows, may run twice at once, and may be lost."""

import structlog
from celery import shared_task

from paycore import clock
from paycore.alerts import raise_alert
from paycore.clock import database_now
from paycore.errors import PaycoreError
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
    for statement_id in statement_ids:
        try:
            advance_statement(statement_id, now=database_now())
        except PaycoreError as refusal:
            log.info("statement_not_advanced", statement_id=statement_id, reason=refusal.code)
    return len(statement_ids)


@shared_task
def settle_discrepancies() -> int:
    return settle_due(limit=50)


@shared_task
def check_reconciliation() -> int:
    findings = run_checks()
    for finding in findings:
        what = f"invariant {finding.code} broken"
        raise_alert(what=what, object_id=f"{finding.count}: {', '.join(finding.examples)}"[:120], now=clock.now())
    return len(findings)
