"""How statements and discrepancies look."""

from collections.abc import Mapping
from typing import Any

from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from unfold.utils import display_for_label

from payments.admin.columns import money
from reconciliation.discrepancies.models import Discrepancy
from reconciliation.errors import StatementRefused
from reconciliation.statements.models import Statement

STATEMENT_COLOURS = {
    "expected": "warning",
    "fetched": "info",
    "parsed": "info",
    "matched": "primary",
    "closed": "success",
    "failed": "danger",
}
DISCREPANCY_COLOURS = {"open": "danger", "proposed": "warning", "resolved": "success"}
PROPOSAL_COLOURS = {"waiting": "warning", "approved": "success", "rejected": "danger", "withdrawn": "default"}


def label(value: str, text: str, colours: Mapping[str, str]) -> SafeString:
    shown: SafeString = display_for_label((value, text), "–", dict(colours))
    return shown


def side_total(statement: Statement, side: str) -> SafeString | str:
    """What one side comes to, a line for each currency."""
    totals: dict[str, dict[str, Any]] = statement.totals.get(side, {})
    lines = [
        (money(total["taken_minor"] + total["given_back_minor"], currency),)
        for currency, total in sorted(totals.items())
    ]
    return format_html_join(mark_safe("<br>"), "{}", lines) if lines else "–"


def amount_or_dash(minor: int | None, currency: str) -> str:
    return "–" if minor is None or not currency else money(minor, currency)


def what_differs(row: Discrepancy) -> str:
    aspect = row.get_aspect_display() if row.aspect else ""
    return f"{row.get_kind_display()}: {aspect}" if aspect else str(row.get_kind_display())


def size(row: Discrepancy) -> str:
    return amount_or_dash(row.size_minor, row.their_currency or row.our_currency)


def failure_text(statement: Statement) -> str:
    """Why the file could not be read, and where."""
    if not statement.failure_code:
        return "–"
    text = str(StatementRefused.CODES.get(statement.failure_code, statement.failure_code))
    if statement.failure_line:
        text += " " + gettext("Line %(line)d.") % {"line": statement.failure_line}
    return f"{text} {statement.failure_detail}".strip()


def progress_text(statement: Statement) -> str:
    if statement.status in (Statement.Status.FETCHED, Statement.Status.PARSED):
        lines = gettext("%(lines)s lines read") % {"lines": f"{statement.lines_read:,}"}
        return f"{statement.get_phase_display()} · {lines}"
    if statement.status == Statement.Status.EXPECTED:
        return problem_text(statement)
    return gettext("%(matched)s of %(lines)s lines match") % {
        "matched": f"{statement.matched_lines:,}",
        "lines": f"{statement.lines_read:,}",
    }


def problem_text(statement: Statement) -> str:
    if not statement.attempts:
        return gettext("Not asked for yet")
    reason = gettext("not ready there") if statement.last_problem == "not_ready" else statement.last_problem
    return gettext("Asked %(times)d times: %(reason)s") % {"times": statement.attempts, "reason": reason or "–"}
