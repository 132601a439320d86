"""The clock of payments. Each task looks for due rows, may run twice at once, and may be lost."""

from collections.abc import Callable

from celery import shared_task

from paycore import bell, clock
from paycore.alerts import raise_alert
from paycore.clock import database_now
from payments.bells import CAPTURES, PAYMENTS, REFUNDS
from payments.ledger.invariants import run_checks
from payments.ledger.sealing import seal_ledger as seal
from payments.orders.captures import due_captures, send_capture
from payments.orders.refunds import due_refunds, send_refund
from payments.orders.services import due_orders, expire_order
from payments.orders.syncing import due_payments, sync_payment

BATCH = 20


def _try_each(ids: list[str], act: Callable[[str], object]) -> None:
    """One that breaks us must not keep the rest waiting: leased together, they would meet behind it every time. What
    was raised is raised again, after the last."""
    broken: list[Exception] = []
    for object_id in ids:
        try:
            act(object_id)
        except Exception as error:
            error.add_note(object_id)
            broken.append(error)
    if broken:
        raise ExceptionGroup("some could not be brought further", broken)


@shared_task
def sync_pending_payments() -> int:
    bell.heard(PAYMENTS)
    payment_ids = due_payments(limit=BATCH)
    _try_each(payment_ids, lambda payment_id: sync_payment(payment_id, now=database_now()))
    return len(payment_ids)


@shared_task
def advance_refunds() -> int:
    bell.heard(REFUNDS)
    refund_ids = due_refunds(limit=BATCH)
    _try_each(refund_ids, send_refund)
    return len(refund_ids)


@shared_task
def advance_captures() -> int:
    bell.heard(CAPTURES)
    capture_ids = due_captures(limit=BATCH)
    _try_each(capture_ids, send_capture)
    return len(capture_ids)


@shared_task
def expire_orders() -> int:
    order_ids = due_orders(limit=BATCH)
    _try_each(order_ids, expire_order)
    return len(order_ids)


@shared_task
def check_books() -> int:
    findings = run_checks()
    for finding in findings:
        what = f"invariant {finding.code} broken"
        raise_alert(what=what, object_id=f"{finding.count}: {', '.join(finding.examples)}"[:120], now=clock.now())
    return len(findings)


@shared_task
def seal_ledger() -> None:
    seal()
