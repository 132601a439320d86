"""What payments' news means for memberships: an order is paid, ended unpaid, or its money went back.

Each may come twice, late and in any order. Money that can give nothing any more is never kept.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from memberships.gifts.services import forget_unpaid, issue_gift
from memberships.gifts.taking_back import take_back_gift
from memberships.invoices.paying import mark_paid
from memberships.models import Invoice, Subscription
from memberships.subscriptions.change_codes import free_code
from memberships.subscriptions.changing import apply_paid_change
from memberships.subscriptions.clearing import void_unpaid
from memberships.subscriptions.collection import remember_method_of
from memberships.subscriptions.ending import end_subscription
from memberships.subscriptions.recording import SYSTEM, Why, lock_subscription, save_change
from memberships.subscriptions.refunding import give_back
from memberships.subscriptions.revoking import revoke_paid_time
from memberships.subscriptions.settling_rows import settle_period
from memberships.subscriptions.starting import START, lapse
from paycore.clock import database_now
from payments.orders.models import Order, Payment
from payments.orders.saved_methods import method_of
from payments.promotions.services import release, use

TOO_LATE = "paid too late for what it was for"


@dataclass(frozen=True, slots=True)
class _Paid:
    invoice: Invoice
    payment: Payment | None
    now: datetime


def settle_order(order_id: str, *, payment_id: str) -> None:
    """Give what a paid order was for. Nothing for an order of something else."""
    invoice = Invoice.objects.filter(order_id=order_id).first()
    if invoice is None:
        return
    payment = Payment.objects.select_related("payment_method", "order").filter(id=payment_id).first()
    paid = _Paid(invoice, payment, database_now(subject=invoice.user_id))
    with transaction.atomic():
        order = Order.objects.select_for_update(no_key=True).get(id=order_id)
        if invoice.kind == Invoice.Kind.GIFT:
            mark_paid(invoice, now=paid.now, payment_id=payment_id)
            if order.status != Order.Status.CLOSED:  # else its refund was told of before
                issue_gift(invoice, now=paid.now)
        else:
            _settle(paid)
            if order.status == Order.Status.CLOSED:  # the news that all of it went back may have come before this
                take_back(order_id, end_reason="refunded")


def end_order(order_id: str) -> None:
    """An order ended unpaid. Renewals' are ended by dunning."""
    invoice = Invoice.objects.filter(order_id=order_id).first()
    if invoice is None:
        return
    now = database_now(subject=invoice.user_id)
    with transaction.atomic():
        if invoice.kind == Invoice.Kind.START:
            lapse(invoice, now=now)
        elif invoice.kind == Invoice.Kind.CHANGE:
            _drop_change(invoice, now=now)
        elif invoice.kind == Invoice.Kind.GIFT:
            forget_unpaid(invoice, now=now)


def is_all_gone(order_id: str) -> bool:
    """Whether refunds and disputes together took all that the order had brought."""
    paid = Payment.objects.filter(order_id=order_id, status=Payment.Status.SUCCEEDED, is_surplus=False)
    rows = list(paid.values_list("captured_minor", "refunded_minor", "disputed_minor"))
    captured, refunded, disputed = (sum(column) for column in zip(*rows, strict=True)) if rows else (0, 0, 0)
    return 0 < captured <= refunded + disputed


def take_back(order_id: str, *, end_reason: str) -> None:
    """All the money of an order went back: what it gave is over. ``end_reason`` is refunded or disputed."""
    invoice = Invoice.objects.filter(order_id=order_id).first()
    if invoice is None:
        return
    now = database_now(subject=invoice.user_id)
    with transaction.atomic():
        if invoice.kind == Invoice.Kind.GIFT:
            take_back_gift(invoice, now=now)
            return
        revoke_paid_time(invoice, Why(end_reason, SYSTEM, now, details={"invoice": invoice.id}), end_reason=end_reason)
        is_over = Subscription.objects.filter(id=invoice.subscription_id, status=Subscription.Status.ENDED).exists()
        if invoice.kind == Invoice.Kind.START and is_over:
            release(str(invoice.subscription_id))
        elif is_over:
            free_code(invoice)


def _settle(paid: _Paid) -> None:
    invoice, now = paid.invoice, paid.now
    gives = apply_paid_change if invoice.kind == Invoice.Kind.CHANGE else settle_period
    subscription = lock_subscription(str(invoice.subscription_id))
    if not gives(invoice, now=now):
        _refuse(invoice, subscription, now=now)
        return
    mark_paid(invoice, now=now, payment_id=paid.payment.id if paid.payment else "")
    if invoice.kind in START:
        use(subscription.id)
    _remember_method(subscription.id, paid)


def _refuse(invoice: Invoice, subscription: Subscription, *, now: datetime) -> None:
    void_unpaid(subscription, invoice, now=now)
    if subscription.status == Subscription.Status.INCOMPLETE:  # something else of the member's is live by now
        end_subscription(subscription, Why("replaced", SYSTEM, now), end_reason="replaced")
    give_back(invoice, reason=TOO_LATE)


def _drop_change(invoice: Invoice, *, now: datetime) -> None:
    void_unpaid(lock_subscription(str(invoice.subscription_id)), invoice, now=now)


def _remember_method(subscription_id: str, paid: _Paid) -> None:
    """What it was paid with pays the next period too, when the member agreed to that."""
    if paid.payment is None:
        return
    subscription = lock_subscription(subscription_id)
    fields = remember_method_of(subscription, method_of(paid.payment))
    if fields and subscription.status != Subscription.Status.ENDED:
        why = Why("collection_changed", SYSTEM, paid.now, details={"payment": paid.payment.id})
        save_change(subscription, why, was=subscription.status, fields=fields)
