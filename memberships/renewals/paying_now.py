"""The member acts: a link to pay what is overdue, and another way to pay that is tried at once."""

from django.db import transaction

from memberships.bells import OVERDUE, RENEWALS
from memberships.models import Dunning, Invoice, Period, Subscription
from memberships.subscriptions.collection import remember_method_of
from memberships.subscriptions.recording import Why, lock_subscription, save_change
from paycore import bell
from paycore.clock import database_now
from payments.checkout.models import CheckoutSession
from payments.checkout.services import SessionDraft, create_session, session_url
from payments.methods.models import PaymentMethod
from payments.orders.models import Order

MADE_BY = "memberships"
_OVERDUE = (Subscription.Status.PAST_DUE, Subscription.Status.SUSPENDED)


def pay_now_url(invoice: Invoice) -> str:
    """The hosted page of its order, the same address every time; empty when there is nothing to pay (any more)."""
    order = invoice.order
    if order is None or order.status != Order.Status.OPEN:
        return ""
    made = CheckoutSession.objects.filter(order=order, created_by=MADE_BY).order_by("id").first()
    return session_url(made or create_session(order, SessionDraft(created_by=MADE_BY, country=invoice.country)))


def retry_at_once(subscription_id: str) -> bool:
    """The member changed how it is collected: an overdue period is tried now, by the new way. Whether one is.

    Nothing else moves: the attempt has the number that is next, so a retry that is under way is waited for.
    """
    with transaction.atomic():
        subscription = lock_subscription(subscription_id)
        waits = Period.objects.filter(subscription=subscription, status=Period.Status.OPEN).exists()
        if not waits or subscription.status == Subscription.Status.ENDED:
            return False
        now = database_now(subject=subscription.user_id)
        overdue = Dunning.objects.filter(subscription=subscription, status=Dunning.Status.OPEN)
        overdue.update(is_hopeless=False, next_retry_at=now)
        subscription.due_at = now
        subscription.save(update_fields=["due_at"])
        bell.ring_on_commit(OVERDUE if subscription.status in _OVERDUE else RENEWALS)
    return True


def adopt_method(method_id: str) -> bool:
    """The owner of a newly saved method, which may be charged unasked, has an overdue membership: it is collected by
    this method from now on (and ``collection_changed`` tries it at once). Whether it is."""
    with transaction.atomic():
        method = PaymentMethod.objects.filter(id=method_id, status=PaymentMethod.Status.ACTIVE).first()
        if method is None:
            return False
        overdue = Subscription.objects.filter(user_id=method.user_id, rail=Subscription.Rail.WEB, status__in=_OVERDUE)
        found = overdue.values_list("id", flat=True).first()
        if found is None:
            return False
        subscription = lock_subscription(found)
        fields = remember_method_of(subscription, method)
        if not fields or subscription.status not in _OVERDUE:
            return False
        now = database_now(subject=subscription.user_id)
        why = Why("collection_changed", method.user_id, now, details={"payment_method": method.id})
        save_change(subscription, why, was=subscription.status, fields=fields)
    return True
