"""A shop whose sandbox writes statements, and ways to make today's business yesterday's."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection

from paycore.clock import database_now
from payments.gateways.sandbox.provider.core import SandboxProvider
from payments.gateways.sandbox.provider.statements import plant_errors
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from reconciliation.checks import run_checks
from reconciliation.discrepancies.models import Discrepancy
from reconciliation.matching.reconcile import reconcile
from reconciliation.services import reconcile_day, settle_all
from reconciliation.statements.fetching import expect_statement
from reconciliation.statements.files import Arrival, store_file
from reconciliation.statements.layouts import LAYOUTS
from reconciliation.statements.models import Statement, StatementFile
from tests.actors import MerchantServer, assert_books_are_whole
from tests.reconciliation.bank_desk import OUR_BIC, OUR_IBAN, BankDesk

HEADER = "kind,reference,payment_reference,txn,coin,gross,fee,net,at"


@dataclass
class Day:
    """One finished day, yesterday, of one gateway account."""

    server: MerchantServer
    account: GatewayAccount
    sandbox: SandboxProvider
    day: date

    def paid(self, *, scenario: str = "approve", **more: Any) -> Payment:
        order = self.server.create_order(**more)
        answer = self.server.pay(order["id"], scenario=scenario).json()
        return Payment.objects.get(id=answer["id"])

    def becomes_yesterday(self, *, theirs: bool = True) -> None:
        """All that happened just now happened at noon of that day: close to its end it might be of the next there."""
        noon = datetime.combine(self.day, time(12), UTC)
        self.shift(hours=(noon - database_now()).total_seconds() / 3600, theirs=theirs)

    def shift(self, *, hours: float, ours: bool = True, theirs: bool = True, only: str = "%") -> None:
        if theirs:
            with self.sandbox.book.transaction():
                change = self.sandbox.book.change
                change("UPDATE take SET at = at + ? WHERE reference LIKE ?", hours * 3600, only)
                change("UPDATE give_back SET changed_at = changed_at + ? WHERE reference LIKE ?", hours * 3600, only)
        if ours:
            step = timedelta(hours=hours)
            for table, column in (
                ("payments_payment", "succeeded_at"), ("payments_refund", "succeeded_at"),
                ("payments_capture", "created_at"),
            ):  # fmt: skip
                with connection.cursor() as cursor:
                    cursor.execute(f"UPDATE {table} SET {column} = {column} + %s WHERE id LIKE %s", [step, only])

    def line_ends(self) -> datetime:
        return LAYOUTS["sandbox"].ends(self.day)

    def plant(self, errors: str, *, day: date | None = None) -> None:
        plant_errors(self.sandbox.book, day or self.day, errors=errors)

    def script(self, reference: str, text: str) -> None:
        self.sandbox.script(reference, text)

    def reconcile(self, day: date | None = None) -> Statement:
        return reconcile_day(self.account.id, day or self.day)

    def receive(self, body: bytes, *, day: date | None = None) -> Statement:
        """A file that came somehow, compared; what the machine may settle is settled."""
        statement = expect_statement(self.account.id, day or self.day)
        ends = LAYOUTS["sandbox"].ends(statement.day)
        store_file(statement.id, [body], arrival=Arrival(source=StatementFile.Source.UPLOADED, covers_until=ends))
        statement = reconcile(statement.id)
        settle_all()
        statement.refresh_from_db()
        return statement

    def receive_lines(self, *lines: str, day: date | None = None) -> Statement:
        return self.receive("".join(f"{line}\r\n" for line in (HEADER, *lines)).encode(), day=day)

    def line_of(self, payment: Payment, **changes: Any) -> str:
        cells = {
            "kind": "TAKE", "reference": payment.id, "payment_reference": payment.id, "txn": "stx_1",
            "coin": payment.currency, "gross": payment.captured_minor or payment.amount_minor,
            "fee": payment.fee_minor, "net": 0, "at": f"{self.day}T10:00:00.000Z", **changes,
        }  # fmt: skip
        return ",".join(map(str, cells.values()))


@pytest.fixture
def yesterday(merchant_server: MerchantServer, account: GatewayAccount, sandbox: SandboxProvider) -> Day:
    return Day(merchant_server, account, sandbox, database_now().date() - timedelta(days=1))


def discrepancies(statement: Statement | None = None) -> list[Discrepancy]:
    rows = Discrepancy.objects.order_by("reference", "id")
    return list(rows.filter(statement=statement) if statement else rows)


def kinds(rows: Iterable[Discrepancy]) -> list[tuple[str, str]]:
    return sorted((row.kind, row.aspect) for row in rows)


@pytest.fixture
def all_is_whole() -> Callable[[], None]:
    def check() -> None:
        assert_books_are_whole()
        assert not run_checks()

    return check


@pytest.fixture
def desk(merchant_server: MerchantServer, db: None) -> BankDesk:
    """The platform's bank account, and who pays into it."""
    account = GatewayAccount.objects.create(
        name="Our bank",
        gateway="bank_transfer",
        base_url="https://bank.example",
        credentials={},
        settings={"iban": OUR_IBAN, "bic": OUR_BIC, "holder": "Paycore Ltd", "bank_name": "Commerzbank"},
        methods=["bank_transfer"],
        currencies=[],
    )
    return BankDesk(merchant_server, account)
