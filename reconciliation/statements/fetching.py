"""Asking providers for their statements: a row first, then the question; and again until there is an answer."""

from datetime import date, datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction

from paycore import clock
from paycore.alerts import raise_alert
from paycore.claims import claim_due
from paycore.clock import database_now
from paycore.errors import NotFound
from payments.gateways.abilities import StatementSoFarSource, StatementSource
from payments.gateways.contract import GatewayError
from payments.gateways.registry import GATEWAYS
from payments.routing.connections import ask, connect
from payments.routing.models import GatewayAccount
from payments.routing.services import get_account
from reconciliation.errors import DayIsNotOver, NoStatementsHere
from reconciliation.statements.files import Arrival, store_file
from reconciliation.statements.layouts import LAYOUTS, Layout
from reconciliation.statements.models import Statement, StatementFile
from reconciliation.statements.own_files import layout_of_reader, reads_own_files
from riskcontrol.cases import open_case
from riskcontrol.models import Case

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=60)
DAYS_BACK = 7
_DELAYS_MINUTES = (5, 10, 15, 30, 60)


def expect_statements(now: datetime) -> int:
    """A row for each account and finished day that should have a statement; how many are new. ``now`` is the
    database's clock. Days missed while nobody ran are made up for, a week back."""
    rows = []
    for account in GatewayAccount.objects.all():
        layout = layout_for(account)
        if layout is None or not _is_source(account):
            continue
        yesterday = layout.today(now) - timedelta(days=1)
        first = max(layout.today(account.created_at), yesterday - timedelta(days=DAYS_BACK - 1))
        rows += [
            _expected(account.id, first + timedelta(days=number), layout)
            for number in range((yesterday - first).days + 1)
        ]
    before = Statement.objects.count()
    Statement.objects.bulk_create(rows, ignore_conflicts=True)
    return Statement.objects.count() - before


def layout_for(account: GatewayAccount) -> Layout | None:
    """None: this gateway gives no statements."""
    gateway = GATEWAYS.get(account.gateway)
    if gateway is None:
        return None
    if reads_own_files(gateway):
        return layout_of_reader(gateway)
    return LAYOUTS.get(account.gateway) if issubclass(gateway, StatementSource) else None


def _is_source(account: GatewayAccount) -> bool:
    """Others' files are brought by people: no day of theirs is expected."""
    gateway = GATEWAYS.get(account.gateway)
    return gateway is not None and issubclass(gateway, StatementSource)


def expect_statement(account_id: str, day: date) -> Statement:
    """The row of this account and day, made when there is none. NotFound, NoStatementsHere."""
    account = get_account(account_id)
    if account is None:
        raise NotFound
    layout = layout_for(account)
    if layout is None:
        raise NoStatementsHere
    Statement.objects.bulk_create([_expected(account.id, day, layout)], ignore_conflicts=True)
    return Statement.objects.get(gateway_account_id=account.id, day=day)


def _expected(account_id: str, day: date, layout: Layout) -> Statement:
    return Statement(gateway_account_id=account_id, day=day, next_attempt_at=layout.ends(day) + layout.ready_after)


def due_statements(*, limit: int) -> list[str]:
    """Ids of statements to fetch or to compare now, leased."""
    return claim_due(Statement, lease=LEASE, limit=limit)


def fetch_statement(statement_id: str, *, now: datetime) -> Statement:
    """Ask the provider once. What is not there is asked for again, ever more seldom; never taken for an empty day.

    NotFound, DayIsNotOver, NoStatementsHere. ``now`` is the database's clock.
    """
    statement, account, layout = _subject(statement_id)
    if layout.ends(statement.day) > now:
        raise DayIsNotOver
    adapter = connect(account)
    if not isinstance(adapter, StatementSource):
        raise NoStatementsHere
    _note_attempt(statement, now=now)
    try:
        body = ask(account, adapter.fetch_statement, statement.day)
    except GatewayError as error:
        return _note_problem(statement, error.code or type(error).__name__, layout=layout, now=now)
    if body is None:
        return _note_problem(statement, "not_ready", layout=layout, now=now)
    arrival = Arrival(source=StatementFile.Source.FETCHED, covers_until=layout.ends(statement.day))
    return store_file(statement.id, [body], arrival=arrival)


def fetch_statement_so_far(statement_id: str) -> Statement:
    """Ask for a day that is not over: for trying things out. The whole day's statement follows by itself.

    NotFound, NoStatementsHere, the three GatewayErrors.
    """
    statement, account, layout = _subject(statement_id)
    adapter = connect(account)
    if not isinstance(adapter, StatementSoFarSource):
        raise NoStatementsHere
    asked_at = database_now()
    is_over = layout.ends(statement.day) <= asked_at
    body = ask(account, adapter.fetch_statement_so_far, statement.day)
    if body is None:
        return statement
    arrival = Arrival(
        source=StatementFile.Source.FETCHED,
        covers_until=min(asked_at, layout.ends(statement.day)),
        is_provisional=not is_over,
    )
    return store_file(statement.id, [body], arrival=arrival)


def _subject(statement_id: str) -> tuple[Statement, GatewayAccount, Layout]:
    statement = Statement.objects.filter(id=statement_id).first()
    account = get_account(statement.gateway_account_id) if statement is not None else None
    if statement is None or account is None:
        raise NotFound
    layout = layout_for(account)
    if layout is None:
        raise NoStatementsHere
    return statement, account, layout


def _note_attempt(statement: Statement, *, now: datetime) -> None:
    """Committed before the question: a process that dies while it waits has left word."""
    with transaction.atomic():
        row = Statement.objects.select_for_update(no_key=True).get(id=statement.id)
        row.attempts += 1
        if row.next_attempt_at is not None:
            delay = _DELAYS_MINUTES[min(row.attempts, len(_DELAYS_MINUTES)) - 1]
            row.next_attempt_at = now + timedelta(minutes=delay)
        row.save(update_fields=["attempts", "next_attempt_at"])
    statement.attempts, statement.next_attempt_at = row.attempts, row.next_attempt_at


def _note_problem(statement: Statement, problem: str, *, layout: Layout, now: datetime) -> Statement:
    overdue = layout.ends(statement.day) + timedelta(seconds=settings.PAYCORE_STATEMENT_OVERDUE_SECONDS)
    with transaction.atomic():
        statement.last_problem = problem[:200]
        statement.save(update_fields=["last_problem"])
        if now >= overdue:
            facts = {"account": statement.gateway_account_id, "day": statement.day.isoformat(), "problem": problem}
            open_case(kind=Case.Kind.STUCK, object_id=statement.id, facts=facts)
            raise_alert(what="statement not received", object_id=statement.id, now=clock.now())
    log.info("statement_not_received", statement_id=statement.id, problem=problem)
    return statement
