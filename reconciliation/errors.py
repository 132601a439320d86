"""Refusals of reconciliation."""

from typing import ClassVar

from django.utils.translation import gettext_lazy as _

from paycore.errors import Conflict, PaycoreError, PermissionRefused


class StatementBusy(Conflict):
    code = "statement_busy"
    title = _("Somebody else is working on this statement right now.")


class StatementHasNoFile(Conflict):
    code = "statement_has_no_file"
    title = _("There is no file of this statement yet.")


class NoStatementsHere(PaycoreError):
    code, http_status = "no_statements_here", 422
    title = _("The gateway of this account gives no statements, or none of the kind asked for.")


class DayIsNotOver(Conflict):
    code = "day_is_not_over"
    title = _("The provider's day is not over yet.")


class StatementTooLarge(PaycoreError):
    code, http_status = "statement_too_large", 413
    title = _("The file is larger than a statement may be.")


class DiscrepancyIsResolved(Conflict):
    code = "discrepancy_is_resolved"
    title = _("The discrepancy is resolved already.")


class RemedyDoesNotFit(Conflict):
    code = "remedy_does_not_fit"
    title = _("This remedy does not fit this discrepancy.")


class ReasonIsMissing(PaycoreError):
    code, http_status = "reason_is_missing", 422
    title = _("Say why.")


class ProposalIsYourOwn(PermissionRefused):
    code = "proposal_is_your_own"
    title = _("You proposed this yourself: another person must decide.")


class ProposalChanged(Conflict):
    """What was looked at is no longer what would be done."""

    code = "proposal_changed"
    title = _("The proposal is no longer the one you looked at. Look again before you decide.")


class StatementRefused(Exception):
    """The file cannot be believed. ``line`` counts records from 1, the header being the first; 0: the whole file.

    Not an answer to a request: it is kept on the statement, for people.
    """

    CODES: ClassVar = {
        "empty_file": _("The file is empty."),
        "wrong_encoding": _("The file is not in the encoding that was agreed."),
        "no_such_column": _("A column is missing."),
        "column_twice": _("A column is there twice."),
        "truncated": _("The file ends in the middle of a line."),
        "wrong_number_of_fields": _("A line has too few or too many fields."),
        "not_csv": _("A line is not valid CSV."),
        "line_too_long": _("A line is too long."),
        "bad_reference": _("A reference is empty or too long."),
        "bad_amount": _("An amount is not a whole number of the smallest unit."),
        "bad_currency": _("A currency is not enabled."),
        "unreadable": _("The provider's file cannot be read."),
        "too_many_lines": _("The file has more lines than a statement may have."),
        "too_many_differences": _("Almost nothing matches: is it the right account's file?"),
    }

    def __init__(self, code: str, *, line: int = 0, detail: str = "") -> None:
        self.code, self.line, self.detail = code, line, detail
        super().__init__(f"{code} (line {line}) {detail}".strip())
