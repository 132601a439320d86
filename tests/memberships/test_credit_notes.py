"""What went back is taken from the books of what was billed: not earned first, tax in proportion, once."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from memberships.invoices.crediting import InvoiceNotSettled, issue_credit_note
from memberships.invoices.drafting import TaxRule, round_half_away
from memberships.invoices.paying import mark_paid, mark_void
from memberships.invoices.recognition import recognise_due
from memberships.invoices.report import revenue_report
from memberships.models import CreditNote, Invoice, Price, RevenueSchedule, Subscription
from merchants.models import Merchant
from paycore.clock import database_now
from paycore.money import Money
from paycore.notifications.models import Notification
from payments.ledger import chart
from payments.ledger.services import Entry, Leg, post
from tests.accounts.factories import UserFactory
from tests.memberships.billing import bill, broken_checks, collect, holdings, pending, plan_line
from tests.memberships.factories import make_catalogue
from tests.memberships.members import make_member
from tests.memberships.test_revenue import age, midnight

pytestmark = pytest.mark.django_db
GERMAN = TaxRule("DE", "VAT", 1900, is_inclusive=True)
DAY = timedelta(days=1)


@pytest.fixture
def price(platform: Merchant) -> Price:
    return make_catalogue()


@pytest.fixture
def member(price: Price) -> Subscription:
    return make_member(UserFactory(), price)


def paid_month(member: Subscription, price: Price, platform: Merchant, *, minor: int = 2380, **more: Any) -> Invoice:
    """Thirty days that began ten days ago."""
    start = midnight() - 10 * DAY
    line = plan_line(price, starts_at=start, ends_at=start + 30 * DAY, minor=minor)
    user = User.objects.get(id=member.user_id)
    invoice = bill(user, [line], subscription=member, tax=GERMAN, now=start, **more)
    collect(invoice, platform)
    mark_paid(invoice, now=start)
    return invoice


def give_back(invoice: Invoice, platform: Merchant, minor: int, *, source_id: str) -> CreditNote | None:
    """As payments books a refund, and then its news."""
    amount = Money(minor, invoice.currency)
    post(Entry("refund", source_id, "succeeded", [Leg(chart.merchant_pending(platform.id), "gateway:test", amount)]))
    return issue_credit_note(order_id=str(invoice.order_id), source="refund", source_id=source_id, amount=amount)


def test_a_refund_of_unused_time_takes_only_what_is_deferred(
    member: Subscription, price: Price, platform: Merchant
) -> None:
    invoice = paid_month(member, price, platform)
    recognise_due()
    before = holdings()
    note = give_back(invoice, platform, 1000, source_id="ref_1")
    assert note is not None
    assert (note.number[:4], note.total_minor, note.tax_minor) == ("PCC-", 1000, 160)
    assert note.lines == [{"plan": price.plan_id, "net_minor": 840, "earned_minor": 0}]
    after = holdings()
    assert (before["deferred"] - after["deferred"], before["tax"] - after["tax"]) == (840, 160)
    assert after["revenue"] == before["revenue"] == 2000 // 3
    assert pending(platform) == 0
    assert broken_checks() == []


def test_a_refund_of_everything_takes_back_what_was_earned_too(
    member: Subscription, price: Price, platform: Merchant
) -> None:
    invoice = paid_month(member, price, platform)
    recognise_due()
    give_back(invoice, platform, 2380, source_id="ref_1")
    assert holdings() == {"deferred": 0, "revenue": 0, "credit": 0, "tax": 0}
    assert pending(platform) == 0
    assert broken_checks() == []
    age(30)
    assert recognise_due() <= 1
    assert holdings()["revenue"] == 0


def test_what_was_earned_but_is_not_in_the_books_yet_never_gets_there(
    member: Subscription, price: Price, platform: Merchant
) -> None:
    give_back(paid_month(member, price, platform), platform, 2380, source_id="ref_1")
    recognise_due()
    assert holdings() == {"deferred": 0, "revenue": 0, "credit": 0, "tax": 0}
    assert RevenueSchedule.objects.get().total_minor == 0


def test_the_same_news_twice_is_one_note_and_one_letter(member: Subscription, price: Price, platform: Merchant) -> None:
    invoice = paid_month(member, price, platform)
    give_back(invoice, platform, 500, source_id="ref_1")
    amount = Money(500, "USD")
    assert issue_credit_note(order_id=invoice.order_id or "", source="refund", source_id="ref_1", amount=amount) is None
    assert CreditNote.objects.count() == 1
    letter = Notification.objects.get(template="membership_credit_note")
    assert letter.context["invoice_number"] == invoice.number


def test_refund_and_dispute_together_take_back_no_more_than_there_was(
    member: Subscription, price: Price, platform: Merchant
) -> None:
    invoice = paid_month(member, price, platform)
    give_back(invoice, platform, 2000, source_id="ref_1")
    second = issue_credit_note(
        order_id=str(invoice.order_id), source="dispute", source_id="dsp_1", amount=Money(2380, "USD")
    )
    assert second is not None
    assert second.total_minor == 380
    third = issue_credit_note(
        order_id=str(invoice.order_id), source="refund", source_id="ref_2", amount=Money(1, "USD")
    )
    assert third is None
    assert sum(note.tax_minor for note in CreditNote.objects.all()) == invoice.tax_minor == 380


def test_orders_of_other_things_and_void_invoices_get_none(
    member: Subscription, price: Price, platform: Merchant
) -> None:
    assert issue_credit_note(order_id="ord_x", source="refund", source_id="ref_1", amount=Money(1, "USD")) is None
    user = User.objects.get(id=member.user_id)
    invoice = bill(user, [plan_line(price, starts_at=database_now())], subscription=member)
    with pytest.raises(InvoiceNotSettled):
        issue_credit_note(order_id=str(invoice.order_id), source="refund", source_id="ref_1", amount=Money(1, "USD"))
    mark_void(invoice, now=database_now())
    order_id = str(invoice.order_id)
    assert issue_credit_note(order_id=order_id, source="refund", source_id="ref_1", amount=Money(1, "USD")) is None
    assert not CreditNote.objects.exists()


@given(minor=st.integers(3, 10**7), parts=st.lists(st.integers(1, 100), min_size=1, max_size=6), passes=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_refunds_in_any_parts_leave_nothing_behind(
    member: Subscription, price: Price, platform: Merchant, minor: int, parts: list[int], passes: bool
) -> None:
    sizes = [size.minor for size in Money(minor, "USD").allocate(parts) if size.minor]
    savepoint = transaction.savepoint()
    try:
        invoice = paid_month(member, price, platform, minor=minor)
        for index, size in enumerate(sizes):
            if passes:
                recognise_due()
            give_back(invoice, platform, size, source_id=f"ref_{index}")
        recognise_due()
        notes = CreditNote.objects.filter(invoice=invoice)
        assert sum(note.tax_minor for note in notes) == invoice.tax_minor == round_half_away(minor * 1900, 11_900)
        assert holdings() == {"deferred": 0, "revenue": 0, "credit": 0, "tax": 0}
        assert pending(platform) == 0
        assert broken_checks() == []
    finally:
        transaction.savepoint_rollback(savepoint)


def test_the_report_equals_the_books(member: Subscription, price: Price, platform: Merchant) -> None:
    since = (midnight() - 100 * DAY).date().replace(day=1)
    invoice = paid_month(member, price, platform)
    recognise_due()
    give_back(invoice, platform, 1900, source_id="ref_1")
    other = make_member(UserFactory(), price)
    paid_month(other, price, platform, minor=5000, discount=300)
    recognise_due()
    report = revenue_report(since=since, until=midnight().date().replace(day=1))
    newest = report.totals()[midnight().date().replace(day=1), "USD"]
    books = holdings()
    assert newest.deferred == books["deferred"]
    assert sum(row.recognised for row in report.rows) == books["revenue"]
    assert sum(row.tax for row in report.rows) == books["tax"]
    earlier = revenue_report(since=since - 40 * DAY, until=since)
    assert earlier.rows == []
    assert sum(row.billed - row.credited - row.recognised for row in report.rows) == books["deferred"]
