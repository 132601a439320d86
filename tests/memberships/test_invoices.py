"""Invoices: their numbers, their orders, their books, their receipts."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from memberships.invoices.drafting import ChargeLine, TaxRule, draft_invoice
from memberships.invoices.issuing import invoice_row, issue_invoice
from memberships.invoices.numbering import take_numbers
from memberships.invoices.paying import mark_many_paid, mark_paid, mark_uncollectible, mark_void
from memberships.models import Invoice, NumberSeries, Price, RevenueSchedule
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.errors import PaycoreError
from paycore.money import Money
from paycore.notifications.models import Notification
from paycore.notifications.rendering import render
from paycore.states import IllegalTransition
from payments.ledger.models import Posting
from payments.orders.models import Order
from tests.accounts.factories import UserFactory
from tests.memberships.billing import bill, broken_checks, collect, holdings, pending, plan_line
from tests.memberships.factories import make_catalogue
from tests.memberships.members import make_member

pytestmark = pytest.mark.django_db
GERMAN = TaxRule("DE", "VAT", 1900, is_inclusive=False)


@pytest.fixture
def price(platform: Merchant) -> Price:
    return make_catalogue()


def test_numbers_follow_each_other_by_year_and_kind_and_a_rollback_gives_them_back() -> None:
    with transaction.atomic():
        assert take_numbers("invoice", year=2026, count=2) == ["PC-2026-000001", "PC-2026-000002"]
    with transaction.atomic():
        take_numbers("invoice", year=2026, count=5)
        transaction.set_rollback(True)
    with transaction.atomic():
        assert take_numbers("invoice", year=2026, count=1) == ["PC-2026-000003"]
        assert take_numbers("invoice", year=2027, count=1) == ["PC-2027-000001"]
        assert take_numbers("credit_note", year=2026, count=1) == ["PCC-2026-000001"]
        assert take_numbers("invoice", year=2026, count=0) == []
    assert NumberSeries.objects.get(kind="invoice", prefix="2026").last_number == 3


@pytest.mark.django_db(transaction=True)
def test_a_number_is_never_taken_outside_a_transaction() -> None:
    with pytest.raises(transaction.TransactionManagementError):
        take_numbers("invoice", year=2026, count=1)
    assert not NumberSeries.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_numbers_taken_at_once_have_no_gap_and_no_double() -> None:
    barrier = threading.Barrier(6)
    taken: list[str] = []

    def take() -> None:
        try:
            barrier.wait()
            for count in (1, 3, 2):
                with transaction.atomic():
                    numbers = take_numbers("invoice", year=2026, count=count)
                taken.extend(numbers)
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [f"PC-2026-{number:06d}" for number in range(1, 37)]


def test_an_invoice_has_an_order_of_its_number_that_asks_for_what_is_due(price: Price, platform: Merchant) -> None:
    user = UserFactory()
    subscription = make_member(user, price)
    invoice = bill(
        user, [plan_line(price, starts_at=database_now())], subscription=subscription, tax=GERMAN, discount=199
    )
    order = Order.objects.get(id=str(invoice.order_id))
    assert (order.merchant_order_number, order.merchant_id) == (invoice.number, platform.id)
    assert order.amount == Money(1800 + 342, "USD") == invoice.due
    assert sum(line["amount_minor"] for line in order.lines) == order.amount_minor + order.discount_minor
    assert (invoice.status, order.status, order.user_id) == ("open", "open", user.pk)
    assert not Posting.objects.exists()
    assert not RevenueSchedule.objects.exists()


def test_a_refused_order_leaves_no_invoice_and_no_number(price: Price) -> None:
    user = UserFactory()
    subscription = make_member(user, price)
    draft = draft_invoice([plan_line(price, starts_at=database_now())], tax=None, credit=Money(0, "USD"))
    bill(user, [plan_line(price, starts_at=database_now())], subscription=subscription)
    NumberSeries.objects.update(last_number=0)  # as if a restored database had forgotten
    with pytest.raises(PaycoreError):
        issue_invoice(
            draft, kind="renewal", user_id=user.pk, subscription=subscription, country="", language="en",
            now=database_now(),
        )  # fmt: skip
    assert Invoice.objects.count() == 1
    assert NumberSeries.objects.get().last_number == 0


def test_what_is_paid_is_deferred_and_taxed_once(price: Price, platform: Merchant) -> None:
    user = UserFactory()
    subscription = make_member(user, price)
    now = database_now()
    invoice = bill(user, [plan_line(price, starts_at=now)], subscription=subscription, tax=GERMAN)
    collect(invoice, platform)
    mark_paid(invoice, now=now)
    mark_paid(invoice, now=now + timedelta(days=1))
    invoice.refresh_from_db()
    assert (invoice.status, invoice.paid_at) == ("paid", now)
    assert holdings() == {"deferred": 1999, "revenue": 0, "credit": 0, "tax": 380}
    assert pending(platform) == 0
    row = RevenueSchedule.objects.get()
    assert (row.total_minor, row.recognised_minor, row.plan) == (1999, 0, price.plan_id)
    assert broken_checks() == []


def test_the_member_gets_one_receipt_with_its_addresses(price: Price, platform: Merchant) -> None:
    user = UserFactory()
    invoice = bill(user, [plan_line(price, starts_at=database_now())], subscription=make_member(user, price))
    mark_paid(invoice, now=database_now())
    mark_paid(invoice, now=database_now())
    letter = Notification.objects.get(template="membership_receipt")
    assert letter.context["number"] == invoice.number
    assert letter.context["receipt_url"].endswith(f"/receipts/{invoice.id}.{letter.context['receipt_url'][-43:]}")
    assert letter.context["pdf_url"] == letter.context["receipt_url"] + "/pdf"


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("template", ["membership_receipt", "membership_credit_note"])
def test_letters_are_whole_in_both_languages(template: str, language: str) -> None:
    context = {
        "amount_minor": 1999, "currency": "USD", "number": "PC-1", "invoice_number": "PC-0", "description": "Premium",
        "paid_at": "2026-03-01T09:00:00+00:00", "is_refund": 1, "receipt_url": "https://x.example/receipts/t",
        "pdf_url": "https://x.example/receipts/t/pdf",
    }  # fmt: skip
    letter = render(template, context=context, language=language)
    assert "PC-1" in letter.subject
    for text in (letter.text, letter.html):
        assert "19.99" in text
        assert "https://x.example/receipts/t/pdf" in text
        assert "{{" not in text
        assert "{%" not in text


def test_with_nothing_due_it_is_paid_at_once_and_credit_is_in_the_books(price: Price, platform: Merchant) -> None:
    user = UserFactory()
    now = database_now()
    subscription = make_member(user, price)
    owed = bill(
        user,
        [ChargeLine("credit", "Unused", Money(-2500, "USD"), starts_at=now, ends_at=now, plan=price.plan_id)],
        subscription=subscription,
        kind="change",
    )
    assert (owed.status, owed.order_id, owed.total_minor) == ("paid", None, 0)
    assert holdings()["credit"] == 2500
    subscription.credit_minor = 2500 - 1999
    subscription.save()
    used = bill(user, [plan_line(price, starts_at=now)], subscription=subscription, credit=2500)
    assert (used.status, used.credit_minor, used.due_minor) == ("paid", 1999, 0)
    assert holdings() == {"deferred": 1999, "revenue": -2500, "credit": 501, "tax": 0}
    assert broken_checks() == []


def test_many_are_paid_in_as_many_statements_as_few(price: Price, queries_made: list[str]) -> None:
    counts = []
    for size in (2, 40):
        made = []
        for _number in range(size):
            user = UserFactory()
            made.append(bill(user, [plan_line(price, starts_at=database_now())], subscription=make_member(user, price)))
        before = len(queries_made)
        mark_many_paid(made, now_of=dict.fromkeys([invoice.id for invoice in made], database_now()))
        counts.append(len([sql for sql in queries_made[before:] if "clock_timestamp" not in sql]))
        assert {invoice.status for invoice in Invoice.objects.all()} == {"paid"}
    assert counts[0] == counts[1] <= 12
    assert holdings()["deferred"] == 42 * 1999


def test_a_batch_passes_over_what_is_not_open(price: Price) -> None:
    user = UserFactory()
    subscription = make_member(user, price)
    now = database_now()
    gone = bill(user, [plan_line(price, starts_at=now)], subscription=subscription)
    mark_void(gone, now=now)
    late = bill(user, [plan_line(price, starts_at=now)], subscription=subscription)
    mark_uncollectible(late, now=now)
    mark_many_paid([gone, late], now_of={gone.id: now, late.id: now})
    assert (gone.status, late.status) == ("void", "paid")
    assert holdings()["deferred"] == 1999


def test_a_paid_one_cannot_be_voided_and_a_void_one_stays_void(price: Price) -> None:
    user = UserFactory()
    invoice = bill(user, [plan_line(price, starts_at=database_now())], subscription=make_member(user, price))
    mark_paid(invoice, now=database_now())
    with pytest.raises(IllegalTransition):
        mark_void(invoice, now=database_now())
    assert Invoice.objects.get().status == "paid"


def test_what_was_printed_never_changes(price: Price) -> None:
    user = UserFactory()
    invoice = bill(user, [plan_line(price, starts_at=database_now())], subscription=make_member(user, price))
    for field, value in {"total_minor": 1, "number": "PC-2026-999999", "lines": []}.items():
        with pytest.raises((IntegrityError, Exception), match="pgtrigger"), transaction.atomic():
            Invoice.objects.filter(id=invoice.id).update(**{field: value})
    with pytest.raises(Exception, match="pgtrigger"), transaction.atomic():
        invoice.delete()


@pytest.mark.django_db(transaction=True)
def test_payments_heard_twice_at_once_are_booked_once(price: Price, platform: Merchant) -> None:
    user = UserFactory()
    invoice = bill(user, [plan_line(price, starts_at=database_now())], subscription=make_member(user, price))
    barrier = threading.Barrier(8)
    errors: list[BaseException] = []

    def pay() -> None:
        try:
            mine = Invoice.objects.get(id=invoice.id)
            barrier.wait()
            mark_paid(mine, now=database_now())
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=pay) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Posting.objects.filter(business_type="invoice").count() == 1
    assert holdings()["deferred"] == 1999
    assert Notification.objects.filter(template="membership_receipt").count() == 1


def test_rows_for_batches_are_as_single_ones(price: Price) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    draft = draft_invoice([plan_line(price, starts_at=now)], tax=GERMAN, credit=Money(0, "USD"))
    row = invoice_row(
        draft, number="PC-2026-000077", kind="renewal", user_id="usr_1", subscription_id="sub_1", country="DE",
        language="zh-hans", now=now, order_id="ord_1", invoice_id="inv_1",
    )  # fmt: skip
    stored: dict[str, Any] = {"id": row.id, "order": row.order_id, "due": row.due_minor, "status": row.status}
    assert stored == {"id": "inv_1", "order": "ord_1", "due": 2379, "status": "open"}
