"""Invoices, tax rates, voidings and the revenue report, as staff see and change them."""

import csv
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from memberships.invoices.paying import mark_paid, mark_uncollectible
from memberships.invoices.recognition import recognise_due
from memberships.invoices.tax import forget_rates
from memberships.invoices.voiding import (
    InvoiceNotVoidable,
    VoidingDecided,
    VoidingIsYourOwn,
    VoidingNeedsReason,
    agree_to_void,
    ask_to_void,
    refuse_to_void,
)
from memberships.models import Invoice, InvoiceVoiding, Price, RevenueSchedule, TaxRate
from merchants.models import Merchant
from paycore.clock import database_now
from payments.orders.models import Order
from tests.accounts.factories import UserFactory
from tests.memberships.billing import bill, plan_line
from tests.memberships.factories import make_catalogue
from tests.memberships.members import make_member
from tests.memberships.test_revenue import age
from tests.merchants.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def ops() -> Client:
    client = Client()
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def price(platform: Merchant) -> Price:
    return make_catalogue()


def invoice_of(price: Price, *, kind: str = "change", minor: int = 0) -> Invoice:
    user = UserFactory()
    line = plan_line(price, starts_at=database_now(), minor=minor)
    return bill(user, [line], subscription=make_member(user, price), kind=kind)


def page(name: str, action: str = "changelist", *arguments: Any) -> str:
    return reverse(f"ops:memberships_{name}_{action}", args=[quote(argument) for argument in arguments])


def test_lists_are_searched_and_filtered_and_pages_open(ops: Client, price: Price) -> None:
    paid, waiting = invoice_of(price), invoice_of(price)
    mark_paid(paid, now=database_now())
    for term in (paid.number, paid.id, str(paid.order_id), paid.user.email):
        content = ops.get(page("invoice"), {"q": term}).content.decode()
        assert paid.number in content
        assert waiting.number not in content
    content = ops.get(page("invoice"), {"status__exact": "open"}).content.decode()
    assert waiting.number in content
    assert paid.number not in content
    for name, row in (("invoice", paid), ("revenueschedule", RevenueSchedule.objects.get())):
        assert ops.get(page(name, "change", row.pk)).status_code == 200
    for name in ("creditnote", "invoicevoiding", "taxrate", "revenueschedule", "revenuerecognition"):
        assert ops.get(page(name)).status_code == 200
        assert ops.get(page(name), {"q": "x"}).status_code == 200
    pdf = ops.get(page("invoice", "pdf", paid.pk))
    assert pdf["Content-Type"] == "application/pdf"


def test_a_small_invoice_is_voided_by_one_person_with_a_reason(ops: Client, price: Price) -> None:
    invoice = invoice_of(price)
    address = page("invoice", "void", invoice.pk)
    ops.post(address, {"_form_submitted": "on", "reason": ""})
    assert Order.objects.get().status == "open"
    ops.post(address, {"_form_submitted": "on", "reason": "made by mistake"})
    assert Order.objects.get().status == "canceled"
    voiding = InvoiceVoiding.objects.get()
    assert (voiding.status, voiding.reason, voiding.needs_second_person) == ("done", "made by mistake", False)


def test_a_large_one_needs_another_person(price: Price) -> None:
    invoice = invoice_of(price, minor=10_001)
    voiding = ask_to_void(invoice.id, reason="a mistake", by="usr_a")
    assert (voiding.status, Order.objects.get().status) == ("waiting", "open")
    with pytest.raises(InvoiceNotVoidable):
        ask_to_void(invoice.id, reason="again", by="usr_b")
    with pytest.raises(VoidingIsYourOwn):
        agree_to_void(voiding.id, by="usr_a")
    assert Order.objects.get().status == "open"
    agree_to_void(voiding.id, by="usr_b")
    assert Order.objects.get().status == "canceled"
    with pytest.raises(VoidingDecided):
        refuse_to_void(voiding.id, by="usr_b")


def test_a_refused_wish_changes_nothing_and_may_be_asked_again(price: Price) -> None:
    invoice = invoice_of(price, minor=20_000)
    refuse_to_void(ask_to_void(invoice.id, reason="a mistake", by="usr_a").id, by="usr_b")
    assert (Order.objects.get().status, Invoice.objects.get().status) == ("open", "open")
    assert ask_to_void(invoice.id, reason="really", by="usr_a").status == "waiting"


def test_paid_invoices_and_those_of_the_next_period_are_not_voided(price: Price) -> None:
    paid, renewal = invoice_of(price), invoice_of(price, kind="renewal")
    mark_paid(paid, now=database_now())
    for invoice in (paid, renewal):
        with pytest.raises(InvoiceNotVoidable):
            ask_to_void(invoice.id, reason="a mistake", by="usr_a")
    with pytest.raises(VoidingNeedsReason):
        ask_to_void(invoice_of(price).id, reason=" ", by="usr_a")
    assert not InvoiceVoiding.objects.exists()


def test_one_that_was_given_up_is_voided_here(price: Price) -> None:
    invoice = invoice_of(price, kind="renewal")
    mark_uncollectible(invoice, now=database_now())
    ask_to_void(invoice.id, reason="the member moved", by="usr_a")
    assert Invoice.objects.get().status == "void"


def test_tax_rates_begin_today_or_later_and_history_stays(ops: Client) -> None:
    today = database_now().date()
    form = {"country": "de", "name": "VAT", "rate_basis_points": "1900", "starts_on": str(today - timedelta(days=1))}
    assert ops.post(page("taxrate", "add"), form).status_code == 200
    assert not TaxRate.objects.exists()
    assert ops.post(page("taxrate", "add"), form | {"country": "QQ", "starts_on": str(today)}).status_code == 200
    assert not TaxRate.objects.exists()
    assert ops.post(page("taxrate", "add"), form | {"starts_on": str(today)}).status_code == 302
    rate = TaxRate.objects.get()
    assert rate.country == "DE"
    ops.post(page("taxrate", "change", rate.pk), form | {"rate_basis_points": "700", "starts_on": str(today)})
    rate.refresh_from_db()
    assert rate.rate_basis_points == 1900
    content = ops.get(page("taxrate")).content.decode()
    assert "119.00" in content
    assert "15.97" in content
    assert ops.post(page("taxrate", "delete", rate.pk), {"post": "yes"}).status_code == 403
    forget_rates()


def test_the_revenue_report_is_a_page_and_a_file(ops: Client, price: Price) -> None:
    mark_paid(invoice_of(price), now=database_now())
    age(10)
    recognise_due()
    assert price.plan.code in ops.get(page("revenuerecognition")).content.decode()
    response = ops.get(reverse("ops:memberships_revenue_csv"))
    text = b"".join(response.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]  # a stream
    rows = list(csv.reader(text.splitlines()))
    assert len(rows) >= 2
    assert rows[1][1:3] == ["USD", "premium"]
    assert rows[1][0] == f"{database_now():%Y-%m}"
    nobody = Client()
    nobody.force_login(make_user(is_staff=True))
    assert nobody.get(reverse("ops:memberships_revenue_csv")).status_code in (302, 403)
