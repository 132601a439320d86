"""Bank files, lines, decisions and payouts, raced."""

from functools import partial

import pytest

from payments.ledger.models import Posting
from payments.orders.models import Payment
from reconciliation.banking.deciding import approve, propose
from reconciliation.banking.matching import settle_entry
from reconciliation.banking.models import BankEntry, BankStatement
from reconciliation.banking.payout_files import make_payout_file, release_payout_file
from reconciliation.banking.payout_models import Payout, PayoutBatch
from reconciliation.banking.payouts import collect_payouts
from reconciliation.banking.receiving import read_stored_file, store_bank_file
from reconciliation.checks import run_checks
from tests.actors import assert_books_are_whole
from tests.races.crew import Crew, Tally
from tests.reconciliation.bank_desk import DAY, BankDesk, Said, camt
from tests.reconciliation.conftest import desk

__all__ = ["desk"]  # a fixture

pytestmark = [pytest.mark.races, pytest.mark.django_db(transaction=True)]
TRIALS = 10


def of(payment: Payment, amount: str, trial: int, **more: str) -> Said:
    return Said(amount, text=payment.gateway_reference, bank_reference=f"{trial}{more.get('part', '')}")


def is_whole(tally: Tally) -> None:
    tally.assert_no_surprise()
    assert_books_are_whole()
    assert not run_checks()


def receive(desk: BankDesk, body: bytes) -> str:
    return read_stored_file(store_bank_file(desk.account.id, [body]).id).status


def test_the_same_file_uploaded_at_once_is_one_statement_with_each_line_once(
    desk: BankDesk, crew: Crew, tally: Tally
) -> None:
    for trial in range(TRIALS):
        body = camt([Said("1.00", bank_reference=f"a{trial}"), Said("2.00", bank_reference=f"b{trial}")])
        words = tally.note(crew.at_once(*[partial(receive, desk, body)] * 4))
        assert set(words) == {"read"}
        assert (BankStatement.objects.count(), BankEntry.objects.count()) == (trial + 1, 2 * (trial + 1))
    is_whole(tally)


def test_overlapping_files_at_once_count_each_line_once(desk: BankDesk, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        shared = Said("2.00", bank_reference=f"s{trial}")
        bodies = [camt([shared, Said("1.00", bank_reference=f"{name}{trial}")]) for name in "xyz"]
        tally.note(crew.at_once(*[partial(receive, desk, body) for body in bodies]))
        assert BankEntry.objects.count() == 4 * (trial + 1)
    is_whole(tally)


def test_a_line_settled_by_several_workers_pays_once(desk: BankDesk, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        payment = desk.asked()
        receive(desk, camt([of(payment, "100.00", trial)]))
        entry = BankEntry.objects.get(status="received")
        words = tally.note(crew.at_once(*[partial(lambda entry_id: settle_entry(entry_id).status, entry.id)] * 4))
        assert "done" in words, words
        assert Payment.objects.get(id=payment.id).captured_minor == 10_000
        assert Posting.objects.filter(business_id=entry.id).count() == 2
    is_whole(tally)


def test_two_parts_settled_at_once_pay_the_order(desk: BankDesk, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        payment = desk.asked()
        receive(desk, camt([of(payment, "60.00", trial, part="a"), of(payment, "50.00", trial, part="b")]))
        ids = list(BankEntry.objects.filter(status="received").values_list("id", flat=True))
        tally.note(crew.at_once(*[partial(settle_entry, entry_id) for entry_id in ids * 2]))
        payment.refresh_from_db()
        assert (payment.status, payment.captured_minor) == ("succeeded", 10_000)
        left = BankEntry.objects.filter(id__in=ids).values_list("unallocated_minor", flat=True)
        assert sorted(left) == [0, 1_000]
    is_whole(tally)


def test_assigning_against_the_payers_second_transfer_takes_the_amount_once(
    desk: BankDesk, crew: Crew, tally: Tally
) -> None:
    for trial in range(TRIALS):
        payment = desk.asked(20_000)
        receive(desk, camt([Said("200.00", bank_reference=f"u{trial}")]))
        unknown = BankEntry.objects.get(status="received")
        settle_entry(unknown.id)
        decision = propose(unknown.id, remedy="assign", payment_id=payment.id, reason="x", proposed_by="ada")
        receive(desk, camt([of(payment, "200.00", trial, part="m")]))
        named = BankEntry.objects.get(status="received")

        words = tally.note(
            crew.at_once(
                partial(approve, decision.id, fingerprint=decision.fingerprint, approved_by="bob"),
                partial(lambda entry_id: settle_entry(entry_id).status, named.id),
            )
        )

        payment.refresh_from_db()
        assert (payment.status, payment.captured_minor) == ("succeeded", 20_000), words
        left = BankEntry.objects.filter(id__in=[unknown.id, named.id]).values_list("unallocated_minor", flat=True)
        assert sorted(left) == [0, 20_000]
    is_whole(tally)


def test_two_decisions_about_one_line_at_once_are_one(desk: BankDesk, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        payment = desk.asked(5_000)
        receive(desk, camt([Said("50.00", bank_reference=f"u{trial}")]))
        entry = BankEntry.objects.get(status="received")
        settle_entry(entry.id)
        words = tally.note(
            crew.at_once(
                partial(propose, entry.id, remedy="assign", payment_id=payment.id, reason="x", proposed_by="ada"),
                partial(propose, entry.id, remedy="return", reason="x", proposed_by="bob"),
                partial(propose, entry.id, remedy="write_off", reason="x", proposed_by="cid"),
            )
        )
        assert words.count("bank_line_is_not_open") == 2, words
        assert entry.decisions.count() == 1
    is_whole(tally)


def test_payouts_are_collected_filed_released_and_proved_once(desk: BankDesk, crew: Crew, tally: Tally) -> None:
    for trial in range(TRIALS):
        receive(desk, camt([Said("50.00", bank_reference=f"u{trial}")]))
        entry = BankEntry.objects.get(status="received")
        settle_entry(entry.id)
        propose(entry.id, remedy="return", reason="x", proposed_by="ada")

        crew.at_once(*[collect_payouts] * 3)
        make = partial(make_payout_file, desk.account.id, made_by="ada", today=DAY)
        words = tally.note(crew.at_once(make, make, make))
        assert words.count("nothing_to_pay_out") == 2, words
        batch = PayoutBatch.objects.get(status="prepared")
        release = partial(release_payout_file, batch.id, sha256=batch.sha256, released_by="bob")
        words = tally.note(crew.at_once(release, release))
        assert words.count("payout_file_changed") == 1, words
        payout = Payout.objects.get(batch=batch)
        out = Said("50.00", is_credit=False, end_to_end=payout.end_to_end_id, bank_reference=f"o{trial}")
        receive(desk, camt([out]))
        line = BankEntry.objects.get(status="received")
        tally.note(crew.at_once(*[partial(settle_entry, line.id)] * 3))
        entry.refresh_from_db()
        assert (entry.status, Payout.objects.get(id=payout.id).status) == ("done", "paid")
    assert desk.books()["bank"] == 0
    is_whole(tally)
