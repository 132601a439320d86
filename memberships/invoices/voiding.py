"""Staff let an unpaid invoice go: one person says why, above a limit another one decides."""

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from memberships.invoices.paying import mark_void
from memberships.models import Invoice, InvoiceVoiding
from memberships.transitions import INVOICE_VOIDING
from paycore.clock import database_now
from paycore.errors import Conflict, NotFound, PaycoreError
from payments.errors import OrderNotOpen
from payments.orders.services import cancel_order

Status = InvoiceVoiding.Status


class VoidingNeedsReason(PaycoreError):
    code, http_status = "voiding_reason_missing", 400
    title = _("Say why.")


class InvoiceNotVoidable(Conflict):
    code = "invoice_not_voidable"
    title = _(
        "This invoice cannot be voided. It is paid or void already, or it is for a period of a membership that goes on:"
        " forgive the period, or cancel the membership."
    )


class VoidingIsYourOwn(Conflict):
    code = "invoice_voiding_is_your_own"
    title = _("Whoever asked for it cannot decide it. Another person must.")


class VoidingDecided(Conflict):
    code = "invoice_voiding_decided"
    title = _("This was decided already.")


def may_be_voided(invoice: Invoice) -> bool:
    """Not the next period's: forgiving the period voids it, and so does ending the membership."""
    if invoice.status == Invoice.Status.UNCOLLECTIBLE:
        return True
    return invoice.status == Invoice.Status.OPEN and invoice.kind != Invoice.Kind.RENEWAL


def ask_to_void(invoice_id: str, *, reason: str, by: str) -> InvoiceVoiding:
    """Done at once below the limit. VoidingNeedsReason, NotFound, InvoiceNotVoidable, PaymentInProgress while the
    member may still be paying it."""
    reason = reason.strip()[:300]
    if not reason:
        raise VoidingNeedsReason
    with transaction.atomic():
        invoice = Invoice.objects.select_for_update(no_key=True).filter(id=invoice_id).first()
        if invoice is None:
            raise NotFound
        if not may_be_voided(invoice):
            raise InvoiceNotVoidable
        is_large = invoice.total_minor > settings.PAYCORE_INVOICE_VOID_SECOND_PERSON_ABOVE_MINOR
        try:
            with transaction.atomic():
                voiding = InvoiceVoiding.objects.create(
                    invoice=invoice, reason=reason, asked_by=by, needs_second_person=is_large
                )
        except IntegrityError as error:
            raise InvoiceNotVoidable from error
    if not is_large:
        return _carry_out(voiding.id, by=by)
    return voiding


def agree_to_void(voiding_id: str, *, by: str) -> InvoiceVoiding:
    """VoidingIsYourOwn, VoidingDecided, InvoiceNotVoidable, PaymentInProgress."""
    voiding = _waiting(voiding_id)
    if voiding.needs_second_person and voiding.asked_by == by:
        raise VoidingIsYourOwn
    return _carry_out(voiding.id, by=by)


def refuse_to_void(voiding_id: str, *, by: str) -> InvoiceVoiding:
    """Whoever asked may take it back so. VoidingDecided."""
    with transaction.atomic():
        voiding = _waiting(voiding_id)
        _decide(voiding, Status.REJECTED, by=by)
    return voiding


def _carry_out(voiding_id: str, *, by: str) -> InvoiceVoiding:
    """The order goes first, at the gateway too; its end is news that ends what waited for it and voids the invoice. One
    that has no open order any more is voided here."""
    voiding = _waiting(voiding_id)
    invoice = voiding.invoice
    if not may_be_voided(invoice):
        raise InvoiceNotVoidable
    if invoice.order_id is not None:
        try:
            cancel_order(invoice.order_id)
        except OrderNotOpen as error:
            if error.extra.get("status") in ("paid", "closed"):
                raise InvoiceNotVoidable from error
    with transaction.atomic():
        if invoice.status == Invoice.Status.UNCOLLECTIBLE:
            mark_void(invoice, now=database_now(subject=invoice.user_id))
        voiding = _waiting(voiding_id)
        _decide(voiding, Status.DONE, by=by)
    return voiding


def _waiting(voiding_id: str) -> InvoiceVoiding:
    rows = InvoiceVoiding.objects.select_related("invoice")
    if transaction.get_connection().in_atomic_block:
        rows = rows.select_for_update(of=("self",), no_key=True)
    voiding = rows.filter(id=voiding_id).first()
    if voiding is None:
        raise NotFound
    if voiding.status != Status.WAITING:
        raise VoidingDecided
    return voiding


def _decide(voiding: InvoiceVoiding, status: InvoiceVoiding.Status, *, by: str) -> None:
    INVOICE_VOIDING.require(voiding.status, status)
    voiding.status, voiding.decided_by, voiding.decided_at = status, by, database_now()
    voiding.save(update_fields=["status", "decided_by", "decided_at"])
