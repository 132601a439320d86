"""An invoice or credit note as it is printed: every word and amount, in its own language. Pages and PDFs show this."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from memberships.catalogue.known import plan_of
from memberships.invoices.drafting import CREDIT, DISCOUNT
from memberships.models import CreditNote, Invoice
from paycore.errors import NotFound
from paycore.money import Money


@dataclass(frozen=True, slots=True)
class PrintedLine:
    description: str
    detail: str
    quantity: str
    amount: str


@dataclass(frozen=True, slots=True)
class PrintedSum:
    label: str
    amount: str
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class PrintedDocument:
    """``facts`` are (label, words). ``state`` is told at the top: paid, open, …; ``is_good``: nothing is asked for."""

    language: str
    title: str
    number: str
    state: str
    is_good: bool
    issued_at: datetime
    seller: Sequence[str]
    facts: Sequence[tuple[str, str]]
    lines: Sequence[PrintedLine]
    sums: Sequence[PrintedSum]
    headings: tuple[str, str, str]
    note: str


def print_invoice(invoice: Invoice) -> PrintedDocument:
    """``invoice.user`` is read."""
    with translation.override(invoice.language):
        is_paid = invoice.status == Invoice.Status.PAID
        facts = [
            (_("Invoice number"), invoice.number),
            (_("Issued"), _day(invoice.issued_at)),
            *([(_("Paid"), _day(invoice.paid_at))] if invoice.paid_at else []),
            *_buyer(invoice),
            *([(_("Order"), invoice.order_id)] if invoice.order_id else []),
        ]
        return PrintedDocument(
            language=invoice.language,
            title=_("Invoice and receipt") if is_paid else _("Invoice"),
            number=invoice.number,
            state=str(Invoice.Status(invoice.status).label),
            is_good=is_paid,
            issued_at=invoice.issued_at,
            seller=_seller(),
            facts=facts,
            lines=[_line(row, invoice) for row in invoice.lines if row["kind"] != DISCOUNT],
            sums=_sums(invoice),
            headings=(_("Description"), _("Quantity"), _("Amount")),
            note=_("Thank you.") if is_paid else "",
        )


def print_credit_note(note: CreditNote) -> PrintedDocument:
    """``note.invoice`` and its ``user`` are read."""
    with translation.override(note.language):
        total = PrintedSum(_("Total"), _amount(note.total_minor, note.currency), is_total=True)
        tax = [_tax_words(row, note.tax_minor, note.currency) for row in note.invoice.taxes]
        return PrintedDocument(
            language=note.language,
            title=_("Credit note"),
            number=note.number,
            state=_("Void") if note.voided_at else str(CreditNote.Source(note.source).label),
            is_good=note.voided_at is None,
            issued_at=note.issued_at,
            seller=_seller(),
            facts=[
                (_("Credit note number"), note.number),
                (_("Issued"), _day(note.issued_at)),
                (_("For invoice"), note.invoice.number),
                *_buyer(note.invoice),
            ],
            lines=[
                PrintedLine(_plan_name(line["plan"], note.language), "", "", _amount(line["net_minor"], note.currency))
                for line in note.lines
            ],
            sums=[*tax, total, *_credit_given(note)],
            headings=(_("Description"), "", _("Amount without tax")),
            note=(
                _("This credit note is void since %(day)s: the invoice counts again.") % {"day": _day(note.voided_at)}
                if note.voided_at
                else _("This takes the invoice back by the total above.")
            ),
        )


def _credit_given(note: CreditNote) -> list[PrintedSum]:
    if not note.credit_minor:
        return []
    return [
        PrintedSum(_("Of this, your credit again"), _amount(note.credit_minor, note.currency)),
        PrintedSum(_("Paid back"), _amount(note.paid_back.minor, note.currency)),
    ]


def _seller() -> list[str]:
    lines = [line.strip() for line in settings.PAYCORE_INVOICE_SELLER.split("|") if line.strip()]
    return lines or ["paycore"]


def _buyer(invoice: Invoice) -> list[tuple[str, str]]:
    name = invoice.user.name.strip()
    return [
        *([(_("Member"), name)] if name else []),
        (_("Member number"), invoice.user_id),
        *([(_("Country"), invoice.country)] if invoice.country else []),
    ]


def _line(row: dict[str, str | int | None], invoice: Invoice) -> PrintedLine:
    span = ""
    if row["starts_at"] and row["ends_at"]:
        span = f"{_day(_moment(row['starts_at']))} – {_day(_moment(row['ends_at']))}"
    quantity = str(row["quantity"]) if row["kind"] != CREDIT else ""
    return PrintedLine(
        str(row["description"]), span, quantity, _amount(int(row["amount_minor"] or 0), invoice.currency)
    )


def _sums(invoice: Invoice) -> list[PrintedSum]:
    currency = invoice.currency
    charges = sum(row["amount_minor"] for row in invoice.lines if row["kind"] != DISCOUNT)
    discounts = [row for row in invoice.lines if row["kind"] == DISCOUNT]
    taxes = [_tax_words(row, row["tax_minor"], currency) for row in invoice.taxes]
    sums = [PrintedSum(_("Subtotal"), _amount(charges, currency))]
    sums += [
        PrintedSum(row["description"] or _("Discount"), _amount(row["amount_minor"], currency)) for row in discounts
    ]
    sums += [row for row, tax in zip(taxes, invoice.taxes, strict=True) if not tax["is_inclusive"]]
    if charges < 0:
        if tax_on_top := _owed(invoice) - charges:
            sums.append(PrintedSum(_("Tax"), _amount(tax_on_top, currency)))
        sums.append(PrintedSum(_("Kept as your credit"), _amount(-_owed(invoice), currency)))
    sums.append(PrintedSum(_("Total"), _amount(invoice.total_minor, currency), is_total=True))
    sums += [row for row, tax in zip(taxes, invoice.taxes, strict=True) if tax["is_inclusive"]]
    if invoice.credit_minor:
        sums.append(PrintedSum(_("Your credit"), _amount(-invoice.credit_minor, currency)))
    if invoice.credit_minor or invoice.status != Invoice.Status.PAID:
        label = _("Paid") if invoice.status == Invoice.Status.PAID else _("To pay")
        sums.append(PrintedSum(label, _amount(invoice.due_minor, currency), is_total=True))
    return sums


def _owed(invoice: Invoice) -> int:
    """With tax, as a negative amount."""
    return sum(row["net_minor"] + row["tax_minor"] for row in invoice.lines)


def _tax_words(row: dict[str, str | int], minor: int, currency: str) -> PrintedSum:
    values = {"name": row["name"], "rate": f"{int(row['rate_basis_points']) / 100:g}"}
    words = _("Includes %(name)s %(rate)s %%") if row["is_inclusive"] else _("%(name)s %(rate)s %%")
    return PrintedSum(words % values, _amount(minor, currency))


def _plan_name(plan_id: str, language: str) -> str:
    try:
        return plan_of(plan_id).name(language)
    except NotFound:
        return _("Membership")


def _amount(minor: int, currency: str) -> str:
    return Money(minor, currency).format(translation.get_language() or settings.LANGUAGE_CODE)


def _day(moment: datetime | None) -> str:
    return date_format(moment.astimezone(UTC), "DATE_FORMAT") if moment else ""


def _moment(text: str | int | None) -> datetime:
    return datetime.fromisoformat(str(text))
