"""Buying a plan, and what a paid or refunded order means for the member."""

from datetime import datetime
from uuid import uuid4

from dateutil.relativedelta import relativedelta
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from memberships.events import MembershipActivated, MembershipRevoked
from memberships.models import Period, Price, Purchase
from merchants.queries import platform_merchant
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.events import publish
from paycore.notifications.addresses import Recipient
from paycore.notifications.services import notify
from payments.orders.models import Order
from payments.orders.services import OrderDraft, OrderLine, create_order


class PriceNotForSale(NotFound):
    code = "price_not_found"
    title = _("There is no such price on sale.")


def buy_membership(user: User, *, price_id: str) -> Order:
    """An open order of the platform's for one month of a plan; it is active once the order is paid."""
    price = Price.objects.select_related("plan").filter(id=price_id, is_active=True, plan__is_active=True).first()
    if price is None:
        raise PriceNotForSale
    description = f"{price.plan.name(user.locale)} · {_('one month')}"
    with transaction.atomic():
        order = create_order(
            OrderDraft(
                merchant_id=platform_merchant().id,
                amount=price.amount,
                description=description,
                merchant_order_number=f"M-{uuid4().hex[:20]}",
                user_id=user.id,
                lines=(OrderLine(description=description, amount_minor=price.amount_minor, reference=price.id),),
            )
        )
        Purchase.objects.create(user=user, price=price, order=order)
    return order


def activate_purchase(order_id: str) -> Period | None:
    """Give what a paid order bought: a month from now, or from the end of the same plan's running time.

    None when the order bought no membership. Safe to run twice: one period per purchase by constraint.
    """
    purchase = _lock_purchase(order_id)
    if purchase is None or Period.objects.filter(purchase=purchase).exists():
        return None
    now, plan = database_now(subject=purchase.user_id), purchase.price.plan
    running = Period.objects.filter(user_id=purchase.user_id, plan=plan, revoked_at=None, ends_at__gt=now)
    last = running.order_by("-ends_at").first()
    starts_at: datetime = last.ends_at if last else now
    period = Period.objects.create(
        user_id=purchase.user_id,
        plan=plan,
        purchase=purchase,
        starts_at=starts_at,
        ends_at=starts_at + relativedelta(months=1),
    )
    publish(MembershipActivated(period.id, period.user_id))
    notify(
        template="membership_activated",
        to=Recipient(user_id=period.user_id),
        context={
            "plan_name": plan.name(purchase.user.locale),
            "ends_at": period.ends_at.isoformat(),
            "order_id": order_id,
        },
        key=f"membership_activated:{period.id}",
    )
    return period


def revoke_purchase(order_id: str) -> Period | None:
    """Take back what a fully refunded order bought."""
    purchase = _lock_purchase(order_id)
    period = Period.objects.filter(purchase=purchase, revoked_at=None).first() if purchase else None
    if period is None:
        return None
    period.revoked_at = database_now(subject=period.user_id)
    period.save(update_fields=["revoked_at"])
    publish(MembershipRevoked(period.id, period.user_id))
    return period


def _lock_purchase(order_id: str) -> Purchase | None:
    """One change of a user's membership at a time: the user's row is the lock."""
    purchase = Purchase.objects.select_related("price__plan", "user").filter(order_id=order_id).first()
    if purchase is not None:
        User.objects.select_for_update(no_key=True).get(id=purchase.user_id)
    return purchase
