"""What a paid invoice gives: the first period of a new subscription, or the next one of a running one."""

from datetime import datetime

from memberships.catalogue.known import newest_version, price_of, version_of
from memberships.models import Invoice, Period, Subscription
from memberships.subscriptions.due import next_due
from memberships.subscriptions.pricing import end_of_period
from memberships.subscriptions.recording import SYSTEM, Why, lock_subscription, save_change
from memberships.transitions import LIVE

MOVED_FIELDS = (
    "status", "plan", "price", "quantity", "next_price", "next_quantity", "period_number", "period_started_at",
    "period_ends_at", "past_due_since", "grace_until", "retries", "failure_code", "due_at",
)  # fmt: skip
OVERDUE = ("past_due", "suspended")


def move_on(subscription: Subscription, period: Period, *, now: datetime) -> tuple[str, ...]:
    """What a paid period means for its subscription, set on the row in memory; the names of the fields that may have
    changed. Nothing is saved. ``notice_at`` is left alone."""
    if subscription.next_price_id == period.price_id:
        subscription.next_price = None
    if subscription.next_quantity == period.quantity:
        subscription.next_quantity = None
    subscription.status = Subscription.Status.ACTIVE
    subscription.plan_id = version_of(period.plan_version_id).plan_id
    subscription.price_id = period.price_id
    subscription.quantity = period.quantity
    subscription.period_number = period.number
    subscription.period_started_at, subscription.period_ends_at = period.starts_at, period.ends_at
    subscription.past_due_since = subscription.grace_until = None
    subscription.retries, subscription.failure_code = 0, ""
    subscription.due_at = next_due(subscription)
    return MOVED_FIELDS


def settle_period(invoice: Invoice, *, now: datetime) -> bool:
    """Give what a paid ``start`` or ``renewal`` invoice was for, once; ``now`` by the user's clock.

    False when it can give nothing any more because the subscription ended meanwhile: the money must go back.
    """
    subscription = lock_subscription(str(invoice.subscription_id))
    period = Period.objects.filter(invoice=invoice).first()
    if period is not None and period.status == Period.Status.PAID:
        return True
    if subscription.status == Subscription.Status.ENDED:
        return False
    if period is None:
        return invoice.kind == Invoice.Kind.START and _begin(subscription, invoice, now=now)
    return period.status == Period.Status.OPEN and _renew(subscription, period, now=now)


def _begin(subscription: Subscription, invoice: Invoice, *, now: datetime) -> bool:
    if subscription.status != Subscription.Status.INCOMPLETE or _has_other_live(subscription):
        return False
    open_first_period(subscription, invoice, now=now)
    was, subscription.notice_at = subscription.status, now
    subscription.status, subscription.due_at = Subscription.Status.ACTIVE, subscription.period_ends_at
    why = Why("started", SYSTEM, now, details={"invoice": invoice.id})
    save_change(subscription, why, was=was, fields=(*MOVED_FIELDS, "anchor_at", "starts_at", "notice_at"))
    return True


def _has_other_live(subscription: Subscription) -> bool:
    """A store may have sold one while this waited for its money: the database allows one a user."""
    others = Subscription.objects.filter(user_id=subscription.user_id, status__in=LIVE)
    return others.exclude(id=subscription.id).exists()


def open_first_period(subscription: Subscription, invoice: Invoice | None, *, now: datetime) -> Period:
    """A whole paid interval from ``now``, which becomes the anchor; the subscription's row is set, not saved."""
    price = price_of(str(subscription.price_id))
    ends_at = end_of_period(price, starts_at=now, anchor_at=now, zone=subscription.time_zone)
    subscription.anchor_at = now
    subscription.starts_at = subscription.starts_at or now
    period = Period.objects.create(
        subscription=subscription,
        number=subscription.period_number + 1,
        kind=Period.Kind.PAID,
        status=Period.Status.PAID,
        plan_version=newest_version(subscription.plan_id),
        price_id=subscription.price_id,
        quantity=subscription.quantity,
        starts_at=now,
        ends_at=ends_at,
        invoice=invoice,
    )
    subscription.period_number = period.number
    subscription.period_started_at, subscription.period_ends_at = period.starts_at, period.ends_at
    return period


def _renew(subscription: Subscription, period: Period, *, now: datetime) -> bool:
    was = subscription.status
    fields: tuple[str, ...] = ()
    if period.ends_at <= now:
        period = _start_anew(subscription, period, now=now)
        fields = ("anchor_at",)
    else:
        period.status = Period.Status.PAID
        period.save(update_fields=["status"])
    subscription.notice_at = now
    why = Why(
        "recovered" if was in OVERDUE else "renewed",
        SYSTEM,
        now,
        details={"period": period.id, "number": period.number, "invoice": period.invoice_id},
    )
    fields += (*move_on(subscription, period, now=now), "notice_at")
    save_change(subscription, why, was=was, fields=fields)
    return True


def _start_anew(subscription: Subscription, missed: Period, *, now: datetime) -> Period:
    """Money that came after the whole period it was for: the member gets as much time from now on."""
    invoice, missed.invoice = missed.invoice, None
    missed.status = Period.Status.VOID
    missed.save(update_fields=["status", "invoice"])
    price = price_of(str(missed.price_id))
    subscription.anchor_at = now
    return Period.objects.create(
        subscription=subscription,
        number=missed.number + 1,
        kind=missed.kind,
        status=Period.Status.PAID,
        plan_version_id=missed.plan_version_id,
        price_id=missed.price_id,
        quantity=missed.quantity,
        starts_at=now,
        ends_at=end_of_period(price, starts_at=now, anchor_at=now, zone=subscription.time_zone),
        invoice=invoice,
    )
