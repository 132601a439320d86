"""Credit notes: what takes a paid invoice back when its money went back."""

from datetime import UTC, date, datetime

from django.db import transaction
from django.db.models import Sum

from memberships.invoices.books import entry_of_note
from memberships.invoices.drafting import round_half_away
from memberships.invoices.holding import Returned, take_refunded
from memberships.invoices.numbering import CREDIT_NOTE, take_numbers
from memberships.invoices.paying import seller_id
from memberships.invoices.receipts import send_credit_note
from memberships.invoices.schedules import month_of
from memberships.models import CreditNote, Invoice, RevenueRecognition
from paycore.clock import database_now
from paycore.money import Money
from payments.ledger.services import post
from payments.orders.disputes.models import Dispute
from payments.orders.models import Refund


class InvoiceNotSettled(Exception):
    """Its money went back before the news of its payment was heard; the news of the refund is to come again."""


def credit_refund(refund_id: str) -> CreditNote | None:
    """A refund of an invoice's order succeeded. Money that was never the order's (surplus) has no invoice."""
    refund = Refund.objects.select_related("payment").get(id=refund_id)
    if refund.payment.is_surplus:
        return None
    return issue_credit_note(
        order_id=refund.payment.order_id,
        source=CreditNote.Source.REFUND,
        source_id=refund.id,
        amount=refund.amount,
    )


def credit_lost_dispute(dispute_id: str) -> CreditNote | None:
    """The payer's bank keeps what it took back."""
    dispute = Dispute.objects.select_related("payment").get(id=dispute_id)
    if dispute.payment.is_surplus or not dispute.withdrawn_minor:
        return None
    return issue_credit_note(
        order_id=dispute.payment.order_id,
        source=CreditNote.Source.DISPUTE,
        source_id=dispute.id,
        amount=Money(dispute.withdrawn_minor, dispute.currency),
    )


def issue_credit_note(*, order_id: str, source: str, source_id: str, amount: Money) -> CreditNote | None:
    """``amount`` of what was paid for the order went back: once for each ``source_id``; None when the order has no
    invoice, or nothing of it is left. The tax is the invoice's, in proportion, to the cent over all notes together.

    None as well for a void invoice: its money came too late and is in no book of ours. :class:`InvoiceNotSettled` while
    the news of the payment was not heard here.
    """
    with transaction.atomic():
        invoice = Invoice.objects.select_for_update(no_key=True).filter(order_id=order_id).first()
        is_known = CreditNote.objects.filter(source_id=source_id).exists()
        if invoice is None or is_known or invoice.status == Invoice.Status.VOID:
            return None
        if invoice.status != Invoice.Status.PAID:
            raise InvoiceNotSettled
        now = database_now(subject=invoice.user_id)
        note = _draft_note(invoice, source=source, source_id=source_id, amount=amount, now=now)
        if note is None:
            return None
        net = note.total - Money(note.tax_minor, note.currency)
        returned = take_refunded(invoice, amount=net, at=now)
        note.lines = [_line(part) for part in returned]
        note.save(force_insert=True)
        earned = sum(part.earned_minor for part in returned)
        country = invoice.taxes[0]["country"] if invoice.taxes else invoice.country
        post(entry_of_note(note, seller_id=seller_id(), country=country, from_revenue=earned))
        RevenueRecognition.objects.bulk_create(
            [_taken_back(note, part, month=month_of(now)) for part in returned if part.earned_minor]
        )
        send_credit_note(note)
    return note


def _draft_note(invoice: Invoice, *, source: str, source_id: str, amount: Money, now: datetime) -> CreditNote | None:
    before = invoice.credit_notes.aggregate(total=Sum("total_minor", default=0), tax=Sum("tax_minor", default=0))
    minor = min(amount.minor, invoice.total_minor - before["total"])
    if minor <= 0:
        return None
    tax_until_here = round_half_away(invoice.tax_minor * (before["total"] + minor), invoice.total_minor)
    return CreditNote(
        number=take_numbers(CREDIT_NOTE, year=now.astimezone(UTC).year, count=1)[0],
        invoice=invoice,
        user_id=invoice.user_id,
        source=source,
        source_id=source_id,
        currency=invoice.currency,
        total_minor=minor,
        tax_minor=tax_until_here - before["tax"],
        language=invoice.language,
        issued_at=now,
    )


def _line(part: Returned) -> dict[str, str | int]:
    net = part.deferred_minor + part.earned_minor
    return {"plan": part.plan, "net_minor": net, "earned_minor": part.earned_minor}


def _taken_back(note: CreditNote, part: Returned, *, month: date) -> RevenueRecognition:
    return RevenueRecognition(
        batch=note.id, month=month, plan=part.plan, currency=note.currency, amount_minor=-part.earned_minor
    )
