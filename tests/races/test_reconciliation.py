"""Statements and decisions about discrepancies, raced."""

from datetime import timedelta
from functools import partial

import pytest

from paycore.clock import database_now
from payments.ledger.models import Posting
from payments.ledger.queries import balance_of
from payments.orders.models import Payment
from reconciliation.checks import run_checks
from reconciliation.discrepancies.models import Discrepancy
from reconciliation.discrepancies.proposals import approve, propose, withdraw
from reconciliation.discrepancies.settling import settle_due
from reconciliation.matching.reconcile import reconcile, run_again
from reconciliation.services import settle_all, upload_statement
from reconciliation.statements.fetching import expect_statement
from reconciliation.statements.files import Arrival, store_file
from reconciliation.statements.models import Statement, StatementFile
from tests.actors import assert_books_are_whole
from tests.races.conftest import Shop
from tests.races.crew import Crew, Tally
from tests.reconciliation.conftest import HEADER

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 20
YESTERDAY = timedelta(days=1)


def file_of(*references: str, gross: int = 42) -> bytes:
    lines = [f"TAKE,{reference},{reference},t,USD,{gross},2,40,z\r\n" for reference in references]
    return (HEADER + "\r\n" + "".join(lines)).encode()


def receive(shop: Shop, body: bytes, *, days_ago: int) -> Statement:
    day = database_now().date() - timedelta(days=days_ago)
    return upload_statement(shop.account.id, day, [body], uploaded_by="usr_1")


def discrepancy_of(shop: Shop, *, trial: int) -> Discrepancy:
    """Unknown money, in suspense: resolving it books something."""
    statement = receive(shop, file_of(f"unknown_{trial}"), days_ago=trial + 1)
    reconcile(statement.id)
    settle_all()
    return Discrepancy.objects.get(statement=statement)


def is_whole(tally: Tally) -> None:
    tally.assert_no_surprise()
    assert_books_are_whole()
    assert not run_checks()


def test_an_approval_given_twice_at_once_books_once(shop: Shop, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        row = discrepancy_of(shop, trial=trial)
        proposal = propose(row.id, remedy="write_off", reason="x", proposed_by="ada")
        acts = [
            partial(approve, proposal.id, fingerprint=proposal.fingerprint, approved_by=by) for by in ("bob", "cid")
        ]

        words = tally.note(crew.at_once(*acts))

        assert sorted(words) == sorted(["proposal_changed", str(row)])
        assert Posting.objects.filter(business_id=row.id, phase__startswith="write_off").count() == 1
    is_whole(tally)


def test_approval_against_withdrawal_has_one_winner(shop: Shop, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        row = discrepancy_of(shop, trial=trial)
        proposal = propose(row.id, remedy="returned", reason="x", proposed_by="ada")

        words = tally.note(
            crew.at_once(
                partial(approve, proposal.id, fingerprint=proposal.fingerprint, approved_by="bob"),
                partial(withdraw, proposal.id, withdrawn_by="ada"),
            )
        )

        assert words.count("proposal_changed") == 1, words
        row.refresh_from_db()
        proposal.refresh_from_db()
        assert (row.status, proposal.status) in {("resolved", "approved"), ("open", "withdrawn")}
        left = Posting.objects.filter(business_id=row.id, phase__startswith="returned").count()
        assert left == (1 if row.status == "resolved" else 0)
    is_whole(tally)


def test_one_statement_compared_by_several_workers_finds_each_thing_once(shop: Shop, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        statement = receive(shop, file_of("a", "b"), days_ago=trial + 1)
        act = partial(lambda statement_id: reconcile(statement_id).status, statement.id)

        words = tally.note(crew.at_once(act, act, act))

        assert set(words) <= {"matched", "statement_busy"}, words
        assert "matched" in words
        assert Discrepancy.objects.filter(statement=statement).count() == 2
        crew.at_once(*[partial(settle_due, limit=10)] * 3)
        assert Posting.objects.filter(business_type="discrepancy").count() == 2 * (trial + 1)
    is_whole(tally)


def test_a_file_sent_twice_at_once_is_one_revision(shop: Shop, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        day = database_now().date() - timedelta(days=trial + 1)
        statement = expect_statement(shop.account.id, day)
        arrival = Arrival(source=StatementFile.Source.FETCHED, covers_until=database_now())
        act = partial(
            lambda statement_id, said: store_file(statement_id, [file_of("a")], arrival=said).revision,
            statement.id, arrival,
        )  # fmt: skip

        words = tally.note(crew.at_once(act, act, act))

        assert words == ["1", "1", "1"]
        assert statement.files.count() == 1
    is_whole(tally)


def test_approval_against_a_newer_file_never_books_what_is_gone(shop: Shop, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        row = discrepancy_of(shop, trial=trial)
        proposal = propose(row.id, remedy="write_off", reason="x", proposed_by="ada")
        receive(shop, file_of(), days_ago=trial + 1)

        words = tally.note(
            crew.at_once(
                partial(approve, proposal.id, fingerprint=proposal.fingerprint, approved_by="bob"),
                partial(lambda statement_id: reconcile(statement_id).status, row.statement_id),
            )
        )

        assert words[0] in {str(row), "proposal_changed"}, words
        row.refresh_from_db()
        assert row.resolution in {"write_off", "vanished"}
        assert balance_of(f"suspense:{shop.account.id}", currency="USD").minor == 0
    is_whole(tally)


def test_the_statement_against_the_callback_counts_the_money_once(shop: Shop, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        payment = shop.payment(scenario="timeout_after_effect")
        body = f"{HEADER}\r\nTAKE,{payment.id},{payment.id},stx_{trial},USD,1000,59,941,z\r\n".encode()
        statement = receive(shop, body, days_ago=trial + 1)
        reconcile(statement.id)

        tally.note(crew.at_once(partial(settle_due, limit=10), shop.deliver, partial(settle_due, limit=10)))

        assert Payment.objects.get(id=payment.id).captured_minor == 1000
        assert Discrepancy.objects.get(statement=statement).resolution == "door"
    shop.judge(tally)
    assert not run_checks()


def test_comparing_again_and_again_while_people_decide_ends_whole(shop: Shop, crew: Crew, tally: Tally) -> None:
    def again(statement_id: str) -> str:
        run_again(statement_id)
        return reconcile(statement_id).status

    for trial in range(TRIALS):
        row = discrepancy_of(shop, trial=trial)
        proposal = propose(row.id, remedy="returned", reason="x", proposed_by="ada")

        words = tally.note(
            crew.at_once(
                partial(again, row.statement_id),
                partial(approve, proposal.id, fingerprint=proposal.fingerprint, approved_by="bob"),
                partial(again, row.statement_id),
            )
        )

        assert set(words) <= {"closed", "matched", "fetched", "parsed", "statement_busy", str(row)}, words
        row.refresh_from_db()
        assert row.resolution == "returned"
    is_whole(tally)
