"""What paid renewals give, for hundreds at once: what :func:`settle_period` does for one, which also takes over where
a row is not as it usually is."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from memberships.invoices.paying import mark_many_paid, mark_paid
from memberships.models import Invoice, Period, Subscription
from memberships.renewals.bulk import note_changes
from memberships.subscriptions.recording import SYSTEM, Why
from memberships.subscriptions.settling_rows import MOVED_FIELDS, OVERDUE, move_on, settle_period
from paycore.bulk import update_rows

USUAL = ("trialing", "active", *OVERDUE)


def settle_many(invoice_ids: Sequence[str], *, nows: Mapping[str, datetime]) -> list[str]:
    """Renewals whose orders are paid, or that ask for nothing; ``nows`` by subscription. The subscriptions that moved
    on. Safe to repeat, and together with the news of the same payments."""
    if not invoice_ids:
        return []
    with transaction.atomic():
        rows = _locked(invoice_ids)
        usual = [row for row in rows if _is_usual(row, now=nows[row.subscription_id])]
        _move_on(usual, nows=nows)
    others = {row.invoice_id for row in rows} - {row.invoice_id for row in usual}
    for invoice in Invoice.objects.filter(id__in=others).order_by("id"):
        _settle_alone(invoice, nows=nows)
    return [row.subscription_id for row in rows]


def _locked(invoice_ids: Sequence[str]) -> list[Period]:
    """Open periods of these invoices, their subscriptions locked in the order of ids and read after that."""
    waiting = Period.objects.filter(invoice_id__in=invoice_ids, status=Period.Status.OPEN)
    ids = list(waiting.order_by("subscription_id").values_list("subscription_id", flat=True))
    locked = Subscription.objects.select_for_update(no_key=True).filter(id__in=ids).order_by("id")
    subscriptions = {row.id: row for row in locked}
    rows = list(waiting.filter(subscription_id__in=ids).select_related("invoice").order_by("subscription_id"))
    for row in rows:
        row.subscription = subscriptions[row.subscription_id]
    return rows


def _is_usual(period: Period, *, now: datetime) -> bool:
    return period.subscription.status in USUAL and period.ends_at > now


def _move_on(periods: Sequence[Period], *, nows: Mapping[str, datetime]) -> None:
    if not periods:
        return
    changed = []
    invoices = []
    for period in periods:
        subscription, invoice, now = period.subscription, period.invoice, nows[period.subscription_id]
        if invoice is None:
            raise ValueError("a period that waits for money has an invoice")
        was = subscription.status
        details = {"period": period.id, "number": period.number, "invoice": invoice.id}
        move_on(subscription, period, now=now)
        subscription.notice_at = now
        changed.append((subscription, Why("recovered" if was in OVERDUE else "renewed", SYSTEM, now, details=details)))
        invoices.append(invoice)
    now_of = {invoice.id: nows[period.subscription_id] for invoice, period in zip(invoices, periods, strict=True)}
    mark_many_paid(invoices, now_of=now_of)
    Period.objects.filter(id__in=[period.id for period in periods]).update(status=Period.Status.PAID)
    update_rows([row for row, _why in changed], fields=[*MOVED_FIELDS, "notice_at"])
    note_changes(changed)


def _settle_alone(invoice: Invoice, *, nows: Mapping[str, datetime]) -> None:
    """Paid very late, or for what ended meanwhile: then it is not marked, and its money is surplus elsewhere."""
    now = nows[str(invoice.subscription_id)]
    with transaction.atomic():
        if settle_period(invoice, now=now):
            mark_paid(invoice, now=now)
