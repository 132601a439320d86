"""What can happen to a statement as a whole: the next step, a day by hand, an uploaded file."""

from collections.abc import Iterable
from datetime import date, datetime

from paycore.clock import database_now
from paycore.errors import NotFound
from reconciliation.discrepancies.settling import settle_due
from reconciliation.errors import DayIsNotOver
from reconciliation.matching.reconcile import TO_DO, layout_of, reconcile
from reconciliation.statements.fetching import expect_statement, fetch_statement, fetch_statement_so_far
from reconciliation.statements.files import Arrival, store_file
from reconciliation.statements.models import Statement, StatementFile

SETTLE_BATCH = 500


def advance_statement(statement_id: str, *, now: datetime) -> Statement:
    """Fetch it if it is not here (or was of a day that was not over), then compare it. StatementBusy, NotFound."""
    statement = Statement.objects.filter(id=statement_id).first()
    if statement is None:
        raise NotFound
    if statement.status not in TO_DO:
        statement = fetch_statement(statement_id, now=now)
    if statement.status in TO_DO:
        statement = reconcile(statement_id)
    return statement


def reconcile_day(account_id: str, day: date, *, so_far: bool = False) -> Statement:
    """Everything at once, for a command or a demonstration: fetch, compare, settle what a machine may settle.

    ``so_far`` asks for a day that is not over. NotFound, NoStatementsHere, DayIsNotOver, StatementBusy, GatewayError.
    """
    statement = expect_statement(account_id, day)
    if so_far:
        fetch_statement_so_far(statement.id)
    else:
        fetch_statement(statement.id, now=database_now())
    reconcile(statement.id)
    settle_all()
    return Statement.objects.select_related("gateway_account").get(id=statement.id)


def upload_statement(account_id: str, day: date, pieces: Iterable[bytes], *, uploaded_by: str) -> Statement:
    """A file that a person brings, for a day that is over. NotFound, NoStatementsHere, DayIsNotOver,
    StatementTooLarge."""
    statement = expect_statement(account_id, day)
    ends = layout_of(statement).ends(day)
    if ends > database_now():
        raise DayIsNotOver
    arrival = Arrival(source=StatementFile.Source.UPLOADED, covers_until=ends, uploaded_by=uploaded_by)
    return store_file(statement.id, pieces, arrival=arrival)


def settle_all() -> int:
    """Until nothing is due; how many were looked at."""
    done = 0
    while count := settle_due(limit=SETTLE_BATCH):
        done += count
    return done
