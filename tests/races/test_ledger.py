"""Writers of the books at once: new accounts, the same accounts, one account that must not overdraw."""

import pytest
from django.db import IntegrityError, transaction

from paycore.identifiers import new_id
from paycore.money import Money
from payments.ledger.models import LedgerAccount
from payments.ledger.queries import balance_of
from payments.ledger.services import Entry, Leg, post
from tests.actors import assert_books_are_whole
from tests.races.crew import Crew, Tally

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 100
WRITERS = 18
"""More than there are rows to an account, so that at least two write to the same rows."""


def move(*legs: tuple[str, str], minor: int = 5) -> str:
    with transaction.atomic():
        post(
            Entry("payment", new_id("pay"), "test", [Leg(debit, credit, Money(minor, "USD")) for debit, credit in legs])
        )
    return "posted"


def test_first_postings_to_new_accounts_in_opposite_directions_never_deadlock(crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        one, two, three = f"gateway:{trial}", f"merchant:{trial}:pending", f"expense:{trial}"
        forth, back = ((one, two), (three, one)), ((two, three), (two, one))

        tally.note(crew.at_once(*[lambda way=way: move(*way) for way in (forth, back) * (WRITERS // 2)]))

    tally.assert_no_surprise()
    assert tally.outcomes["posted"] == TRIALS * WRITERS
    assert_books_are_whole()


def test_a_wallet_spent_by_many_at_once_never_goes_below_zero(crew: Crew, tally: Tally) -> None:
    def spend(wallet: str) -> str:
        try:
            return move((wallet, "revenue:fees"), minor=60)
        except IntegrityError:
            return "refused"

    for trial in range(TRIALS):
        wallet = f"wallet:usr_{trial}"
        move(("gateway:w", wallet), minor=100)

        words = tally.note(crew.at_once(*[lambda wallet=wallet: spend(wallet) for _ in range(4)]))

        assert sorted(words) == ["posted", "refused", "refused", "refused"]
        assert balance_of(wallet, currency="USD").minor == 40
    tally.assert_no_surprise()
    assert not LedgerAccount.objects.filter(must_not_overdraw=True, balance_minor__lt=0).exists()
    assert_books_are_whole()
