"""Statements that an adapter reads itself, with a made-up one."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import IO, Any, ClassVar

import pytest

from payments.gateways.abilities import StatementLine, StatementUnreadable
from payments.gateways.registry import GATEWAYS
from payments.gateways.sandbox.adapter import SandboxGateway
from payments.orders.models import Payment
from payments.routing import connections
from reconciliation.admin.statement_pages import UploadForm
from reconciliation.services import upload_statement
from reconciliation.statements.fetching import layout_for
from reconciliation.statements.models import Statement
from tests.reconciliation.conftest import Day, discrepancies, kinds

pytestmark = pytest.mark.django_db
Whole = Callable[[], None]


class ReadsOwnFiles(SandboxGateway):
    """Its files are JSON, one line a payment, and its days are Shanghai's."""

    statement_zone: ClassVar[str] = "Asia/Shanghai"
    statement_ready_after_seconds: ClassVar[int] = 3600

    def read_statement(self, file: IO[bytes]) -> Iterator[StatementLine]:
        if file.read(1) != b"[":
            raise StatementUnreadable("line 1: not the provider's format")
        file.seek(0)
        for line in json.load(file):
            at = line.pop("occurred_at", None)
            yield StatementLine(**line, occurred_at=datetime.fromisoformat(at) if at else None)


@pytest.fixture
def day(yesterday: Day, monkeypatch: pytest.MonkeyPatch) -> Day:
    monkeypatch.setitem(GATEWAYS, "sandbox", ReadsOwnFiles)
    connections.forget_adapters()
    return yesterday


def line_of(payment: Payment, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "take", "reference": payment.id, "payment_reference": payment.id, "amount_minor": payment.amount_minor,
        "fee_minor": payment.fee_minor, "currency": payment.currency, "gateway_reference": f"x_{payment.id}", **changes,
    }  # fmt: skip


def receive(day: Day, *lines: dict[str, Any]) -> Statement:
    return day.receive(json.dumps(lines).encode())


def test_days_and_hours_are_the_readers(day: Day) -> None:
    layout = layout_for(day.account)
    assert layout is not None
    assert layout.begins(day.day) == datetime(day.day.year, day.day.month, day.day.day, tzinfo=UTC) - timedelta(hours=8)
    assert layout.ready_after == timedelta(hours=1)
    assert [choice[0] for choice in UploadForm().fields["account"].choices] == [day.account.id]


def test_its_lines_are_compared_like_any_others(day: Day, all_is_whole: Whole) -> None:
    right, wrong_fee = day.paid(), day.paid()
    day.becomes_yesterday()
    day.shift(hours=-6, theirs=False)

    statement = receive(day, line_of(right), line_of(wrong_fee, fee_minor=wrong_fee.fee_minor + 5))

    assert (statement.status, statement.lines_read, statement.matched_lines) == ("matched", 2, 1)
    assert kinds(discrepancies(statement)) == [("mismatch", "fee")]
    all_is_whole()


def test_a_day_without_business_is_a_file_without_lines(day: Day, all_is_whole: Whole) -> None:
    statement = receive(day)
    assert (statement.status, statement.lines_read) == ("closed", 0)
    all_is_whole()


def test_a_line_about_what_we_did_not_know_goes_through_the_door(day: Day, all_is_whole: Whole) -> None:
    payment = day.paid(scenario="timeout_before_effect+no_callback")
    assert payment.status == "submitting"

    at = datetime.now(UTC).isoformat()
    statement = receive(day, line_of(payment, fee_minor=88, occurred_at=at))

    payment.refresh_from_db()
    assert (payment.status, payment.fee_minor) == ("succeeded", 88)
    assert (statement.status, discrepancies(statement)[0].resolution) == ("closed", "door")
    all_is_whole()


def test_money_given_back_is_negative_and_a_line_without_our_number_is_unknown(day: Day, all_is_whole: Whole) -> None:
    payment = day.paid()
    day.becomes_yesterday()
    day.shift(hours=-6, theirs=False)
    other = {
        **line_of(payment),
        "kind": "other",
        "reference": "",
        "payment_reference": "",
        "amount_minor": 700,
        "fee_minor": 0,
    }

    statement = receive(day, line_of(payment), {**other, "gateway_reference": "po_1"})

    row = discrepancies(statement)[0]
    assert (row.reference, row.aspect, row.their_amount_minor, row.is_in_suspense) == ("po_1", "unknown", 700, True)
    gone = receive(day, line_of(payment), {**other, "kind": "give_back", "gateway_reference": "gb_1"})
    assert gone.totals["theirs"]["USD"]["given_back_minor"] == -700
    all_is_whole()


def body_with(**changes: Any) -> bytes:
    line = {"kind": "take", "reference": "r", "payment_reference": "", "amount_minor": 1, "fee_minor": 0}
    return json.dumps([{**line, "currency": "USD", **changes}]).encode()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<html>", "unreadable"),
        (b"", "unreadable"),
        (body_with(reference=""), "bad_reference"),
        (body_with(currency="XXX"), "bad_currency"),
        (body_with(amount_minor=1.5), "bad_amount"),
    ],
)
def test_what_cannot_be_believed_is_refused_whole(day: Day, all_is_whole: Whole, body: bytes, code: str) -> None:
    payment = day.paid()
    statement = day.receive(body)
    assert (statement.status, statement.failure_code) == ("failed", code)
    assert discrepancies() == []
    assert Payment.objects.get().id == payment.id
    all_is_whole()


def test_a_large_file_is_read_from_the_disk_with_the_right_numbers(
    day: Day, all_is_whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciliation.discrepancies.settling import lines_of
    from reconciliation.statements import own_files

    monkeypatch.setattr(own_files, "IN_MEMORY_BYTES", 10)
    monkeypatch.setattr(own_files, "LINES_A_STRETCH", 3)
    payments = [day.paid() for _number in range(8)]
    day.becomes_yesterday()
    day.shift(hours=-6, theirs=False)
    wrong = payments[6]

    statement = receive(day, *(line_of(p, amount_minor=p.amount_minor + (p == wrong)) for p in payments))

    assert (statement.lines_read, statement.matched_lines) == (8, 7)
    row = discrepancies(statement)[0]
    assert (row.line_number, row.subject_id) == (8, wrong.id)
    assert lines_of(statement, numbers={8})[8]["reference"] == wrong.id
    all_is_whole()


def test_a_reader_that_cannot_fetch_takes_files_from_people_and_expects_none(
    yesterday: Day, monkeypatch: pytest.MonkeyPatch, all_is_whole: Whole
) -> None:
    from paycore.clock import database_now
    from payments.routing.models import GatewayAccount
    from reconciliation.statements import fetching

    monkeypatch.setitem(GATEWAYS, "sandbox", ReadsOwnFiles)
    monkeypatch.setattr(fetching, "_is_source", lambda _account: False)
    connections.forget_adapters()
    GatewayAccount.objects.update(created_at=database_now() - timedelta(days=3))
    assert fetching.expect_statements(database_now()) == 0
    day = yesterday.day - timedelta(days=1)
    statement = upload_statement(yesterday.account.id, day, [b"[]"], uploaded_by="usr_1")
    assert statement.status == "fetched"
