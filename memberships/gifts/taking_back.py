"""A gift whose money went back: its code ends, or what is left of the time that it gave."""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import User
from memberships.entitlements.freshness import touch
from memberships.events import MembershipChanged
from memberships.gifts.granting import grant_rest
from memberships.gifts.presentation import present_grant
from memberships.gifts.services import void_codes
from memberships.models import Gift, Grant, Invoice, Period, Redemption
from memberships.subscriptions.bonus import move_end
from memberships.subscriptions.periods import next_number
from memberships.subscriptions.recording import SYSTEM, Why, lock_subscription
from paycore.clock import database_now
from paycore.events import publish

_MOST_LOOKS = 3


def take_back_gift(invoice: Invoice, *, now: datetime) -> None:
    """Its order was refunded in full, or a dispute over it was lost. Safe to run twice."""
    for _look in range(_MOST_LOOKS):
        with transaction.atomic():
            if _take_back(invoice, now=now):
                return
    raise AssertionError("a gift is redeemed once at most")


def give_gift_back(invoice: Invoice, *, by: str, now: datetime) -> datetime | None:
    """The dispute over it was won after all. A code that nobody had redeemed is made and sent anew; of time that was
    taken back, what would still run is granted. Until when that is; None where nothing runs."""
    redemption = Redemption.objects.filter(code__gift__invoice=invoice).first()
    if redemption is not None:
        User.objects.select_for_update(no_key=True).get(id=redemption.user_id)
    gift = Gift.objects.select_for_update(no_key=True).get(invoice=invoice)
    if gift.status == Gift.Status.VOID:
        gift.status, gift.ended_at, gift.delivered_at = Gift.Status.READY, None, None
        gift.next_attempt_at = database_now()
        gift.save(update_fields=["status", "ended_at", "delivered_at", "next_attempt_at"])
    if gift.status != Gift.Status.REVOKED or redemption is None:
        return None
    given = redemption.given
    rest = given.ends_at - max(now, given.starts_at)
    if rest <= timedelta(0):
        return None
    return grant_rest(redemption.user_id, gift.price.plan_id, length=rest, by=by, now=now).ends_at


def _take_back(invoice: Invoice, *, now: datetime) -> bool:
    """False when it was redeemed between the look and the lock: its redeemer is locked first."""
    redemption = Redemption.objects.filter(code__gift__invoice=invoice).first()
    if redemption is not None:
        User.objects.select_for_update(no_key=True).get(id=redemption.user_id)
    gift = Gift.objects.select_for_update(no_key=True).get(invoice=invoice)
    if gift.status == Gift.Status.REDEEMED:
        if redemption is None:
            return False
        revoke(redemption, now=now)
        _end(gift, Gift.Status.REVOKED, now=now)
    elif gift.status in (Gift.Status.OPEN, Gift.Status.READY):
        void_codes(gift, now=now)
        _end(gift, Gift.Status.VOID, now=now)
    return True


def _end(gift: Gift, status: Gift.Status, *, now: datetime) -> None:
    gift.status, gift.ended_at, gift.next_attempt_at = status, now, None
    gift.save(update_fields=["status", "ended_at", "next_attempt_at"])


def revoke(redemption: Redemption, *, now: datetime) -> None:
    """What is left of it, under the lock of the user's row. What came behind it moves forward: it is not taken away."""
    if redemption.revoked_at is not None:
        return
    redemption.revoked_at = now
    redemption.save(update_fields=["revoked_at"])
    if redemption.grant is not None:
        revoke_grant(redemption.grant, now=now)
    elif redemption.period is not None:
        _revoke_bonus(redemption, redemption.period, now=now)


def revoke_grant(grant: Grant, *, now: datetime) -> None:
    """What is left of it; grants of its plan behind it move forward."""
    left = grant.ends_at - max(now, grant.starts_at)
    grant.revoked_at = now
    grant.save(update_fields=["revoked_at"])
    if left > timedelta(0):
        behind = Grant.objects.filter(
            user_id=grant.user_id, plan_id=grant.plan_id, revoked_at__isnull=True, starts_at__gte=grant.ends_at
        )
        for later in behind.order_by("starts_at"):
            later.starts_at, later.ends_at = later.starts_at - left, later.ends_at - left
            later.save(update_fields=["starts_at", "ends_at"])
    publish(MembershipChanged(grant.id, grant.user_id, "revoked", present_grant(grant)))
    touch([grant.user_id])


def _revoke_bonus(redemption: Redemption, bonus: Period, *, now: datetime) -> None:
    """Time behind it is another bonus, laid anew from where this one ended; a renewal that was paid stays where it is,
    for its money and its receipt name those days."""
    subscription = lock_subscription(bonus.subscription_id)
    bonus.refresh_from_db()
    ends_at = max(now, bonus.starts_at)
    if bonus.status != Period.Status.PAID or bonus.ends_at <= now or not subscription.is_live:
        return
    behind = list(Period.objects.filter(subscription=subscription, number__gt=bonus.number, status="paid"))
    if any(period.kind != Period.Kind.BONUS or period.starts_at <= now for period in behind):
        return
    for period in [bonus, *behind]:
        period.status = Period.Status.REVOKED
        period.save(update_fields=["status"])
    spans = [(bonus, bonus.starts_at, ends_at)] if ends_at > bonus.starts_at else []
    for period in behind:
        begins = spans[-1][2] if spans else ends_at
        spans.append((period, begins, begins + (period.ends_at - period.starts_at)))
    for template, begins, ends in spans:
        subscription.period_number = next_number(subscription)
        _lay(template, begins, ends, number=subscription.period_number)
    moved_to = spans[-1][2] if spans else ends_at
    why = Why("gift_revoked", SYSTEM, now, details={"redemption": redemption.id, "period": bonus.id})
    move_end(subscription, moved_to, why)
    if redemption.anchor_before_at is not None and not spans:
        subscription.anchor_at = redemption.anchor_before_at
        subscription.save(update_fields=["anchor_at"])


def _lay(template: Period, starts_at: datetime, ends_at: datetime, *, number: int) -> None:
    laid = Period.objects.create(
        subscription=template.subscription,
        number=number,
        kind=template.kind,
        status=Period.Status.PAID,
        plan_version=template.plan_version,
        price=template.price,
        quantity=template.quantity,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    Redemption.objects.filter(period=template, revoked_at__isnull=True).update(period=laid)
