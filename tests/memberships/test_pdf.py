"""Invoices as people get them: pages and PDFs, in Chinese and English, for the right eyes only."""

import re
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from memberships.invoices.crediting import issue_credit_note
from memberships.invoices.documents import print_credit_note, print_invoice
from memberships.invoices.drafting import ChargeLine, TaxRule
from memberships.invoices.links import document_of, receipt_url
from memberships.invoices.paying import mark_paid
from memberships.invoices.pdf import printable, render_pdf
from memberships.models import Invoice, Price
from merchants.models import Merchant
from paycore.errors import NotFound
from paycore.money import Money
from tests.actors import AppUser
from tests.memberships.billing import bill, plan_line
from tests.memberships.factories import make_catalogue
from tests.memberships.members import make_member

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
GERMAN = TaxRule("DE", "VAT", 1900, is_inclusive=True)


@pytest.fixture
def price(platform: Merchant) -> Price:
    return make_catalogue()


def paid_invoice(user: User, price: Price, **more: Any) -> Invoice:
    subscription = make_member(user, price)
    invoice = bill(user, [plan_line(price, starts_at=NOW)], subscription=subscription, tax=GERMAN, now=NOW, **more)
    mark_paid(invoice, now=NOW)
    return Invoice.objects.select_related("user").get(id=invoice.id)


def test_the_same_invoice_gives_the_same_bytes(app_user: AppUser, price: Price) -> None:
    invoice = paid_invoice(app_user.user, price)
    first, second = render_pdf(print_invoice(invoice)), render_pdf(print_invoice(invoice))
    assert first == second
    assert first.startswith(b"%PDF-")
    assert 3_000 < len(first) < 60_000


def test_every_sign_of_a_chinese_invoice_is_in_the_font(app_user: AppUser, price: Price) -> None:
    app_user.user.name = "王小明"
    app_user.user.save()
    invoice = paid_invoice(app_user.user, price, language="zh-hans", discount=100, credit=300)
    document = print_invoice(invoice)
    words = [document.title, document.state, document.note, *document.headings, *document.seller]
    words += [word for pair in document.facts for word in pair]
    words += [word for line in document.lines for word in (line.description, line.detail, line.amount)]
    words += [word for row in document.sums for word in (row.label, row.amount)]
    assert [word for word in words if printable(word) != word.replace("\xa0", " ") and printable(word) != word] == []
    assert "王小明" in words
    assert render_pdf(document) != render_pdf(
        print_invoice(paid_invoice(User.objects.create_user("b@example.com"), price))
    )


@pytest.mark.parametrize(
    "name",
    ["Łukasz Ørsted", "Ελένη", "Дмитрий", "😀 عربي ไทย 한국", "劐\x00\x07\u202e", "a" * 90, "𠮷野"],
)
def test_names_in_any_script_are_printed_or_stand_as_boxes(app_user: AppUser, price: Price, name: str) -> None:
    invoice = paid_invoice(app_user.user, price)
    invoice.user.name = name
    assert render_pdf(print_invoice(invoice)).startswith(b"%PDF-")


def test_signs_that_the_font_lacks_do_not_vanish_silently() -> None:
    assert printable("Łódź 王 😀\x07") == "Łódź 王 " + printable("😀")
    assert printable("😀") in ("□", "?")


def test_an_invoice_of_many_lines_goes_over_pages(app_user: AppUser, price: Price) -> None:
    lines = [ChargeLine("plan", f"Line {number} " + "long words " * 12, Money(100, "USD")) for number in range(60)]
    invoice = bill(app_user.user, lines, subscription=make_member(app_user.user, price), now=NOW)
    content = render_pdf(print_invoice(Invoice.objects.select_related("user").get(id=invoice.id)))
    assert len(re.findall(rb"/Type /Page\b", content)) >= 3


def test_sums_are_told_as_the_tax_is_meant(app_user: AppUser, price: Price) -> None:
    inside = print_invoice(paid_invoice(app_user.user, price, discount=99))
    assert [(row.label, row.amount) for row in inside.sums] == [
        ("Subtotal", "$19.99"), ("Welcome", "-$0.99"), ("Total", "$19.00"), ("Includes VAT 19 %", "$3.03"),
    ]  # fmt: skip
    invoice = bill(
        User.objects.create_user("b@example.com"), [plan_line(price, starts_at=NOW)], now=NOW, credit=500,
        tax=TaxRule("DE", "VAT", 1900, is_inclusive=False),
    )  # fmt: skip
    on_top = print_invoice(Invoice.objects.select_related("user").get(id=invoice.id))
    assert [(row.label, row.amount) for row in on_top.sums] == [
        ("Subtotal", "$19.99"), ("VAT 19 %", "$3.80"), ("Total", "$23.79"), ("Your credit", "-$5.00"),
        ("To pay", "$18.79"),
    ]  # fmt: skip


def test_sums_of_a_change_to_less_add_up_with_its_tax(app_user: AppUser, price: Price) -> None:
    unused = ChargeLine("credit", "Unused time", Money(-4_999, "USD"), starts_at=NOW, ends_at=NOW)
    invoice = bill(
        app_user.user, [plan_line(price, starts_at=NOW), unused], subscription=make_member(app_user.user, price),
        now=NOW, tax=TaxRule("DE", "VAT", 1900, is_inclusive=False),
    )  # fmt: skip
    printed = print_invoice(Invoice.objects.select_related("user").get(id=invoice.id))
    assert [(row.label, row.amount) for row in printed.sums] == [
        ("Subtotal", "-$30.00"), ("Tax", "-$5.70"), ("Kept as your credit", "$35.70"), ("Total", "$0.00"),
    ]  # fmt: skip


def test_a_member_reads_and_downloads_their_own_only(app_user: AppUser, price: Price) -> None:
    invoice = paid_invoice(app_user.user, price)
    issue_credit_note(order_id=str(invoice.order_id), source="refund", source_id="ref_1", amount=Money(500, "USD"))
    listed = app_user.get("/invoices", status="paid").json()["data"]
    assert [row["number"] for row in listed] == [invoice.number]
    assert app_user.get("/invoices", status="open").json()["data"] == []
    assert app_user.get("/invoices", subscription="sub_x").json()["data"] == []
    shown = app_user.get(f"/invoices/{invoice.id}").json()
    assert (shown["total_minor"], shown["lines"][0]["starts_at"]) == (1999, "2026-03-01T09:00:00Z")
    pdf = app_user.get(f"/invoices/{invoice.id}/pdf")
    assert (pdf.status_code, pdf["Content-Type"]) == (200, "application/pdf")
    assert pdf["Content-Disposition"] == f'attachment; filename="{invoice.number}.pdf"'
    assert "private" in pdf["Cache-Control"]
    note = app_user.get("/credit-notes").json()["data"][0]
    assert (note["invoice"], note["total_minor"], note["because_of"]) == (invoice.id, 500, "refund")
    assert app_user.get(f"/credit-notes/{note['id']}").json() == note
    assert app_user.get(f"/credit-notes/{note['id']}/pdf").content.startswith(b"%PDF-")
    stranger = AppUser.signed_in("eve@example.com")
    for path in (f"/invoices/{invoice.id}", f"/invoices/{invoice.id}/pdf", f"/credit-notes/{note['id']}"):
        assert stranger.get(path).status_code == 404
    assert stranger.get("/invoices").json()["data"] == []
    assert Client().get(f"/api/v1/invoices/{invoice.id}/pdf").status_code == 401


def test_the_address_in_the_mail_shows_the_receipt_and_no_other_does(app_user: AppUser, price: Price) -> None:
    invoice = paid_invoice(app_user.user, price, language="zh-hans")
    path = receipt_url(invoice.id).removeprefix("http://").partition("/")[2]
    page = Client().get(f"/{path}")
    assert page.status_code == 200
    assert invoice.number in page.content.decode()
    assert 'lang="zh-hans"' in page.content.decode()
    assert "private" in page["Cache-Control"]
    assert Client().get(f"/{path}/pdf")["Content-Type"] == "application/pdf"
    forged = path[:-1] + ("a" if path[-1] != "a" else "b")
    assert Client().get(f"/{forged}").status_code == 404
    assert Client().get(f"/{forged}/pdf").status_code == 404
    assert Client().get(f"/receipts/{invoice.id}").status_code == 404
    with pytest.raises(NotFound):
        document_of(invoice.id)


def test_a_credit_note_prints(app_user: AppUser, price: Price) -> None:
    invoice = paid_invoice(app_user.user, price)
    note = issue_credit_note(
        order_id=str(invoice.order_id), source="refund", source_id="ref_1", amount=Money(1190, "USD")
    )
    assert note is not None
    document = print_credit_note(note)
    assert [(row.label, row.amount) for row in document.sums] == [
        ("Includes VAT 19 %", "$1.90"), ("Total", "$11.90"),
    ]  # fmt: skip
    content = render_pdf(document)
    assert zlib.decompress(re.findall(rb"stream\n(.*?)\nendstream", content, re.DOTALL)[0])
