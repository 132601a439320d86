"""Credit notes: what takes a paid invoice back when its money went back, and their end when it came again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db import transaction
from django.db.models import Sum

from memberships.invoices.books import entry_of_note, entry_of_void_note
from memberships.invoices.drafting import round_half_away
from memberships.invoices.holding import Returned, restore_refunded, take_refunded
from memberships.invoices.numbering import CREDIT_NOTE, take_numbers
from memberships.invoices.paying import seller_id
from memberships.invoices.receipts import send_credit_note, send_void_credit_note
from memberships.invoices.schedules import month_of
from memberships.models import CreditNote, Invoice, PromisedRefund, RevenueRecognition
from paycore.clock import database_now
from paycore.money import Money
from payments.ledger.services import post


class InvoiceNotSettled(Exception):
    """Its money went back before the news of its payment was heard; the news of the refund is to come again."""


@dataclass(frozen=True, slots=True)
class _Before:
    """Minor units of the notes that the invoice has already."""

    total: int
    tax: int
    credit: int

    @property
    def paid_back(self) -> int:
        return self.total - self.credit


def issue_credit_note(*, order_id: str, source: str, source_id: str, amount: Money) -> CreditNote | None:
    """``amount`` of what was paid for the order went back: once for each ``source_id``; None when the order has no
    invoice, or nothing of it is left. The tax is the invoice's, in proportion, to the cent over all notes together.

    The refund that gives the last of the money back takes the credit that had paid the rest along (``credit_minor`` of
    the note): the caller, who holds the subscription's lock, adds it to the row. A lost dispute does not, for the bank
    decided of the money only, and may decide otherwise; nor does the refund of canceled time, which has settled it.

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
        post(entry_of_note(note, seller_id=seller_id(), country=_country(invoice), from_revenue=earned))
        RevenueRecognition.objects.bulk_create(
            [_taken_back(note, part, month=month_of(now)) for part in returned if part.earned_minor]
        )
        send_credit_note(note)
    return note


def void_credit_note(source_ids: Sequence[str], *, ends_at: datetime) -> CreditNote | None:
    """The money of a lost dispute came back: its credit note is void, once, and the invoice counts again. What had not
    been earned is earned until ``ends_at``. None when there is none that counts."""
    with transaction.atomic():
        note = CreditNote.objects.filter(source_id__in=source_ids, voided_at=None).select_related("invoice").first()
        if note is None:
            return None
        invoice = Invoice.objects.select_for_update(no_key=True).get(id=note.invoice_id)
        now = database_now(subject=note.user_id)
        if not CreditNote.objects.filter(id=note.id, voided_at=None).update(voided_at=now):
            return None
        note.voided_at = now
        rest = restore_refunded(invoice, [_part(line) for line in note.lines], at=now, ends_at=ends_at)
        post(entry_of_void_note(note, seller_id=seller_id(), country=_country(invoice), to_revenue=rest))
        if rest:
            plan = note.lines[0]["plan"] if note.lines else ""
            RevenueRecognition.objects.create(
                batch=note.id, month=month_of(now), plan=plan, currency=note.currency, amount_minor=rest
            )
        send_void_credit_note(note)
    return note


def _draft_note(invoice: Invoice, *, source: str, source_id: str, amount: Money, now: datetime) -> CreditNote | None:
    before = _before(invoice)
    paid_back = min(amount.minor, invoice.due_minor - before.paid_back)
    if paid_back <= 0:
        return None
    credit = 0
    if before.paid_back + paid_back == invoice.due_minor and _takes_credit_along(invoice, source, source_id):
        credit = _credit_to_return(invoice, before)
    minor = paid_back + credit
    tax_until_here = round_half_away(invoice.tax_minor * (before.total + minor), invoice.total_minor)
    return CreditNote(
        number=take_numbers(CREDIT_NOTE, year=now.astimezone(UTC).year, count=1)[0],
        invoice=invoice,
        user_id=invoice.user_id,
        source=source,
        source_id=source_id,
        currency=invoice.currency,
        total_minor=minor,
        tax_minor=tax_until_here - before.tax,
        credit_minor=credit,
        language=invoice.language,
        issued_at=now,
    )


def _before(invoice: Invoice) -> _Before:
    sums = invoice.credit_notes.filter(voided_at=None).aggregate(
        total=Sum("total_minor", default=0), tax=Sum("tax_minor", default=0), credit=Sum("credit_minor", default=0)
    )
    return _Before(**sums)


def _takes_credit_along(invoice: Invoice, source: str, source_id: str) -> bool:
    if source != CreditNote.Source.REFUND or invoice.subscription_id is None:
        return False
    disputed = invoice.credit_notes.filter(source=CreditNote.Source.DISPUTE, voided_at=None)
    return not disputed.exists() and not PromisedRefund.objects.filter(refund_id=source_id).exists()


def _credit_to_return(invoice: Invoice, before: _Before) -> int:
    """What paid it and a cancel has not given back already."""
    promised = invoice.promises.aggregate(sum=Sum("credit_minor", default=0))["sum"]
    return max(0, invoice.credit_minor - before.credit - int(promised))


def _country(invoice: Invoice) -> str:
    return str(invoice.taxes[0]["country"]) if invoice.taxes else invoice.country


def _line(part: Returned) -> dict[str, str | int]:
    net = part.deferred_minor + part.earned_minor
    return {"plan": part.plan, "net_minor": net, "earned_minor": part.earned_minor}


def _part(line: dict[str, str | int]) -> Returned:
    earned = int(line["earned_minor"])
    return Returned(str(line["plan"]), int(line["net_minor"]) - earned, earned)


def _taken_back(note: CreditNote, part: Returned, *, month: date) -> RevenueRecognition:
    return RevenueRecognition(
        batch=note.id, month=month, plan=part.plan, currency=note.currency, amount_minor=-part.earned_minor
    )
