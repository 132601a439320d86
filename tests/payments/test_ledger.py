"""The books: what is posted once, what is refused, what a check finds."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from paycore.money import CurrencyMismatch, Money
from payments.ledger import chart
from payments.ledger.invariants import run_checks
from payments.ledger.models import LedgerAccount, LedgerSeal, Posting, Transfer
from payments.ledger.queries import balance_of, balances, transfers_of
from payments.ledger.sealing import broken_seals, seal_ledger
from payments.ledger.services import Entry, Leg, post
from payments.orders.models import Payment
from payments.routing.models import GatewayAccount
from tests.actors import MerchantServer, run_background
from tests.api.row_counts import nothing_changes

pytestmark = pytest.mark.django_db


def usd(minor: int) -> Money:
    return Money(minor, "USD")


def entry(*legs: Leg, number: str = "1", phase: str = "done") -> Entry:
    return Entry("test", number, phase, legs)


SALE = (Leg("gateway:g", "merchant:m:pending", usd(1_000)), Leg("expense:gateway_fees", "gateway:g", usd(59)))


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def tamper(sql: str) -> None:
    """As somebody with the superuser's password would: triggers off."""
    execute("SET LOCAL session_replication_role = replica")
    execute(sql)
    execute("SET LOCAL session_replication_role = origin")


def test_every_kind_of_account_grows_on_its_own_side() -> None:
    post(entry(*SALE, Leg("merchant:m:pending", "revenue:fees", usd(15))))
    found = {(line.code, line.kind): line.balance.minor for line in balances()}
    assert found == {
        ("expense:gateway_fees", "expense"): 59,
        ("gateway:g", "asset"): 941,
        ("merchant:m:pending", "liability"): 985,
        ("revenue:fees", "income"): 15,
    }
    assert [transfer.amount_minor for transfer in transfers_of("test", "1")] == [1_000, 59, 15]


def test_every_code_of_the_chart_has_a_kind() -> None:
    codes = [chart.SUSPENSE, chart.REVENUE_FEES, chart.REVENUE_MEMBERSHIP, chart.MEMBERSHIP_DEFERRED,
             chart.EXPENSE_GATEWAY_FEES, chart.EXPENSE_PROMOTIONS, chart.EXPENSE_DISPUTES,
             chart.gateway("x"), chart.merchant_pending("x"), "wallet:u"]  # fmt: skip
    for number, code in enumerate(codes):
        post(entry(Leg("bank:b", code, usd(1)), number=str(number)))
    kinds = dict(LedgerAccount.objects.values_list("code", "kind"))
    assert kinds == {
        "bank:b": "asset", "suspense": "liability", "revenue:fees": "income", "revenue:membership": "income",
        "membership:deferred": "liability", "expense:gateway_fees": "expense", "expense:promotions": "expense",
        "expense:disputes": "expense", "gateway:x": "asset", "merchant:x:pending": "liability", "wallet:u": "liability",
    }  # fmt: skip


def test_an_account_that_nobody_planned_is_refused() -> None:
    with nothing_changes(), pytest.raises(IntegrityError), transaction.atomic():
        post(entry(Leg("petty cash", "suspense", usd(1))))


def test_the_same_event_is_posted_once() -> None:
    post(entry(*SALE))
    with nothing_changes(), pytest.raises(IntegrityError, match="posting_once"), transaction.atomic():
        post(entry(*SALE))
    post(entry(*SALE, phase="reversed"))
    assert Posting.objects.count() == 2


def test_a_wallet_is_never_overdrawn() -> None:
    post(entry(Leg("bank:b", "wallet:u", usd(100))))
    with (
        nothing_changes(),
        pytest.raises(IntegrityError, match="ledger_account_not_overdrawn"),
        transaction.atomic(),
    ):
        post(entry(Leg("wallet:u", "bank:b", usd(101)), number="2"))
    post(entry(Leg("wallet:u", "bank:b", usd(100)), number="3"))
    assert balance_of("wallet:u", currency="USD") == usd(0)


def test_currencies_are_not_mixed_and_nothing_is_not_posted() -> None:
    with nothing_changes():
        for legs in ([Leg("bank:b", "suspense", usd(1)), Leg("bank:b", "suspense", Money(1, "EUR"))], [], [
            Leg("bank:b", "suspense", usd(0))
        ]):  # fmt: skip
            with pytest.raises(CurrencyMismatch):
                post(entry(*legs))


@pytest.mark.parametrize("leg", [Leg("bank:b", "suspense", usd(-1)), Leg("bank:b", "bank:b", usd(1))])
def test_money_moves_forward_between_two_accounts(leg: Leg) -> None:
    with nothing_changes(), pytest.raises(IntegrityError), transaction.atomic():
        post(entry(leg))


def test_the_same_code_in_two_currencies_is_two_accounts() -> None:
    post(entry(Leg("bank:b", "suspense", usd(5))))
    post(entry(Leg("bank:b", "suspense", Money(7, "KWD")), number="2"))
    assert balance_of("suspense", currency="KWD") == Money(7, "KWD")
    assert balance_of("suspense", currency="USD") == usd(5)
    assert balance_of("suspense", currency="JPY") == Money(0, "JPY")


@pytest.fixture
def sealed() -> LedgerSeal:
    """Two links of the chain over books that are old enough."""
    for number in ("1", "2"):
        post(entry(*SALE, number=number))
        tamper(f"UPDATE payments_posting SET posted_at = now() - interval '{9 - int(number)} minutes'"
               f" WHERE business_id = '{number}'")  # fmt: skip
        if number == "1":
            first = seal_ledger()
            assert first is not None
            # The first link ends before the second posting.
            tamper("UPDATE payments_ledgerseal SET sealed_until = now() - interval '7 minutes 30 seconds'")
    last = seal_ledger()
    assert last is not None
    assert broken_seals() == []
    return last


def test_nothing_new_is_not_sealed_and_what_is_young_waits(sealed: LedgerSeal) -> None:
    post(entry(*SALE, number="young"))
    assert seal_ledger() is None
    assert LedgerSeal.objects.count() == 2


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE payments_transfer SET amount_minor = 7 WHERE id = (SELECT min(id) FROM payments_transfer)",
        "DELETE FROM payments_transfer WHERE id = (SELECT max(id) FROM payments_transfer)",
        "UPDATE payments_posting SET business_id = 'other' WHERE business_id = '1'",
        "UPDATE payments_posting SET posted_at = posted_at + interval '2 minutes' WHERE business_id = '1'",
        "UPDATE payments_transfer SET debit_account_id = credit_account_id, credit_account_id = debit_account_id",
        "DELETE FROM payments_ledgerseal WHERE id = (SELECT min(id) FROM payments_ledgerseal)",
    ],
)
def test_whoever_alters_a_sealed_row_breaks_the_chain(sealed: LedgerSeal, change: str) -> None:
    tamper(change)
    assert broken_seals()
    assert any(finding.promise.endswith("chain is whole") for finding in run_checks())


def check_books() -> str:
    written = io.StringIO()
    call_command("check_books", stdout=written)
    return written.getvalue()


def test_check_books_says_that_all_is_well(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    merchant_server.paid_order()
    run_background()
    report = check_books()
    assert all(f"J{number}" in report for number in range(1, 10))
    assert "BROKEN" not in report


BREAKS: dict[str, str] = {
    "J1": "DELETE FROM payments_transfer",
    "J2": "UPDATE payments_ledgeraccount SET balance_minor = balance_minor + 1 WHERE code = 'revenue:fees'",
    "J5": "UPDATE payments_payment SET refund_pending_minor = 1",
    "J6": "UPDATE payments_order SET status = 'canceled'",
    "J7": "UPDATE paycore_event SET name = 'order.lost' WHERE name = 'order.paid'",
    "J8": "UPDATE paycore_outboxmessage SET status = 'pending', next_attempt_at = now() - interval '31 minutes'",
    "J9": "UPDATE payments_payment SET is_surplus = true",
}


@pytest.mark.parametrize("code", BREAKS)
def test_check_books_finds_what_is_broken(merchant_server: MerchantServer, account: GatewayAccount, code: str) -> None:
    """The detectors' power: each invariant, broken on purpose, is found."""
    merchant_server.paid_order()
    merchant_server.client.post("/api/v1/nowhere")
    run_background()
    if code == "J8":
        with transaction.atomic():
            post_an_event()
    tamper(BREAKS[code])

    assert code in {finding.code for finding in run_checks()}
    with pytest.raises(CommandError, match="broken"):
        check_books()


def post_an_event() -> None:
    execute(
        "INSERT INTO paycore_outboxmessage (event_id, handler, status, attempts, next_attempt_at, last_error)"
        " SELECT min(id), 'nobody', 'pending', 0, now(), '' FROM paycore_event"
    )


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE payments_payment SET status = 'submitting', next_attempt_at = now() - interval '31 minutes'",
        "UPDATE payments_refund SET status = 'submitting', next_attempt_at = now() - interval '31 minutes'",
        "UPDATE payments_order SET status = 'open', next_attempt_at = now() - interval '31 minutes'",
    ],
)
def test_work_that_nobody_looks_at_is_found(
    merchant_server: MerchantServer, account: GatewayAccount, change: str
) -> None:
    _order, payment = merchant_server.paid_order()
    merchant_server.post("/refunds", {"payment": payment["id"], "reason": "x", "amount_minor": 1})
    assert run_checks() == []
    tamper(change)
    assert "J8" in {finding.code for finding in run_checks()}


def test_transfers_are_counted_in_both_directions(merchant_server: MerchantServer, account: GatewayAccount) -> None:
    """What all accounts hold together is nothing: every debit has its credit."""
    _order, payment = merchant_server.paid_order()
    merchant_server.post("/refunds", {"payment": payment["id"], "reason": "x", "amount_minor": 700})
    run_background()
    signed = sum(
        account.balance_minor * (1 if account.kind in ("asset", "expense") else -1)
        for account in LedgerAccount.objects.all()
    )
    assert signed == 0
    assert Transfer.objects.count() > 3
    assert Payment.objects.get().refunded_minor == 700
