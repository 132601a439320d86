"""Money that goes out by bank transfer: collected once, sent by two people, proved by the bank's line."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.db.models.functions import Now
from lxml import etree

from paycore.errors import PaycoreError
from paycore.outbox import drain
from paycore.states import IllegalTransition
from payments.orders.models import Payment, Refund
from payments.orders.refunds import approve_refund, due_refunds, send_refund
from reconciliation.banking import deciding
from reconciliation.banking.errors import (
    InvalidIban,
    NothingToPayOut,
    PayoutFileChanged,
    PayoutFileIsYourOwn,
)
from reconciliation.banking.models import BankEntry
from reconciliation.banking.payout_files import discard_payout_file, make_payout_file, release_payout_file
from reconciliation.banking.payout_models import Payout, PayoutBatch
from reconciliation.banking.payouts import cancel_payout, collect_payouts, give_account
from reconciliation.checks import run_checks
from riskcontrol.models import Case
from tests.reconciliation.bank_desk import DAY, OUR_IBAN, PAYER_IBAN, BankDesk, Said

pytestmark = pytest.mark.django_db
Whole = Callable[[], None]
ADA, BOB = "usr_ada", "usr_bob"
TODAY = date(2026, 11, 21)
NS = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.03}"


def refunded(desk: BankDesk, *, iban: str = PAYER_IBAN) -> tuple[Payment, Refund]:
    """A paid order whose merchant gives half of it back."""
    payment = desk.asked()
    desk.receives(Said("100.00", text=payment.gateway_reference, iban=iban))
    body = {"payment": payment.id, "amount_minor": 5_000, "reason": "came too late"}
    answer = desk.server.post("/refunds", body)
    assert answer.status_code == 201, answer.content
    approve_refund(answer.json()["id"], reviewed_by=BOB)
    drain()
    for refund_id in due_refunds(limit=10):
        send_refund(refund_id)
    refund = Refund.objects.get(payment=payment)
    assert refund.status == "submitting"
    return payment, refund


def sent(desk: BankDesk) -> Payout:
    collect_payouts()
    batch = make_payout_file(desk.account.id, made_by=ADA, today=TODAY)
    release_payout_file(batch.id, sha256=batch.sha256, released_by=BOB)
    return Payout.objects.get(batch=batch)


def out(payout: Payout, amount: str = "50.00", **more: Any) -> Said:
    return Said(amount, is_credit=False, end_to_end=payout.end_to_end_id, **more)


def back(payout: Payout, amount: str = "50.00") -> Said:
    return Said(
        amount, text="account closed", end_to_end=payout.end_to_end_id, is_return=True, day=DAY + timedelta(days=1)
    )


def test_a_refund_waits_for_the_banks_line_and_then_succeeded(desk: BankDesk, all_is_whole: Whole) -> None:
    _payment, refund = refunded(desk)
    payout = sent(desk)
    refund.refresh_from_db()
    assert (refund.status, payout.status) == ("submitting", "released")
    all_is_whole()

    (line,) = desk.receives(out(payout))

    refund.refresh_from_db()
    payout.refresh_from_db()
    assert (refund.status, payout.status, line.status) == ("succeeded", "paid", "done")
    assert desk.books() == {"bank": 5_000, "gateway": 0, "suspense": 0, "cost": 0, "surplus": 0}
    all_is_whole()


def test_the_file_says_what_is_owed_to_whom(desk: BankDesk) -> None:
    _payment, refund = refunded(desk)
    collect_payouts()
    batch = make_payout_file(desk.account.id, made_by=ADA, today=TODAY)
    root = etree.fromstring(bytes(batch.body))
    payout = Payout.objects.get()
    texts = {
        name: [node.text for node in root.iter(NS + name)] for name in ("IBAN", "InstdAmt", "EndToEndId", "CtrlSum")
    }
    assert texts["IBAN"] == [OUR_IBAN, PAYER_IBAN]
    assert texts["InstdAmt"] == ["50.00"]
    assert texts["EndToEndId"] == [payout.end_to_end_id]
    assert "_" not in payout.end_to_end_id
    assert texts["CtrlSum"][0] == "50.00"
    assert (payout.subject_id, batch.count, batch.total_minor) == (refund.id, 1, 5_000)


def test_what_is_owed_is_collected_once(desk: BankDesk) -> None:
    refunded(desk)
    assert collect_payouts() == 1
    assert collect_payouts() == 0
    sent(desk)
    assert collect_payouts() == 0
    assert Payout.objects.count() == 1


def test_who_makes_a_file_does_not_release_it_nor_another_than_was_looked_at(desk: BankDesk) -> None:
    refunded(desk)
    collect_payouts()
    batch = make_payout_file(desk.account.id, made_by=ADA, today=TODAY)
    right = batch.sha256
    refused(PayoutFileIsYourOwn, lambda: release_payout_file(batch.id, sha256=right, released_by=ADA))
    refused(PayoutFileChanged, lambda: release_payout_file(batch.id, sha256="0" * 64, released_by=BOB))
    refused(NothingToPayOut, lambda: make_payout_file(desk.account.id, made_by=BOB, today=TODAY))
    with pytest.raises(DatabaseError), transaction.atomic():
        PayoutBatch.objects.filter(id=batch.id).update(status="released", released_by=ADA, released_at=Now())
    PayoutBatch.objects.filter(id=batch.id).update(body=b"<other/>")
    refused(PayoutFileChanged, lambda: release_payout_file(batch.id, sha256=right, released_by=BOB))


def test_a_discarded_file_lets_its_payouts_into_another(desk: BankDesk, all_is_whole: Whole) -> None:
    refunded(desk)
    collect_payouts()
    first = make_payout_file(desk.account.id, made_by=ADA, today=TODAY)
    discard_payout_file(first.id)
    refused(PayoutFileChanged, lambda: release_payout_file(first.id, sha256=first.sha256, released_by=BOB))
    second = make_payout_file(desk.account.id, made_by=ADA, today=TODAY)
    release_payout_file(second.id, sha256=second.sha256, released_by=BOB)
    refused(IllegalTransition, lambda: discard_payout_file(second.id))
    assert Payout.objects.get().batch_id == second.id
    all_is_whole()


def test_a_payer_without_an_iban_is_asked_for_one(desk: BankDesk, all_is_whole: Whole) -> None:
    refunded(desk, iban="")
    collect_payouts()
    payout = Payout.objects.get()
    assert (payout.has_account, Case.objects.get(status="open").kind) == (False, "payout_account")
    refused(NothingToPayOut, lambda: make_payout_file(desk.account.id, made_by=ADA, today=TODAY))
    wrong = "GB82WEST12345698765431"
    refused(InvalidIban, lambda: give_account(payout.id, name="Ada", iban=wrong, given_by=ADA))

    give_account(payout.id, name="Ada Payer", iban="GB82 WEST 1234 5698 7654 32", given_by=ADA)

    assert sent(desk).creditor_iban == PAYER_IBAN
    assert not Case.objects.filter(status="open").exists()
    all_is_whole()


def test_who_typed_an_account_does_not_release_the_money_to_it(desk: BankDesk, all_is_whole: Whole) -> None:
    refunded(desk, iban="")
    collect_payouts()
    give_account(Payout.objects.get().id, name="Ada Payer", iban=PAYER_IBAN, given_by=BOB)
    batch = make_payout_file(desk.account.id, made_by=ADA, today=TODAY)
    refused(PayoutFileIsYourOwn, lambda: release_payout_file(batch.id, sha256=batch.sha256, released_by=BOB))
    release_payout_file(batch.id, sha256=batch.sha256, released_by="usr_cyd")
    assert Payout.objects.get().status == "released"
    all_is_whole()


def test_a_payout_that_nobody_sends_and_no_bank_confirms_is_found(desk: BankDesk, all_is_whole: Whole) -> None:
    refunded(desk)
    collect_payouts()
    all_is_whole()
    Payout.objects.update(created_at=Now() - timedelta(days=8))
    assert [finding.code for finding in run_checks()] == ["R10"]
    payout = sent(desk)
    all_is_whole()
    PayoutBatch.objects.update(released_at=Now() - timedelta(days=8))
    assert [finding.code for finding in run_checks()] == ["R10"]
    desk.receives(out(payout))
    all_is_whole()


def test_money_that_nobody_knows_goes_back_where_it_came_from(desk: BankDesk, all_is_whole: Whole) -> None:
    (entry,) = desk.receives(Said("50.00", text="?"))
    deciding.propose(entry.id, remedy="return", reason="not ours", proposed_by=ADA)
    payout = sent(desk)
    assert desk.books()["suspense"] == 5_000
    assert Case.objects.get(object_id=entry.id).status == "open"
    all_is_whole()

    desk.receives(out(payout))

    entry.refresh_from_db()
    assert (entry.status, Case.objects.get(object_id=entry.id).status) == ("done", "resolved")
    assert desk.books() == {"bank": 0, "gateway": 0, "suspense": 0, "cost": 0, "surplus": 0}
    all_is_whole()


def test_a_return_can_be_called_off_before_it_is_in_a_file(desk: BankDesk, all_is_whole: Whole) -> None:
    (entry,) = desk.receives(Said("50.00", text="?"))
    deciding.propose(entry.id, remedy="return", reason="not ours", proposed_by=ADA)
    assert deciding.fitting_remedies(entry) == ()
    cancel_payout(Payout.objects.get().id)
    assert deciding.fitting_remedies(entry)
    deciding.propose(entry.id, remedy="return", reason="after all", proposed_by=ADA)
    payout = sent(desk)
    refused(IllegalTransition, lambda: cancel_payout(payout.id))
    all_is_whole()


def test_a_payout_that_comes_back_before_it_was_seen_fails_its_refund(desk: BankDesk, all_is_whole: Whole) -> None:
    payment, refund = refunded(desk)
    payout = sent(desk)

    (line,) = desk.receives(back(payout))

    refund.refresh_from_db()
    payout.refresh_from_db()
    payment.refresh_from_db()
    assert (refund.status, refund.failure_code, payout.status) == ("failed", "payout_returned", "returned")
    assert payment.refund_pending_minor == 0
    assert (line.question, Case.objects.get(status="open").kind) == ("returned", "bank_returned")
    all_is_whole()

    (late,) = desk.receives(out(payout))

    line.refresh_from_db()
    assert (line.status, late.status) == ("done", "done")
    assert desk.books() == {"bank": 10_000, "gateway": 0, "suspense": 0, "cost": 0, "surplus": 0}
    assert not Case.objects.filter(status="open").exists()
    all_is_whole()


def test_a_payout_that_comes_back_after_it_was_paid_is_a_case(desk: BankDesk, all_is_whole: Whole) -> None:
    _payment, refund = refunded(desk)
    payout = sent(desk)
    desk.receives(out(payout))

    (line,) = desk.receives(back(payout))

    refund.refresh_from_db()
    payout.refresh_from_db()
    assert (refund.status, payout.status, line.question) == ("succeeded", "returned", "returned")
    assert desk.books()["suspense"] == 5_000
    all_is_whole()
    deciding.propose(line.id, remedy="return", reason="they have a new account", proposed_by=ADA)
    collect_payouts()
    again = Payout.objects.get(subject_id=line.id)
    give_account(again.id, name="Ada", iban="FR1420041010050500013M02606", given_by=ADA)
    desk.receives(out(sent(desk)))
    assert desk.books() == {"bank": 5_000, "gateway": 0, "suspense": 0, "cost": 0, "surplus": 0}
    all_is_whole()


@pytest.mark.parametrize("amount", ["49.99", "50.01"])
def test_another_amount_than_was_ordered_is_for_a_person(desk: BankDesk, all_is_whole: Whole, amount: str) -> None:
    _payment, refund = refunded(desk)
    payout = sent(desk)
    (line,) = desk.receives(out(payout, amount))
    refund.refresh_from_db()
    assert (refund.status, line.question) == ("submitting", "unknown")
    all_is_whole()


def test_the_same_payout_taken_twice_is_for_a_person(desk: BankDesk, all_is_whole: Whole) -> None:
    refunded(desk)
    payout = sent(desk)
    desk.receives(out(payout, bank_reference="B1"))
    (again,) = desk.receives(out(payout, bank_reference="B2"))
    assert (again.question, desk.books()["suspense"]) == ("unknown", -5_000)
    all_is_whole()


def test_a_line_with_the_number_of_a_payout_that_was_never_released_proves_nothing(
    desk: BankDesk, all_is_whole: Whole
) -> None:
    _payment, refund = refunded(desk)
    collect_payouts()
    (line,) = desk.receives(out(Payout.objects.get()))
    refund.refresh_from_db()
    assert (refund.status, line.question) == ("submitting", "unknown")
    all_is_whole()


def test_the_database_lets_one_payout_live_for_each_subject(desk: BankDesk) -> None:
    refunded(desk)
    collect_payouts()
    payout = Payout.objects.get()
    payout.pk, payout.end_to_end_id = "pyo_other", "OTHER"
    with pytest.raises(DatabaseError), transaction.atomic():
        payout.save(force_insert=True)
    with pytest.raises(DatabaseError), transaction.atomic():
        Payout.objects.update(status="paid")


def refused(error: type[PaycoreError], act: Callable[[], object]) -> None:
    def snapshot() -> list[list[Any]]:
        models = (Payout, PayoutBatch, Refund, BankEntry)
        return [list(model.objects.order_by("id").values()) for model in models]

    before = snapshot()
    with pytest.raises(error):
        act()
    assert snapshot() == before
