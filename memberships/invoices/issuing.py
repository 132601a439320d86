"""Making an invoice of a draft, with the order that asks for what is due."""

from datetime import UTC, datetime

from django.db import transaction

from memberships.invoices.drafting import CREDIT, DISCOUNT, Draft
from memberships.invoices.numbering import INVOICE, take_numbers
from memberships.invoices.paying import mark_paid, seller_id
from memberships.invoices.receipts import title_of
from memberships.models import Invoice, Subscription
from paycore.bulk import new_row
from paycore.identifiers import new_id
from payments.orders.services import OrderDraft, OrderLine, create_order

__all__ = ["INVOICE", "invoice_row", "issue_invoice", "order_draft", "take_numbers"]


def issue_invoice(
    draft: Draft,
    *,
    kind: str,
    user_id: str,
    subscription: Subscription | None,
    country: str,
    language: str,
    now: datetime,
    lifetime_seconds: int | None = None,
    order_id: str = "",
) -> Invoice:
    """Number and store it, with an open order of the same number for what is due; with nothing due it is paid at once.

    The subscription's ``credit_minor`` is the caller's: lower it by ``invoice.credit_minor`` in the same transaction,
    and give it back when the invoice is voided. Raises NoPlatformMerchant.
    """
    with transaction.atomic():
        subscription_id = subscription.id if subscription else None
        number = take_numbers(INVOICE, year=now.astimezone(UTC).year, count=1)[0]
        invoice = invoice_row(
            draft,
            number=number,
            kind=kind,
            user_id=user_id,
            subscription_id=subscription_id,
            country=country,
            language=language,
            now=now,
        )
        if invoice.due_minor:
            order = create_order(order_draft(invoice, order_id=order_id, lifetime_seconds=lifetime_seconds))
            invoice.order = order
        invoice.save(force_insert=True)
        if not invoice.due_minor:
            mark_paid(invoice, now=now)
    return invoice


def invoice_row(
    draft: Draft,
    *,
    number: str,
    kind: str,
    user_id: str,
    subscription_id: str | None,
    country: str,
    language: str,
    now: datetime,
    order_id: str | None = None,
    invoice_id: str = "",
) -> Invoice:
    """An open invoice not yet stored: for batches, which store all and their orders (:func:`order_draft`) at once."""
    return new_row(
        Invoice,
        id=invoice_id or new_id("inv"),
        number=number,
        user_id=user_id,
        subscription_id=subscription_id,
        kind=kind,
        currency=draft.currency,
        subtotal_minor=draft.subtotal_minor,
        discount_minor=draft.discount_minor,
        tax_minor=draft.tax_minor,
        total_minor=draft.total_minor,
        credit_minor=draft.credit_minor,
        due_minor=draft.due_minor,
        lines=list(draft.lines),
        taxes=list(draft.taxes),
        country=country,
        language=language,
        order_id=order_id,
        issued_at=now,
    )


def order_draft(invoice: Invoice, *, order_id: str = "", lifetime_seconds: int | None = None) -> OrderDraft:
    """The order that asks for what is due of it, under its number."""
    has_credit = invoice.credit_minor or any(line["kind"] == CREDIT for line in invoice.lines)
    # An order knows no negative lines: where something is set off, it asks for the difference in one.
    lines = (OrderLine(title_of(invoice), invoice.due_minor),) if has_credit else _order_lines(invoice)
    return OrderDraft(
        merchant_id=seller_id(),
        amount=invoice.due,
        description=title_of(invoice),
        merchant_order_number=invoice.number,
        user_id=invoice.user_id,
        lines=lines,
        discount_minor=0 if has_credit else invoice.discount_minor,
        lifetime_seconds=lifetime_seconds,
        order_id=order_id,
    )


def _order_lines(invoice: Invoice) -> tuple[OrderLine, ...]:
    """With tax and before discounts, so that they add up to the total and the discount together."""
    return tuple(
        OrderLine(
            description=line["description"][:200],
            amount_minor=line["net_minor"] + line["tax_minor"] + line["discount_minor"],
            quantity=line["quantity"],
            reference=line["price"],
        )
        for line in invoice.lines
        if line["kind"] != DISCOUNT and line["amount_minor"]
    )
