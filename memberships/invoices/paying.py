"""An invoice is paid, or will not be: its row, the books, when its money is earned, and the receipt."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from memberships.invoices.books import CREDIT_ACCOUNT, entries_of_paid
from memberships.invoices.drafting import CREDIT
from memberships.invoices.holding import take_unearned
from memberships.invoices.receipts import send_receipts
from memberships.invoices.schedules import month_of, schedules_of
from memberships.models import Invoice, RevenueRecognition
from memberships.transitions import INVOICE
from merchants.queries import platform_merchant
from paycore.bulk import insert_rows
from paycore.database import call_function
from paycore.fresh import Fresh
from paycore.money import Money
from payments.ledger import chart
from payments.ledger.services import Entry, Leg, post_many

__all__ = ["CREDIT_ACCOUNT", "entries_for_paid", "mark_many_paid", "mark_paid", "mark_uncollectible", "mark_void"]


def mark_paid(invoice: Invoice, *, now: datetime, payment_id: str = "") -> None:
    """Once, however often it is called: see :func:`mark_many_paid`. ``invoice`` shows it afterwards."""
    mark_many_paid([invoice], now_of={invoice.id: now})


def mark_many_paid(invoices: Sequence[Invoice], *, now_of: Mapping[str, datetime]) -> None:
    """Everything that follows of their payment, in the running transaction and a few statements whatever their number:
    paid, in the books, scheduled to be earned, receipts written. ``now_of``: by invoice id, of the user's clock.

    Those that are not open or uncollectible (any more) are passed over. The callers hold their subscriptions' locks;
    their ``credit_minor`` is the callers' as well.
    """
    with transaction.atomic():
        payable = [status for status in INVOICE.states if INVOICE.allows(status, Invoice.Status.PAID)]
        ids = [invoice.id for invoice in invoices]
        waiting = Invoice.objects.select_for_update(no_key=True).filter(id__in=ids, status__in=payable).order_by("id")
        open_ids = set(waiting.values_list("id", flat=True))
        paid = [invoice for invoice in invoices if invoice.id in open_ids]
        _look_again([invoice for invoice in invoices if invoice.id not in open_ids])
        if not paid:
            return
        for invoice in paid:
            invoice.status, invoice.paid_at = Invoice.Status.PAID, now_of[invoice.id]
        _store(paid)
        entries = [entry for invoice in paid for entry in entries_for_paid(invoice)]
        changes = [entry for invoice in paid for entry in _give_unused_back(invoice, now=now_of[invoice.id])]
        insert_rows([row for invoice in paid for row in schedules_of(invoice, now=now_of[invoice.id])])
        post_many([*entries, *changes])
        send_receipts(paid)


def entries_for_paid(invoice: Invoice) -> list[Entry]:
    """What the books say of it once it is paid. Pure but for who sells memberships, which this process knows."""
    return entries_of_paid(invoice, seller_id=seller_id())


def mark_void(invoice: Invoice, *, now: datetime) -> None:
    """Nobody has to pay it any more. Its order is the caller's to cancel, the credit that it used the caller's to give
    back to the subscription. IllegalTransition when it was paid; nothing when it is void already."""
    _end(invoice, Invoice.Status.VOID)


def mark_uncollectible(invoice: Invoice, *, now: datetime) -> None:
    """It was asked for in vain; money that comes after all still pays it. As :func:`mark_void` otherwise."""
    _end(invoice, Invoice.Status.UNCOLLECTIBLE)


def seller_id() -> str:
    """The merchant that sells memberships. NoPlatformMerchant."""
    return _seller.get("")


def _store(paid: Sequence[Invoice]) -> None:
    call_function(
        "memberships_mark_paid",
        [invoice.id for invoice in paid],
        [invoice.paid_at for invoice in paid],
    )


def _look_again(invoices: Sequence[Invoice]) -> None:
    for invoice in invoices:
        invoice.refresh_from_db(fields=["status", "paid_at"])


def _give_unused_back(invoice: Invoice, *, now: datetime) -> list[Entry]:
    """A change of plan sets the unused time off: the old schedules lose it. What they do not have of it (time that was
    given, not paid for) is our loss."""
    credits = [line for line in invoice.lines if line["kind"] == CREDIT and line["net_minor"] < 0]
    if not credits or invoice.subscription_id is None:
        return []
    moments = [datetime.fromisoformat(line["starts_at"]) for line in credits if line["starts_at"]]
    given = Money(-sum(line["net_minor"] for line in credits), invoice.currency)
    missing = take_unearned(invoice.subscription_id, at=min(moments, default=now), amount=given, but=invoice)
    if missing.is_zero:
        return []
    RevenueRecognition.objects.create(
        batch=invoice.id,
        month=month_of(now),
        plan=credits[0]["plan"],
        currency=missing.currency,
        amount_minor=-missing.minor,
    )
    leg = Leg(chart.REVENUE_MEMBERSHIP, chart.MEMBERSHIP_DEFERRED, missing)
    return [Entry("invoice", invoice.id, "given", [leg])]


def _end(invoice: Invoice, status: Invoice.Status) -> None:
    with transaction.atomic():
        row = Invoice.objects.select_for_update(no_key=True).get(id=invoice.id)
        invoice.status = row.status
        if row.status == status:
            return
        INVOICE.require(row.status, status)
        invoice.status = row.status = status
        row.save(update_fields=["status"])


def _read_seller(_key: str) -> str:
    return platform_merchant().id


_seller = Fresh(_read_seller)
