"""The mails about money of memberships. They take the place of payments' own, so that nobody gets two."""

from collections.abc import Sequence

from memberships.invoices.drafting import CREDIT, DISCOUNT
from memberships.invoices.links import pdf_url_of, receipt_url
from memberships.models import CreditNote, Invoice
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import Letter, notify_many


def send_receipts(invoices: Sequence[Invoice]) -> None:
    """One for every paid invoice of something; written down in the running transaction, once each."""
    letters = [_receipt(invoice) for invoice in invoices if invoice.total_minor]
    if letters:
        notify_many(letters)


def send_credit_note(note: CreditNote) -> None:
    address = receipt_url(note.id)
    letter = Letter(
        template="membership_credit_note",
        to=Recipient(user_id=note.user_id),
        context={
            "amount_minor": note.paid_back.minor,
            "credit_minor": note.credit_minor,
            "currency": note.currency,
            "number": note.number,
            "invoice_number": note.invoice.number,
            "is_refund": int(note.source == CreditNote.Source.REFUND),
            "receipt_url": address,
            "pdf_url": pdf_url_of(address),
        },
        key=f"membership_credit_note:{note.id}",
    )
    notify_many([letter])


def send_void_credit_note(note: CreditNote) -> None:
    letter = Letter(
        template="membership_credit_note_void",
        to=Recipient(user_id=note.user_id),
        context={
            "amount_minor": note.total_minor,
            "currency": note.currency,
            "number": note.number,
            "invoice_number": note.invoice.number,
            "receipt_url": receipt_url(note.id),
        },
        key=f"membership_credit_note_void:{note.id}",
    )
    notify_many([letter])


def has_own_receipt(order_id: str) -> bool:
    """Whether the order's payer hears of its money from here: not of money that came too late for its invoice."""
    return Invoice.objects.filter(order_id=order_id).exclude(status=Invoice.Status.VOID).exists()


def title_of(invoice: Invoice) -> str:
    charges = [line["description"] for line in invoice.lines if line["kind"] not in (CREDIT, DISCOUNT)]
    return ", ".join(charges or [invoice.number])[:200]


def _receipt(invoice: Invoice) -> Letter:
    address = receipt_url(invoice.id)
    return Letter(
        template="membership_receipt",
        to=Recipient(user_id=invoice.user_id),
        context={
            "amount_minor": invoice.due_minor,
            "currency": invoice.currency,
            "number": invoice.number,
            "description": title_of(invoice),
            "paid_at": invoice.paid_at.isoformat() if invoice.paid_at else "",
            "receipt_url": address,
            "pdf_url": pdf_url_of(address),
        },
        key=f"membership_receipt:{invoice.id}",
    )
