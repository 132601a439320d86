"""The clock of payments. Each task looks for due rows, may run twice at once, and may be lost."""

from celery import shared_task

from paycore import bell, clock
from paycore.alerts import raise_alert
from paycore.claims import try_each
from paycore.clock import database_now
from payments.bells import (
    CAPTURES,
    DISPUTES,
    HINTS,
    METHODS,
    PAYMENTS,
    PROMOTION_CODES,
    REFUNDS,
    ROUTING_TRIALS,
)
from payments.ledger.invariants import run_checks
from payments.ledger.sealing import seal_ledger as seal
from payments.methods.reminders import remind_of_expiry
from payments.methods.saving import advance_method, due_methods
from payments.orders.captures import due_captures, send_capture
from payments.orders.disputes.answering import advance_dispute, due_disputes
from payments.orders.disputes.telling import remind_of_disputes as remind
from payments.orders.refunds import due_refunds, send_refund
from payments.orders.services import due_orders, expire_order
from payments.orders.syncing import due_payments, sync_payment
from payments.promotions.managing import MILL
from payments.routing.trials import advance_trial, due_trials
from payments.webhooks.hints import due_hints, reread_hint

BATCH = 20


@shared_task
def sync_pending_payments() -> int:
    bell.heard(PAYMENTS)
    payment_ids = due_payments(limit=BATCH)
    try_each(payment_ids, lambda payment_id: sync_payment(payment_id, now=database_now()))
    return len(payment_ids)


@shared_task
def advance_refunds() -> int:
    bell.heard(REFUNDS)
    refund_ids = due_refunds(limit=BATCH)
    try_each(refund_ids, send_refund)
    return len(refund_ids)


@shared_task
def advance_captures() -> int:
    bell.heard(CAPTURES)
    capture_ids = due_captures(limit=BATCH)
    try_each(capture_ids, send_capture)
    return len(capture_ids)


@shared_task
def advance_methods() -> int:
    bell.heard(METHODS)
    method_ids = due_methods(limit=BATCH)
    try_each(method_ids, advance_method)
    return len(method_ids)


@shared_task
def remind_of_expiring_cards() -> int:
    return remind_of_expiry(today=database_now().date())


@shared_task
def expire_orders() -> int:
    order_ids = due_orders(limit=BATCH)
    try_each(order_ids, expire_order)
    return len(order_ids)


@shared_task
def reread_hints() -> int:
    bell.heard(HINTS)
    receipt_ids = due_hints(limit=BATCH)
    try_each(receipt_ids, reread_hint)
    if len(receipt_ids) == BATCH:
        bell.ring(HINTS)  # there may be more, whose own rings were this one
    return len(receipt_ids)


@shared_task
def advance_disputes() -> int:
    bell.heard(DISPUTES)
    dispute_ids = due_disputes(limit=BATCH)
    try_each(dispute_ids, advance_dispute)
    return len(dispute_ids)


@shared_task
def remind_of_disputes() -> int:
    return remind(now=database_now())


@shared_task
def advance_routing_trials() -> int:
    bell.heard(ROUTING_TRIALS)
    trial_ids = due_trials(limit=5)
    try_each(trial_ids, advance_trial)
    return len(trial_ids)


@shared_task
def make_promotion_codes() -> int:
    bell.heard(PROMOTION_CODES)
    batch_ids = MILL.due(limit=5)
    try_each(batch_ids, MILL.advance)
    return len(batch_ids)


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
