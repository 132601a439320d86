"""What a day's statement and our books come to."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from payments.ledger.queries import balance_of
from payments.orders.models import Evidence, Payment
from reconciliation.discrepancies.models import Discrepancy
from reconciliation.services import reconcile_day
from reconciliation.statements.models import CarriedRecord, Statement
from riskcontrol.models import Case
from tests.actors import run_background
from tests.reconciliation.conftest import Day, discrepancies, kinds

pytestmark = pytest.mark.django_db
Whole = Callable[[], None]


def test_a_day_on_which_both_sides_agree_is_closed(yesterday: Day, all_is_whole: Whole) -> None:
    first, _second = yesterday.paid(), yesterday.paid(amount_minor=70_000)
    held = yesterday.paid(amount_minor=5_000, capture_method="manual")
    yesterday.server.post(f"/payments/{held.id}/capture", {"amount_minor": 2_000, "is_final": False})
    yesterday.server.post(f"/payments/{held.id}/capture", {"amount_minor": 1_000, "is_final": True})
    yesterday.server.post("/refunds", {"payment": first.id, "reason": "x", "amount_minor": 100})
    run_background()
    yesterday.becomes_yesterday()

    statement = yesterday.reconcile()

    assert statement.status == "closed"
    assert (statement.lines_read, statement.matched_lines) == (5, 5)
    theirs, ours = statement.totals["theirs"]["USD"], statement.totals["ours"]["USD"]
    assert (theirs["count"], theirs["taken_minor"], theirs["given_back_minor"]) == (5, 74_999, -100)
    # Of a payment that was captured in parts our books keep one fee, for all of it.
    assert {**theirs, "fee_minor": 0} == {**ours, "fee_minor": 0}
    assert 0 < ours["fee_minor"] < theirs["fee_minor"]
    assert not discrepancies()
    all_is_whole()


def test_each_planted_error_is_found_as_what_it_is(yesterday: Day, all_is_whole: Whole) -> None:
    scripts = [
        "statement_missing", "statement_wrong_amount(10)", "statement_wrong_fee(5)", "statement_duplicate",
        "statement_wrong_currency",
    ]  # fmt: skip
    payments = [yesterday.paid(scenario=f"approve+{script}") for script in scripts]
    agreed = yesterday.paid()
    yesterday.becomes_yesterday()
    yesterday.plant("unknown_line")

    statement = yesterday.reconcile()

    found = {(row.reference, row.kind, row.aspect): row for row in discrepancies(statement)}
    assert set(found) == {
        (payments[0].id, "missing_there", ""),
        (payments[1].id, "mismatch", "amount"),
        (payments[2].id, "mismatch", "fee"),
        (payments[3].id, "mismatch", "duplicate"),
        (payments[4].id, "mismatch", "currency"),
        ("nobody_knows_1", "missing_here", "unknown"),
    }
    assert all(row.status == "open" for row in found.values())
    wrong = found[payments[1].id, "mismatch", "amount"]
    assert (wrong.their_amount_minor, wrong.our_amount_minor, wrong.size_minor) == (2009, 1999, 10)
    assert found[payments[2].id, "mismatch", "fee"].size_minor == 5
    assert statement.status == "matched"
    assert statement.totals["theirs"]["EUR"]["count"] == 1
    assert statement.totals["ours"]["USD"]["count"] == 6
    assert agreed.id not in {reference for reference, _kind, _aspect in found}
    all_is_whole()


def test_a_success_that_we_did_not_know_ends_at_the_door(yesterday: Day, all_is_whole: Whole) -> None:
    payment = yesterday.paid(scenario="timeout_after_effect+no_callback+fetch_timeout_before_effect(50)")
    assert payment.status == "submitting"
    yesterday.becomes_yesterday()

    statement = yesterday.reconcile()

    payment.refresh_from_db()
    assert (payment.status, payment.captured_minor, payment.fee_minor) == ("succeeded", 1999, 88)
    assert payment.order.status == "paid"
    evidence = Evidence.objects.get(object_id=payment.id, source=Evidence.Source.STATEMENT)
    assert evidence.is_applied
    assert evidence.details["gateway_reference"].startswith("stx_")
    row = discrepancies(statement)[0]
    assert (row.kind, row.aspect, row.status, row.resolution) == ("missing_here", "not_succeeded", "resolved", "door")
    assert statement.status == "closed"
    all_is_whole()


def test_a_refund_that_we_did_not_know_to_have_succeeded_ends_at_its_door(yesterday: Day, all_is_whole: Whole) -> None:
    payment = yesterday.paid()
    yesterday.sandbox.script(payment.id, "refund_timeout_after_effect+fetch_refund_timeout_before_effect(50)")
    refund = yesterday.server.post("/refunds", {"payment": payment.id, "reason": "x", "amount_minor": 100}).json()
    run_background()
    yesterday.becomes_yesterday()
    assert yesterday.server.get(f"/refunds/{refund['id']}").json()["status"] == "submitting"

    yesterday.reconcile()

    assert yesterday.server.get(f"/refunds/{refund['id']}").json()["status"] == "succeeded"
    assert [row.resolution for row in discrepancies()] == ["door"]
    all_is_whole()


def test_a_success_of_another_amount_is_not_believed(yesterday: Day, all_is_whole: Whole) -> None:
    payment = yesterday.paid(scenario="timeout_before_effect+no_callback")
    line = yesterday.line_of(payment, gross=1_500, fee=10)

    statement = yesterday.receive_lines(line)

    payment.refresh_from_db()
    assert payment.status == "submitting"
    row = discrepancies(statement)[0]
    assert (row.status, row.aspect, row.next_attempt_at) == ("open", "not_succeeded", None)
    assert Case.objects.filter(kind=Case.Kind.PAYMENT_MISMATCH, object_id=payment.id).exists()
    all_is_whole()


def test_a_line_that_contradicts_another_payment_stops_no_other_line(yesterday: Day, all_is_whole: Whole) -> None:
    """Two lines with one gateway's reference: the second one cannot be believed and is left to people."""
    first, second, third = (yesterday.paid(scenario="timeout_before_effect+no_callback") for _ in range(3))
    lines = [
        yesterday.line_of(payment, fee=88, txn=txn)
        for payment, txn in ((first, "stx_same"), (second, "stx_same"), (third, "stx_other"))
    ]

    statement = yesterday.receive_lines(*lines)

    statuses = dict(Payment.objects.values_list("id", "status"))
    assert statuses == {first.id: "succeeded", second.id: "submitting", third.id: "succeeded"}
    row = discrepancies(statement)[1]
    assert (row.reference, row.status, row.attempts) == (second.id, "open", 1)
    assert statement.status == "matched"
    all_is_whole()


def test_money_under_an_unknown_reference_is_in_suspense_with_a_case(yesterday: Day, all_is_whole: Whole) -> None:
    yesterday.plant("unknown_line")

    statement = yesterday.reconcile()

    row = discrepancies(statement)[0]
    assert row.is_in_suspense
    assert balance_of(f"suspense:{yesterday.account.id}", currency="USD").minor == 4_200
    assert balance_of(f"gateway:{yesterday.account.id}", currency="USD").minor == 4_200 - 152
    assert Case.objects.get(kind=Case.Kind.UNKNOWN_PAYMENT, object_id=row.id).status == "open"
    all_is_whole()


def test_another_accounts_payment_is_unknown_to_this_account(yesterday: Day, all_is_whole: Whole) -> None:
    payment = yesterday.paid(scenario="timeout_before_effect+no_callback")
    other = type(yesterday.account).objects.create(
        name="Other", gateway="sandbox", base_url="inprocess://sandbox", credentials={"secret": "x"}, methods=["card"]
    )
    stranger = Day(yesterday.server, other, yesterday.sandbox, yesterday.day)

    statement = stranger.receive_lines(stranger.line_of(payment, fee=88))

    payment.refresh_from_db()
    assert payment.status == "submitting"
    assert kinds(discrepancies(statement)) == [("missing_here", "unknown")]
    all_is_whole()


def test_a_record_near_midnight_is_looked_for_in_the_next_days_statement(yesterday: Day, all_is_whole: Whole) -> None:
    payment = yesterday.paid()
    put_near_the_end_of(yesterday, payment, theirs_next_day=True)

    first = yesterday.reconcile()

    assert (first.status, first.carried_records, len(discrepancies())) == ("closed", 1, 0)
    second = yesterday.receive_lines(yesterday.line_of(payment), day=yesterday.day + timedelta(days=1))
    assert (second.status, len(discrepancies())) == ("closed", 0)
    assert CarriedRecord.objects.get().status == "settled"
    all_is_whole()


def test_a_carried_record_that_the_next_statement_lacks_too_is_an_error(yesterday: Day, all_is_whole: Whole) -> None:
    payment = yesterday.paid(scenario="approve+statement_missing")
    put_near_the_end_of(yesterday, payment, theirs_next_day=True)
    yesterday.reconcile()

    second = yesterday.receive_lines(day=yesterday.day + timedelta(days=1))

    row = discrepancies()[0]
    assert (row.statement, row.kind, row.reference, row.our_amount_minor) == (second, "missing_there", payment.id, 1999)
    carried = CarriedRecord.objects.get()
    assert (carried.status, carried.misses) == ("missed", 1)
    all_is_whole()


def test_statements_may_come_in_the_wrong_order(yesterday: Day, all_is_whole: Whole) -> None:
    payment = yesterday.paid()
    put_near_the_end_of(yesterday, payment, theirs_next_day=True)
    later = yesterday.receive_lines(yesterday.line_of(payment), day=yesterday.day + timedelta(days=1))
    assert later.status == "closed"

    yesterday.reconcile()

    assert not discrepancies()
    all_is_whole()


def test_their_line_may_be_of_the_day_before(yesterday: Day, all_is_whole: Whole) -> None:
    """We heard of it a moment after midnight."""
    payment = yesterday.paid()
    before = yesterday.day - timedelta(days=1)
    yesterday.becomes_yesterday(theirs=False)

    first = yesterday.receive_lines(yesterday.line_of(payment), day=before)
    second = yesterday.receive_lines()

    assert (first.status, second.status) == ("closed", "closed")
    assert not discrepancies()
    all_is_whole()


def test_a_missing_line_that_turns_up_in_an_earlier_days_statement_is_found(yesterday: Day) -> None:
    payment = yesterday.paid()
    yesterday.becomes_yesterday(theirs=False)
    put_near_the_end_of(yesterday, payment, theirs_next_day=False, hours_before=12)
    statement = yesterday.receive_lines()
    assert kinds(discrepancies(statement)) == [("missing_there", "")]

    yesterday.receive_lines(yesterday.line_of(payment), day=yesterday.day - timedelta(days=1))

    row = discrepancies(statement)[0]
    assert (row.status, row.resolution) == ("resolved", "found")


def test_the_day_so_far_is_compared_and_replaced_when_it_is_over(yesterday: Day, all_is_whole: Whole) -> None:
    today = yesterday.day + timedelta(days=1)
    good, bad = yesterday.paid(), yesterday.paid(scenario="approve+statement_missing")

    statement = reconcile_day(yesterday.account.id, today, so_far=True)

    assert (statement.is_provisional, statement.status, statement.lines_read) == (True, "matched", 1)
    assert [row.reference for row in discrepancies(statement)] == [bad.id]
    assert statement.next_attempt_at is not None
    statement = yesterday.receive_lines(yesterday.line_of(good), yesterday.line_of(bad), day=today)
    assert (statement.is_provisional, statement.status) == (False, "closed")
    assert [row.resolution for row in discrepancies(statement)] == ["vanished"]
    all_is_whole()


def test_the_same_file_again_changes_nothing_and_another_file_is_a_new_revision(
    yesterday: Day, all_is_whole: Whole
) -> None:
    payment = yesterday.paid()
    yesterday.becomes_yesterday()
    first = yesterday.receive_lines(yesterday.line_of(payment, gross=2_500), "TAKE,x,x,t,USD,7,1,6,z")
    before = Discrepancy.objects.order_by("id").values()
    rows = list(before)
    assert kinds(discrepancies()) == [("mismatch", "amount"), ("missing_here", "unknown")]

    again = yesterday.receive_lines(yesterday.line_of(payment, gross=2_500), "TAKE,x,x,t,USD,7,1,6,z")
    assert (again.revision, again.matched_at) == (1, first.matched_at)
    assert list(Discrepancy.objects.order_by("id").values()) == rows
    corrected = yesterday.receive_lines(yesterday.line_of(payment))

    assert (corrected.revision, corrected.status, corrected.files.count()) == (2, "closed", 2)
    assert {row.resolution for row in discrepancies()} == {"vanished"}
    assert balance_of(f"suspense:{yesterday.account.id}", currency="USD").minor == 0
    all_is_whole()


def test_almost_nothing_matching_is_taken_for_the_wrong_file(yesterday: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciliation.matching.comparing.MAX_DIFFERENCES", 3)
    statement = yesterday.receive_lines(*(f"TAKE,n{i},n{i},t,USD,7,1,6,z" for i in range(4)))

    assert (statement.status, statement.failure_code) == ("failed", "too_many_differences")
    assert not discrepancies()
    assert not Statement.objects.exclude(status="failed").exists()


def put_near_the_end_of(day: Day, payment: Payment, *, theirs_next_day: bool, hours_before: float = 0.5) -> None:
    """Our record is of the day's last hours; their line of the day before, or of the first minutes of the next."""
    ends = day.line_ends()
    Payment.objects.filter(id=payment.id).update(succeeded_at=ends - timedelta(hours=hours_before))
    if theirs_next_day:
        with day.sandbox.book.transaction():
            day.sandbox.book.change("UPDATE take SET at = ? WHERE reference = ?", ends.timestamp() + 60, payment.id)
