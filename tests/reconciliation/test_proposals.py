"""Two people decide; what they decide is booked once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from paycore.errors import NotFound, PaycoreError
from paycore.states import IllegalTransition
from payments.ledger.models import Posting, Transfer
from payments.ledger.queries import balance_of
from reconciliation.discrepancies.models import Discrepancy, Proposal
from reconciliation.discrepancies.proposals import approve, assign, propose, reject, withdraw, write_note
from reconciliation.errors import (
    DiscrepancyIsResolved,
    ProposalChanged,
    ProposalIsYourOwn,
    ReasonIsMissing,
    RemedyDoesNotFit,
)
from riskcontrol.models import Case
from tests.reconciliation.conftest import Day, discrepancies

pytestmark = pytest.mark.django_db
Whole = Callable[[], None]
ADA, BOB = "usr_ada", "usr_bob"


def one(day: Day, scenario: str) -> Discrepancy:
    day.paid(scenario=f"approve+{scenario}")
    day.becomes_yesterday()
    return discrepancies(day.reconcile())[0]


def unknown_money(day: Day) -> Discrepancy:
    day.plant("unknown_line")
    return discrepancies(day.reconcile())[0]


def books(day: Day) -> dict[str, int]:
    codes = {"gateway": f"gateway:{day.account.id}", "suspense": f"suspense:{day.account.id}",
             "fees": "expense:gateway_fees", "cost": "expense:discrepancies"}  # fmt: skip
    return {name: balance_of(code, currency="USD").minor for name, code in codes.items()}


def decide(row: Discrepancy, remedy: str) -> Discrepancy:
    proposal = propose(row.id, remedy=remedy, reason="as the provider says", proposed_by=ADA)
    return approve(proposal.id, fingerprint=proposal.fingerprint, approved_by=BOB)


@pytest.mark.parametrize(
    ("scenario", "moved"),
    [
        ("statement_wrong_fee(5)", {"gateway": -5, "fees": 5, "cost": 0}),
        ("statement_wrong_amount(10)", {"gateway": 10, "fees": 0, "cost": -10}),
        ("statement_missing", {"gateway": -1999 + 88, "fees": -88, "cost": 1999}),
        ("statement_duplicate", {"gateway": 1999 - 88, "fees": 88, "cost": -1999}),
    ],
)
def test_a_write_off_makes_the_books_follow_the_statement(
    yesterday: Day, all_is_whole: Whole, scenario: str, moved: dict[str, int]
) -> None:
    row = one(yesterday, scenario)
    before = books(yesterday)

    resolved = decide(row, "write_off")

    after = books(yesterday)
    assert {name: after[name] - before[name] for name in moved} == moved
    assert (resolved.status, resolved.resolution) == ("resolved", "write_off")
    assert resolved.statement.status == "closed"
    all_is_whole()


def test_a_wrong_currency_is_written_off_in_both(yesterday: Day, all_is_whole: Whole) -> None:
    row = one(yesterday, "statement_wrong_currency")
    decide(row, "write_off")
    gateway = f"gateway:{yesterday.account.id}"
    assert balance_of(gateway, currency="USD").minor == 0
    assert balance_of(gateway, currency="EUR").minor == 1999 - 88
    all_is_whole()


def test_to_ignore_books_nothing(yesterday: Day, all_is_whole: Whole) -> None:
    row = one(yesterday, "statement_missing")
    before = Transfer.objects.count()
    assert decide(row, "ignore").resolution == "ignore"
    assert Transfer.objects.count() == before
    all_is_whole()


@pytest.mark.parametrize(("remedy", "cost"), [("returned", 0), ("write_off", -4200)])
def test_money_of_unknown_owner_leaves_suspense_by_decision_only(
    yesterday: Day, all_is_whole: Whole, remedy: str, cost: int
) -> None:
    row = unknown_money(yesterday)
    with pytest.raises(RemedyDoesNotFit):
        propose(row.id, remedy="ignore", reason="x", proposed_by=ADA)

    decide(row, remedy)

    assert (books(yesterday)["suspense"], books(yesterday)["cost"]) == (0, cost)
    assert Case.objects.get(object_id=row.id).status == "resolved"
    all_is_whole()


def test_nobody_decides_about_an_own_proposal(yesterday: Day) -> None:
    row = one(yesterday, "statement_missing")
    proposal = propose(row.id, remedy="write_off", reason="x", proposed_by=ADA)

    refused(ProposalIsYourOwn, lambda: approve(proposal.id, fingerprint=proposal.fingerprint, approved_by=ADA))
    refused(ProposalIsYourOwn, lambda: reject(proposal.id, rejected_by=ADA, note="x"))
    refused(NotFound, lambda: withdraw(proposal.id, withdrawn_by=BOB))


def test_an_approval_is_of_what_was_looked_at(yesterday: Day, all_is_whole: Whole) -> None:
    row = one(yesterday, "statement_missing")
    first = propose(row.id, remedy="write_off", reason="x", proposed_by=ADA)
    withdraw(first.id, withdrawn_by=ADA)
    second = propose(row.id, remedy="ignore", reason="x", proposed_by=ADA)

    refused(ProposalChanged, lambda: approve(second.id, fingerprint=first.fingerprint, approved_by=BOB))
    refused(ProposalChanged, lambda: approve(first.id, fingerprint=first.fingerprint, approved_by=BOB))
    Discrepancy.objects.filter(id=row.id).update(our_amount_minor=1)
    refused(ProposalChanged, lambda: approve(second.id, fingerprint=second.fingerprint, approved_by=BOB))


def test_a_newer_file_makes_a_proposal_void(yesterday: Day, all_is_whole: Whole) -> None:
    payment = yesterday.paid()
    yesterday.becomes_yesterday()
    yesterday.receive_lines(yesterday.line_of(payment, gross=2_500))
    proposal = propose(discrepancies()[0].id, remedy="write_off", reason="x", proposed_by=ADA)

    yesterday.receive_lines(yesterday.line_of(payment, gross=2_600))

    proposal.refresh_from_db()
    assert (proposal.status, proposal.decided_by) == ("withdrawn", "system")
    row = discrepancies()[0]
    assert (row.status, row.their_amount_minor) == ("open", 2_600)
    all_is_whole()


def test_what_people_decided_is_not_asked_again_when_the_day_is_compared_anew(
    yesterday: Day, all_is_whole: Whole
) -> None:
    from reconciliation.matching.reconcile import reconcile, run_again

    row = one(yesterday, "statement_wrong_amount(10)")
    decide(row, "write_off")

    run_again(row.statement_id)
    assert reconcile(row.statement_id).status == "closed"

    assert [found.id for found in discrepancies()] == [row.id]
    all_is_whole()


def test_rejected_and_withdrawn_proposals_leave_it_open(yesterday: Day) -> None:
    row = one(yesterday, "statement_missing")
    before = Posting.objects.count()
    for end in (
        lambda proposal: reject(proposal.id, rejected_by=BOB, note="ask them first"),
        lambda proposal: withdraw(proposal.id, withdrawn_by=ADA),
    ):
        proposal = propose(row.id, remedy="write_off", reason="x", proposed_by=ADA)
        assert end(proposal).status == "open"
    assert Posting.objects.count() == before


def test_refused_proposals_change_nothing(yesterday: Day) -> None:
    row = one(yesterday, "statement_missing")
    refused(ReasonIsMissing, lambda: propose(row.id, remedy="ignore", reason="  ", proposed_by=ADA))
    refused(RemedyDoesNotFit, lambda: propose(row.id, remedy="returned", reason="x", proposed_by=ADA))
    refused(NotFound, lambda: propose("dis_nothing", remedy="ignore", reason="x", proposed_by=ADA))
    propose(row.id, remedy="ignore", reason="x", proposed_by=ADA)
    refused(IllegalTransition, lambda: propose(row.id, remedy="ignore", reason="x", proposed_by=BOB))


def test_a_resolved_discrepancy_takes_no_proposal(yesterday: Day) -> None:
    row = one(yesterday, "statement_missing")
    decide(row, "ignore")
    refused(DiscrepancyIsResolved, lambda: propose(row.id, remedy="write_off", reason="x", proposed_by=ADA))


def test_the_database_refuses_what_one_person_alone_would_do(yesterday: Day) -> None:
    row = one(yesterday, "statement_missing")
    proposal = propose(row.id, remedy="write_off", reason="x", proposed_by=ADA)
    with pytest.raises(IntegrityError, match="proposal_decided_by_another"), transaction.atomic():
        Proposal.objects.filter(id=proposal.id).update(status="approved", decided_by=ADA)
    with pytest.raises(DatabaseError, match="second person"), transaction.atomic():
        Discrepancy.objects.filter(id=row.id).update(
            status="resolved", resolution="write_off", resolved_at="2026-01-01T00:00Z"
        )
    with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE reconciliation_proposal SET remedy = 'ignore'")


def test_notes_and_who_looks_after_it_are_kept(yesterday: Day, app_user: Any) -> None:
    row = one(yesterday, "statement_missing")
    write_note(row.id, text="asked them", written_by=ADA)
    assert assign(row.id, user_id=app_user.user.pk).id == row.id
    row.refresh_from_db()
    assert row.assigned_to == app_user.user
    assert [note.text for note in row.notes.all()] == ["asked them"]
    with pytest.raises(NotFound):
        write_note("dis_nothing", text="x", written_by=ADA)
    with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic():
        row.notes.update(text="something else")


def refused(error: type[PaycoreError], act: Callable[[], object]) -> None:
    """Refused, and nothing is different afterwards."""
    before = snapshot()
    with pytest.raises(error):
        act()
    assert snapshot() == before


def snapshot() -> tuple[list[Any], list[Any], int]:
    return (
        list(Discrepancy.objects.order_by("id").values()),
        list(Proposal.objects.order_by("id").values()),
        Transfer.objects.count(),
    )
