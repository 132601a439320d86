"""Fetching: expected, not there, late, unreadable, sent twice, killed halfway."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from paycore.clock import database_now
from payments.gateways.sandbox.transport import SandboxTransport
from payments.routing.models import GatewayAccount
from reconciliation.errors import DayIsNotOver, NoStatementsHere
from reconciliation.matching import reconcile as reconciling
from reconciliation.matching.reconcile import reconcile
from reconciliation.services import advance_statement, reconcile_day, settle_all, upload_statement
from reconciliation.statements.fetching import due_statements, expect_statement, expect_statements, fetch_statement
from reconciliation.statements.files import file_pieces, newest_file
from reconciliation.statements.models import Statement
from reconciliation.tasks import advance_statements, check_reconciliation, settle_discrepancies
from reconciliation.tasks import expect_statements as expect_task
from riskcontrol.models import Case
from tests.reconciliation.conftest import HEADER, Day, discrepancies, kinds

pytestmark = pytest.mark.django_db
Whole = Callable[[], None]


def test_every_finished_day_of_every_account_is_expected_once(yesterday: Day) -> None:
    GatewayAccount.objects.update(created_at=database_now() - timedelta(days=3, hours=1))
    assert expect_statements(database_now()) == 3
    assert expect_statements(database_now()) == 0
    rows = Statement.objects.order_by("day")
    assert [row.day for row in rows] == [yesterday.day - timedelta(days=back) for back in (2, 1, 0)]
    assert {row.status for row in rows} == {"expected"}


def test_an_account_that_is_new_or_old_is_expected_from_its_first_day_or_a_week_back(yesterday: Day) -> None:
    assert expect_statements(database_now()) == 0
    GatewayAccount.objects.update(created_at=database_now() - timedelta(days=400))
    assert expect_statements(database_now()) == 7


def test_a_day_without_a_statement_is_not_received_and_never_without_business(yesterday: Day) -> None:
    yesterday.paid()
    yesterday.becomes_yesterday()
    yesterday.plant("not_ready")

    statement = yesterday.reconcile()

    assert (statement.status, statement.revision, statement.last_problem) == ("expected", 0, "not_ready")
    assert statement.next_attempt_at is not None
    assert statement.next_attempt_at > database_now()
    assert (statement.totals, discrepancies()) == ({}, [])
    yesterday.plant("")
    assert yesterday.reconcile().status == "closed"


@pytest.mark.parametrize("problem", ["not_ready", "unreachable"])
def test_a_statement_that_stays_away_becomes_a_case_that_ends_when_it_comes(
    yesterday: Day, sandbox_transport: SandboxTransport, settings: Any, problem: str
) -> None:
    settings.PAYCORE_STATEMENT_OVERDUE_SECONDS = 0
    yesterday.plant("not_ready" if problem == "not_ready" else "")
    sandbox_transport.is_reachable = problem == "not_ready"

    statement = yesterday.reconcile()

    assert statement.status == "expected"
    assert Case.objects.get(kind=Case.Kind.STUCK, object_id=statement.id).status == "open"
    yesterday.plant("")
    sandbox_transport.is_reachable = True
    yesterday.reconcile()
    assert Case.objects.get(object_id=statement.id).status == "resolved"


def test_a_day_that_is_not_over_has_no_statement(yesterday: Day) -> None:
    today = yesterday.day + timedelta(days=1)
    for act in (
        lambda: reconcile_day(yesterday.account.id, today),
        lambda: upload_statement(yesterday.account.id, today, [b"x"], uploaded_by="usr_1"),
    ):
        with pytest.raises(DayIsNotOver):
            act()
    assert Statement.objects.get().status == "expected"


def test_a_gateway_without_statements_is_not_asked(yesterday: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciliation.statements.fetching.LAYOUTS", {})
    with pytest.raises(NoStatementsHere):
        expect_statement(yesterday.account.id, yesterday.day)
    assert expect_statements(database_now()) == 0


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ("truncated", "truncated"),
        ("wrong_encoding", "wrong_encoding"),
        ("no_fee_column", "no_such_column"),
    ],
)
def test_a_file_that_cannot_be_believed_fails_and_the_next_good_one_is_compared(
    yesterday: Day, all_is_whole: Whole, errors: str, code: str
) -> None:
    yesterday.paid()
    yesterday.becomes_yesterday()
    yesterday.plant(errors)

    statement = yesterday.reconcile()

    assert (statement.status, statement.failure_code) == ("failed", code)
    assert not discrepancies()
    yesterday.plant("")
    mended = yesterday.reconcile()
    assert (mended.status, mended.revision, mended.failure_code) == ("closed", 2, "")
    all_is_whole()


def test_columns_in_another_order_a_mark_and_formulas_are_no_matter(yesterday: Day, all_is_whole: Whole) -> None:
    yesterday.paid()
    yesterday.becomes_yesterday()
    yesterday.plant("formulas+reversed_columns+byte_order_mark")

    statement = yesterday.reconcile()

    assert (statement.status, statement.lines_read) == ("matched", 2)
    row = discrepancies(statement)[0]
    assert (row.reference, row.kind) == ("=cmd|' /C calc'!A0", "missing_here")
    all_is_whole()


def test_the_file_is_kept_byte_for_byte_however_large(yesterday: Day) -> None:
    lines = (f"TAKE,n{number:040},n{number:040},t,USD,1,0,1,z\r\n" for number in range(30_000))
    body = (HEADER + "\r\n" + "".join(lines)).encode()
    assert len(body) > 2 * 1024 * 1024

    statement = upload_statement(yesterday.account.id, yesterday.day, [body[:5], body[5:]], uploaded_by="usr_1")

    file = newest_file(statement)
    assert file is not None
    assert b"".join(file_pieces(file)) == body
    assert (file.size_bytes, file.source, file.uploaded_by) == (len(body), "uploaded", "usr_1")


def test_a_process_that_dies_between_reading_and_comparing_is_taken_over(
    yesterday: Day, all_is_whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    yesterday.paid(scenario="approve+statement_missing")
    yesterday.becomes_yesterday()
    statement = expect_statement(yesterday.account.id, yesterday.day)
    fetch_statement(statement.id, now=database_now())
    with monkeypatch.context() as patch:
        patch.setattr(reconciling, "_compare", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            reconcile(statement.id)
    statement.refresh_from_db()
    assert (statement.status, discrepancies()) == ("parsed", [])
    assert due_statements(limit=5) == []  # its lease runs
    Statement.objects.update(next_attempt_at=database_now())

    assert due_statements(limit=5) == [statement.id]
    assert advance_statement(statement.id, now=database_now()).status == "matched"
    assert kinds(discrepancies()) == [("missing_there", "")]
    all_is_whole()


def test_no_stage_table_is_left_behind(yesterday: Day) -> None:
    yesterday.receive_lines("TAKE,x,x,t,USD,nothing,1,6,z")
    yesterday.receive_lines("TAKE,x,x,t,USD,7,1,6,z")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'reconciliation_stage%'")
        assert cursor.fetchone()[0] == 0


def test_the_tasks_bring_a_day_to_its_end(yesterday: Day, all_is_whole: Whole) -> None:
    payment = yesterday.paid(scenario="timeout_after_effect+no_callback+fetch_timeout_before_effect(50)")
    yesterday.becomes_yesterday()
    GatewayAccount.objects.update(created_at=database_now() - timedelta(days=1))
    assert expect_task() == 1
    Statement.objects.update(next_attempt_at=database_now())

    assert (advance_statements(), settle_discrepancies(), check_reconciliation()) == (1, 1, 0)

    payment.refresh_from_db()
    assert payment.status == "succeeded"
    assert Statement.objects.get().status == "closed"
    assert settle_all() == 0
    all_is_whole()


def test_the_command_prints_what_came_of_it(yesterday: Day) -> None:
    yesterday.paid(scenario="approve+statement_wrong_fee(5)")
    out = StringIO()
    call_command("reconcile", "--so-far", stdout=out)
    text = out.getvalue()
    assert "Sandbox" in text
    assert "mismatch/fee" in text
    assert "taken 19.99 USD" in text
    assert "discrepancies unresolved: 1" in text
    with pytest.raises(CommandError, match="1 of 1"):
        call_command("reconcile", "--day", str(yesterday.day + timedelta(days=1)), stdout=StringIO())
