"""Reading invoices and credit notes."""

from django.db.models import QuerySet

from memberships.models import CreditNote, Invoice
from paycore.errors import NotFound


def invoices_of(user_id: str) -> QuerySet[Invoice]:
    return Invoice.objects.filter(user_id=user_id)


def credit_notes_of(user_id: str) -> QuerySet[CreditNote]:
    return CreditNote.objects.filter(user_id=user_id)


def get_invoice(invoice_id: str, *, user_id: str | None = None) -> Invoice:
    """With its user. NotFound also when it is not ``user_id``'s."""
    rows = Invoice.objects.select_related("user") if user_id is None else invoices_of(user_id).select_related("user")
    invoice = rows.filter(id=invoice_id).first()
    if invoice is None:
        raise NotFound
    return invoice


def get_credit_note(note_id: str, *, user_id: str | None = None) -> CreditNote:
    """With its invoice and user. NotFound also when it is not ``user_id``'s."""
    rows = CreditNote.objects.all() if user_id is None else credit_notes_of(user_id)
    note = rows.select_related("invoice__user").filter(id=note_id).first()
    if note is None:
        raise NotFound
    return note
