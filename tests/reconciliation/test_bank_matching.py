"""Money that comes by bank transfer: what it pays, what waits, and what people decide about the rest."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from paycore.clock import database_now
from paycore.errors import PaycoreError
from paycore.money import Money
from paycore.outbox import drain
from payments.gateways.bank_transfer import creditor_reference
from payments.ledger.models import Transfer
from payments.orders.charging import pay_order
from payments.orders.clearance import PayInstruction
from payments.orders.models import Evidence, Order, Payment, Refund
from payments.orders.services import OrderDraft, create_order, expire_order
from reconciliation.banking import deciding
from reconciliation.banking.errors import (
    DecisionChanged,
    DecisionIsYourOwn,
    EntryIsNotOpen,
    PaymentCannotTakeMoney,
    RemedyDoesNotFitEntry,
)
from reconciliation.banking.matching import accept_short, settle_entry
from reconciliation.banking.models import BankDecision, BankEntry
from reconciliation.banking.payout_models import Payout
from reconciliation.banking.payouts import cancel_payout
from reconciliation.errors import ReasonIsMissing
from reconciliation.personal_data import collect_bank_lines
from riskcontrol.models import Case
from tests.reconciliation.bank_desk import PAYER_IBAN, BankDesk, Said, camt, mt940

pytestmark = pytest.mark.django_db
Whole = Callable[[], None]
ADA, BOB = "usr_ada", "usr_bob"


def of(payment: Payment, amount: str = "100.00", **more: Any) -> Said:
    return Said(amount, text=f"Invoice 7 {payment.gateway_reference}", **more)


def open_cases() -> list[tuple[str, str]]:
    return sorted(Case.objects.filter(status="open").values_list("kind", "object_id"))


def test_the_payer_is_told_where_to_transfer_with_a_reference_that_is_the_payments(desk: BankDesk) -> None:
    payment = desk.asked()
    assert payment.status == "requires_action"
    assert payment.gateway_reference == creditor_reference(payment.id)
    assert payment.action is not None
    words = payment.action["app_parameters"]
    assert words["iban"] == "DE89 3704 0044 0532 0130 00"
    assert words["reference"].replace(" ", "") == payment.gateway_reference
    assert words["amount"] == "100.00 EUR"
    assert payment.action["qr_text"].split("\n")[7:10] == ["EUR100.00", "", payment.gateway_reference]


@pytest.mark.parametrize("write", [camt, mt940])
def test_the_right_amount_with_the_reference_pays_the_order(desk: BankDesk, all_is_whole: Whole, write: Any) -> None:
    payment = desk.asked()

    desk.reads(write([of(payment)]))
    desk.settles()

    payment.refresh_from_db()
    assert (payment.status, payment.captured_minor, payment.fee_minor) == ("succeeded", 10_000, 0)
    assert Order.objects.get(id=payment.order_id).status == "paid"
    assert Evidence.objects.get(object_id=payment.id, outcome="succeeded").source == "statement"
    entry = BankEntry.objects.get()
    assert (entry.status, entry.counterparty_name, entry.counterparty_iban) == ("done", "Ada Payer", PAYER_IBAN)
    assert desk.books() == {"bank": 10_000, "gateway": 0, "suspense": 0, "cost": 0, "surplus": 0}
    assert open_cases() == []
    all_is_whole()


def test_a_reference_is_found_however_the_payer_wrote_it(desk: BankDesk, all_is_whole: Whole) -> None:
    payment = desk.asked()
    ref = payment.gateway_reference.lower()
    text = f"thanks/{ref[:4]}-{ref[4:9]} {ref[9:15]}.{ref[15:]} for all"
    desk.receives(Said("100.00", text=text))
    payment.refresh_from_db()
    assert payment.status == "succeeded"
    all_is_whole()


def test_too_little_waits_and_a_second_transfer_completes_it(desk: BankDesk, all_is_whole: Whole) -> None:
    payment = desk.asked()
    (first,) = desk.receives(of(payment, "60.00"))

    payment.refresh_from_db()
    assert payment.status == "requires_action"
    assert (first.status, first.question, first.unallocated_minor) == ("open", "underpaid", 6_000)
    assert open_cases() == [("bank_underpaid", first.id)]
    assert Case.objects.get().facts["missing_minor"] == 4_000
    assert desk.books()["suspense"] == 6_000
    all_is_whole()

    desk.receives(of(payment, "40.00", bank_reference="B2"))

    payment.refresh_from_db()
    assert payment.status == "succeeded"
    assert open_cases() == []
    assert desk.books() == {"bank": 10_000, "gateway": 0, "suspense": 0, "cost": 0, "surplus": 0}
    all_is_whole()


def test_too_much_pays_and_the_rest_waits_for_a_person(desk: BankDesk, all_is_whole: Whole) -> None:
    payment = desk.asked()
    (entry,) = desk.receives(of(payment, "130.00"))
    payment.refresh_from_db()
    assert (payment.status, payment.captured_minor) == ("succeeded", 10_000)
    assert (entry.question, entry.unallocated_minor) == ("overpaid", 3_000)
    assert open_cases() == [("bank_overpaid", entry.id)]
    assert desk.books()["suspense"] == 3_000
    all_is_whole()


def test_a_second_transfer_for_a_paid_order_waits_whole(desk: BankDesk, all_is_whole: Whole) -> None:
    payment = desk.asked()
    desk.receives(of(payment))
    (again,) = desk.receives(of(payment, bank_reference="B2"))
    assert (again.question, again.unallocated_minor) == ("overpaid", 10_000)
    assert desk.books()["suspense"] == 10_000
    all_is_whole()


def test_money_for_an_order_that_is_over_goes_the_way_of_surplus(desk: BankDesk, all_is_whole: Whole) -> None:
    payment = desk.asked()
    Order.objects.filter(id=payment.order_id).update(expires_at=database_now() - timedelta(seconds=1))
    assert expire_order(payment.order_id) is not None

    desk.receives(of(payment))
    drain()

    payment.refresh_from_db()
    assert (payment.status, payment.is_surplus) == ("succeeded", True)
    assert Order.objects.get(id=payment.order_id).status == "expired"
    assert Refund.objects.get().amount_minor == 10_000
    assert desk.books()["surplus"] == 10_000
    all_is_whole()


@pytest.mark.parametrize("text", ["no reference", "RF00AAAAAAAAAAAAAAAA", "RF0"])
def test_money_that_names_nothing_of_ours_waits_in_suspense(desk: BankDesk, all_is_whole: Whole, text: str) -> None:
    (entry,) = desk.receives(Said("55.00", text=text))
    assert (entry.status, entry.question) == ("open", "unknown")
    assert open_cases() == [("bank_unknown", entry.id)]
    assert desk.books() == {"bank": 5_500, "gateway": 0, "suspense": 5_500, "cost": 0, "surplus": 0}
    all_is_whole()


def test_a_wrong_currency_is_nobodys_money_yet(desk: BankDesk, all_is_whole: Whole) -> None:
    payment = desk.asked()
    (entry,) = desk.receives(of(payment, currency="USD"))
    payment.refresh_from_db()
    assert (payment.status, entry.question) == ("requires_action", "unknown")
    assert desk.books("USD")["suspense"] == 10_000
    all_is_whole()


def test_a_text_with_two_payments_is_for_a_person(desk: BankDesk, all_is_whole: Whole) -> None:
    one, two = desk.asked(), desk.asked()
    (entry,) = desk.receives(Said("200.00", text=f"{one.gateway_reference} and {two.gateway_reference}"))
    assert (entry.question, len(entry.references)) == ("unknown", 2)
    assert {payment.status for payment in Payment.objects.all()} == {"requires_action"}
    all_is_whole()


def test_a_fee_of_the_bank_is_a_case_until_it_is_written_off(desk: BankDesk, all_is_whole: Whole) -> None:
    (fee,) = desk.receives(Said("3.50", text="account fee", is_credit=False))
    assert desk.books() == {"bank": -350, "gateway": 0, "suspense": -350, "cost": 0, "surplus": 0}
    all_is_whole()

    deciding.propose(fee.id, remedy="write_off", reason="monthly fee", proposed_by=ADA)

    assert desk.books() == {"bank": -350, "gateway": 0, "suspense": 0, "cost": 350, "surplus": 0}
    assert open_cases() == []
    all_is_whole()


# --- what people decide --------------------------------------------------------------------------------------------


def test_a_person_assigns_unknown_money_to_a_payment_and_another_approves(desk: BankDesk, all_is_whole: Whole) -> None:
    payment = desk.asked(20_000)
    (entry,) = desk.receives(Said("200.00", text="forgot it"))
    decision = deciding.propose(
        entry.id, remedy="assign", payment_id=payment.id, reason="she sent the receipt", proposed_by=ADA
    )
    assert decision.status == "waiting"
    payment.refresh_from_db()
    assert payment.status == "requires_action"

    deciding.approve(decision.id, fingerprint=decision.fingerprint, approved_by=BOB)

    payment.refresh_from_db()
    entry.refresh_from_db()
    assert (payment.status, entry.status, open_cases()) == ("succeeded", "done", [])
    all_is_whole()


def test_a_small_amount_needs_one_person(desk: BankDesk, all_is_whole: Whole) -> None:
    payment = desk.asked(5_000)
    (entry,) = desk.receives(Said("50.00"))
    decision = deciding.propose(entry.id, remedy="assign", payment_id=payment.id, reason="x", proposed_by=ADA)
    payment.refresh_from_db()
    assert (decision.status, payment.status) == ("approved", "succeeded")
    all_is_whole()


def test_too_little_can_be_taken_as_the_whole_at_our_cost(desk: BankDesk, all_is_whole: Whole) -> None:
    payment = desk.asked()
    (entry,) = desk.receives(of(payment, "98.00"))
    deciding.propose(entry.id, remedy="accept_short", reason="their bank took a fee", proposed_by=ADA)
    payment.refresh_from_db()
    assert (payment.status, payment.captured_minor) == ("succeeded", 10_000)
    assert desk.books() == {"bank": 9_800, "gateway": 0, "suspense": 0, "cost": 200, "surplus": 0}
    all_is_whole()


def test_too_little_for_an_order_that_is_over_is_not_made_whole(desk: BankDesk, all_is_whole: Whole) -> None:
    """It would be surplus, and policy would send back more than ever came."""
    payment = desk.asked()
    (entry,) = desk.receives(of(payment, "98.00"))
    Order.objects.filter(id=payment.order_id).update(expires_at=database_now() - timedelta(seconds=1))
    assert expire_order(payment.order_id) is not None
    entry.refresh_from_db()

    assert "accept_short" not in deciding.fitting_remedies(entry)
    refused(
        RemedyDoesNotFitEntry,
        lambda: deciding.propose(entry.id, remedy="accept_short", reason="their bank took a fee", proposed_by=ADA),
    )
    refused(PaymentCannotTakeMoney, lambda: accept_short(entry.id, payment.id))
    deciding.propose(entry.id, remedy="return", reason="the order is over", proposed_by=ADA)
    assert Payout.objects.get().amount_minor == 9_800
    all_is_whole()


def test_too_little_that_goes_back_no_longer_counts(desk: BankDesk, all_is_whole: Whole) -> None:
    payment = desk.asked()
    (entry,) = desk.receives(of(payment, "60.00"))
    deciding.propose(entry.id, remedy="return", reason="they asked for it", proposed_by=ADA)
    assert Payout.objects.get().amount_minor == 6_000

    (second,) = desk.receives(of(payment, "40.00", bank_reference="B2"))

    payment.refresh_from_db()
    assert (payment.status, second.question) == ("requires_action", "underpaid")
    refused(EntryIsNotOpen, lambda: deciding.propose(entry.id, remedy="accept_short", reason="x", proposed_by=ADA))
    all_is_whole()


def test_the_shortfall_that_a_decision_is_about_leaves_out_what_goes_back(desk: BankDesk, all_is_whole: Whole) -> None:
    payment = desk.asked(30_000)
    (first,) = desk.receives(of(payment, "190.00"))
    decision = deciding.propose(first.id, remedy="return", reason="x", proposed_by=ADA)
    deciding.approve(decision.id, fingerprint=decision.fingerprint, approved_by=BOB)
    (second,) = desk.receives(of(payment, "50.00", bank_reference="B2"))

    short = deciding.propose(second.id, remedy="accept_short", reason="x", proposed_by=ADA)

    assert short.needs_second_person  # 250.00 are missing, not 60.00
    all_is_whole()


def test_money_that_waited_for_a_payment_that_succeeded_without_it_is_not_taken_twice(
    desk: BankDesk, all_is_whole: Whole
) -> None:
    payment = desk.asked()
    (first,) = desk.receives(of(payment, "60.00"))
    deciding.propose(first.id, remedy="return", reason="x", proposed_by=ADA)
    desk.receives(of(payment, "100.00", bank_reference="B2"))
    payment.refresh_from_db()
    assert payment.status == "succeeded"
    cancel_payout(Payout.objects.get().id)

    def accept() -> None:
        deciding.propose(first.id, remedy="accept_short", reason="x", proposed_by=ADA)

    refused(RemedyDoesNotFitEntry, accept)
    with pytest.raises(PaymentCannotTakeMoney):
        accept_short(first.id, payment.id)
    assert desk.books()["suspense"] == 6_000
    all_is_whole()


def test_nobody_approves_an_own_proposal_or_another_than_was_looked_at(desk: BankDesk, all_is_whole: Whole) -> None:
    payment = desk.asked(20_000)
    (entry,) = desk.receives(Said("200.00"))
    decision = deciding.propose(entry.id, remedy="assign", payment_id=payment.id, reason="x", proposed_by=ADA)
    right = decision.fingerprint
    refused(DecisionIsYourOwn, lambda: deciding.approve(decision.id, fingerprint=right, approved_by=ADA))
    refused(DecisionIsYourOwn, lambda: deciding.reject(decision.id, rejected_by=ADA, note=""))
    refused(DecisionChanged, lambda: deciding.approve(decision.id, fingerprint="f" * 64, approved_by=BOB))
    refused(EntryIsNotOpen, lambda: deciding.propose(entry.id, remedy="return", reason="x", proposed_by=BOB))
    with pytest.raises(IntegrityError, match="bank_decision_by_another"), transaction.atomic():
        BankDecision.objects.filter(id=decision.id).update(status="approved", decided_by=ADA)

    deciding.reject(decision.id, rejected_by=BOB, note="no")
    refused(DecisionChanged, lambda: deciding.approve(decision.id, fingerprint=right, approved_by=BOB))
    assert open_cases() == [("bank_unknown", entry.id)]
    all_is_whole()


def test_decisions_that_do_not_fit_change_nothing(desk: BankDesk) -> None:
    payment, dollars = desk.asked(5_000), desk.asked(5_000, currency="USD")
    (entry,) = desk.receives(Said("50.00"))

    def decide(**given: str) -> None:
        deciding.propose(entry.id, **{"remedy": "assign", "reason": "x", "proposed_by": ADA, **given})

    refused(ReasonIsMissing, lambda: decide(payment_id=payment.id, reason=" "))
    refused(RemedyDoesNotFitEntry, lambda: decide(remedy="accept_short"))
    refused(PaymentCannotTakeMoney, lambda: decide(payment_id=dollars.id))
    refused(PaymentCannotTakeMoney, lambda: decide(payment_id="pay_nothing"))
    refused(PaymentCannotTakeMoney, lambda: decide(payment_id=""))


def refused(error: type[PaycoreError], act: Callable[[], object]) -> None:
    def snapshot() -> tuple[list[Any], ...]:
        return (
            list(BankEntry.objects.order_by("id").values()),
            list(BankDecision.objects.order_by("id").values()),
            list(Payment.objects.order_by("id").values()),
            list(Transfer.objects.order_by("id").values()),
        )

    before = snapshot()
    with pytest.raises(error):
        act()
    assert snapshot() == before


# --- twice, and killed in between ----------------------------------------------------------------------------------


def test_a_line_in_two_overlapping_files_counts_once(desk: BankDesk, all_is_whole: Whole) -> None:
    one, two, three = desk.asked(), desk.asked(), desk.asked()
    desk.receives(of(one), of(two))
    (new,) = desk.receives(of(two), of(three))
    assert {payment.status for payment in Payment.objects.all()} == {"succeeded"}
    assert new.payment_id == three.id
    assert desk.books()["bank"] == 30_000
    all_is_whole()


def test_two_lines_that_are_alike_are_two(desk: BankDesk, all_is_whole: Whole) -> None:
    desk.receives(Said("5.00", text="tip"), Said("5.00", text="tip"))
    assert desk.books()["bank"] == 1_000
    desk.receives(Said("5.00", text="tip"), Said("5.00", text="tip"), Said("5.00", text="tip"))
    assert desk.books()["bank"] == 1_500
    all_is_whole()


def test_a_process_that_dies_between_storing_and_matching_is_made_up_for(
    desk: BankDesk, all_is_whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciliation.banking import matching
    from reconciliation.tasks import read_bank_statements, settle_bank_lines

    payment = desk.asked()
    desk.reads(camt([of(payment)]))
    entry = BankEntry.objects.get()
    assert (entry.status, entry.next_attempt_at is not None) == ("received", True)

    def dies(*_given: object, **_more: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(matching, "record_payment_result", dies)
        with pytest.raises(SystemExit):
            settle_entry(entry.id)
    assert desk.books()["bank"] == 0
    all_is_whole()

    BankEntry.objects.update(next_attempt_at=database_now())
    assert read_bank_statements() == 0
    assert settle_bank_lines() == 1
    payment.refresh_from_db()
    assert payment.status == "succeeded"
    settle_entry(entry.id)
    assert desk.books()["bank"] == 10_000
    all_is_whole()


def test_a_line_that_contradicts_our_rows_is_left_to_people_after_a_few_times(
    desk: BankDesk, all_is_whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reconciliation.banking import matching

    payment = desk.asked()
    desk.reads(camt([of(payment)]))

    def refuses(*_given: object, **_more: object) -> None:
        raise PaymentCannotTakeMoney

    monkeypatch.setattr(matching, "record_payment_result", refuses)
    for _attempt in range(matching.MAX_ATTEMPTS):
        settle_entry(BankEntry.objects.get().id)
    entry = BankEntry.objects.get()
    assert (entry.status, entry.question) == ("open", "unknown")
    all_is_whole()


def test_the_database_refuses_what_no_service_does(desk: BankDesk) -> None:
    desk.receives(Said("50.00"))
    entries = BankEntry.objects.all()
    for change in ({"unallocated_minor": 6_000}, {"unallocated_minor": -1}, {"status": "done"}, {"amount_minor": 1}):
        with pytest.raises(DatabaseError), transaction.atomic():
            entries.update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        entries.delete()


def test_batched_transfers_are_told_apart(desk: BankDesk, all_is_whole: Whole) -> None:
    from tests.reconciliation.bank_desk import batch

    one, two = desk.asked(), desk.asked(2_500)
    lines = [of(one), replace(of(two), amount="25.00")]
    whole = camt([], opening=0)
    entry = batch(lines, total="125.00", amounts=["100.00", "25.00"])
    body = whole.replace(b"</Stmt>", entry.encode() + b"</Stmt>")
    body = body.replace(
        b'<Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">0.00', b'<Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">125.00'
    )
    assert desk.reads(body).lines_new == 2
    desk.settles()
    assert {payment.status for payment in Payment.objects.all()} == {"succeeded"}
    all_is_whole()


def test_a_user_who_sent_too_little_is_asked_for_the_rest_once(desk: BankDesk, app_user: Any) -> None:
    from paycore.notifications.models import Notification
    from paycore.notifications.rendering import render

    draft = OrderDraft(
        merchant_id=desk.server.merchant.id,
        amount=Money(10_000, "EUR"),
        description="A coat",
        user_id=app_user.user.pk,
    )
    payment = pay_order(create_order(draft), PayInstruction(method="bank_transfer"))
    desk.receives(of(payment, "60.00"))
    drain()
    drain()

    sent = Notification.objects.get(template="bank_transfer_short")
    assert sent.user_id == app_user.user.pk
    for language in ("en", "zh-hans"):
        message = render(sent.template, context=sent.context, language=language)
        assert "40" in message.subject
        assert payment.gateway_reference in message.text
        assert payment.gateway_reference in message.html
    lines = collect_bank_lines(app_user.user.pk).document["bank_transfers"]
    assert [(line["amount_minor"], line["name"]) for line in lines] == [(6_000, "Ada Payer")]
