"""How the next period is paid: a saved method that may be charged unasked, the wallet, or a link that is sent."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from memberships.models import Subscription
from memberships.subscriptions.errors import SubscriptionEnded
from memberships.subscriptions.guarding import require_ours
from memberships.subscriptions.recording import Why, lock_subscription, save_change
from merchants.queries import platform_merchant
from paycore.money import Money
from payments.methods.errors import MandateRequired, PaymentMethodNotReady
from payments.methods.models import PaymentMethod
from payments.methods.queries import active_mandate, get_method
from payments.methods.services import require_mandate


@dataclass(frozen=True, slots=True)
class Collecting:
    """``collected_by`` is method, wallet or link; ``method_id`` a saved method of the member's."""

    collected_by: str = Subscription.Collection.LINK
    method_id: str = ""


def method_for(
    collecting: Collecting, *, user_id: str, amount: Money, first_charge_at: datetime
) -> PaymentMethod | None:
    """The saved method that ``collecting`` names, once the platform may take ``amount`` from it at
    ``first_charge_at``. NotFound, PaymentMethodNotReady, MandateRequired."""
    if not collecting.method_id:
        return None
    method = get_method(collecting.method_id, user_id=user_id)
    if method.status != PaymentMethod.Status.ACTIVE:
        raise PaymentMethodNotReady
    require_mandate(method, merchant_id=platform_merchant().id, amount=amount, now=first_charge_at)
    return method


def set_collection(
    subscription_id: str, collecting: Collecting, *, user_id: str, amount: Money, by: str, now: datetime
) -> Subscription:
    """``amount`` is what the next period is expected to cost. An overdue period is tried again at once by whoever hears
    of it (``collection_changed``)."""
    with transaction.atomic():
        subscription = lock_subscription(subscription_id, user_id=user_id)
        require_ours(subscription)
        if subscription.status == Subscription.Status.ENDED:
            raise SubscriptionEnded
        due = subscription.period_ends_at or subscription.starts_at
        if collecting.collected_by == Subscription.Collection.METHOD and not collecting.method_id:
            raise MandateRequired
        method = method_for(collecting, user_id=user_id, amount=amount, first_charge_at=max(due or now, now))
        subscription.collection, subscription.payment_method = collecting.collected_by, method
        why = Why("collection_changed", by, now, details={"collected_by": collecting.collected_by})
        save_change(subscription, why, was=subscription.status, fields=("collection", "payment_method"))
    return subscription


def remember_method_of(subscription: Subscription, method: PaymentMethod | None) -> tuple[str, ...]:
    """After a payment: what it was paid with collects from now on, when the platform may charge it unasked. Set on the
    row in memory; the names of the fields that changed."""
    if method is None or method.status != PaymentMethod.Status.ACTIVE or method.user_id != subscription.user_id:
        return ()
    if active_mandate(method, merchant_id=platform_merchant().id) is None:
        return ()
    if subscription.payment_method_id == method.id and subscription.collection == Subscription.Collection.METHOD:
        return ()
    subscription.collection, subscription.payment_method = Subscription.Collection.METHOD, method
    return ("collection", "payment_method")
