"""What memberships keep about a person (accounts/personal_data/sections.py)."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.personal_data.sections import Collected, Section, register_section
from memberships.entitlements.presentation import usage_for_export
from memberships.gifts.queries import gifts_for_export, redemptions_for_export
from memberships.gifts.services import forget_gifts
from memberships.invoices.presentation import present_credit_note, present_invoice
from memberships.invoices.queries import credit_notes_of, invoices_of
from memberships.models import Grant, Period, PromisedRefund, Subscription, SubscriptionChange
from memberships.price_changes.queries import moves_for_export
from memberships.seats.queries import seats_for_export
from memberships.seats.services import forget_seats
from memberships.stores.presentation import store_purchases_for_export
from memberships.subscriptions.cancelling import cancel_now
from memberships.subscriptions.recording import SYSTEM, Why
from memberships.transitions import LIVE
from paycore.clock import database_now

ACTIVE_MEMBERSHIP = "active_membership"


def collect_memberships(user_id: str) -> Collected:
    subscriptions = Subscription.objects.filter(user_id=user_id).select_related("plan").order_by("id")
    periods = Period.objects.filter(subscription__user_id=user_id).order_by("subscription_id", "number")
    changes = SubscriptionChange.objects.filter(subscription__user_id=user_id).order_by("id")
    promises = PromisedRefund.objects.filter(user_id=user_id).order_by("id")
    grants = Grant.objects.filter(user_id=user_id).select_related("plan").order_by("starts_at", "id")
    return Collected(
        {
            "subscriptions": [_subscription(row) for row in subscriptions],
            "periods": [_period(row) for row in periods],
            "changes": [_change(row) for row in changes],
            "promised_refunds": [_promise(row) for row in promises],
            "grants": [_grant(row) for row in grants],
            "invoices": [present_invoice(row) for row in invoices_of(user_id).order_by("id")],
            "credit_notes": [present_credit_note(row) for row in credit_notes_of(user_id).order_by("id")],
            "price_changes": moves_for_export(user_id),
            "seats": seats_for_export(user_id),
            "gifts": gifts_for_export(user_id),
            "redemptions": redemptions_for_export(user_id),
            "usage": usage_for_export(user_id),
            "store_purchases": store_purchases_for_export(user_id),
        }
    )


def what_is_lost(user_id: str) -> Sequence[str]:
    """The rest of a paid period is given up with the account."""
    now = database_now(subject=user_id)
    given = Grant.objects.filter(user_id=user_id, revoked_at=None, ends_at__gt=now)
    live = Subscription.objects.filter(user_id=user_id, status__in=LIVE)
    return (ACTIVE_MEMBERSHIP,) if live.exists() or given.exists() else ()


def end_and_forget(user_id: str) -> None:
    """Nothing is charged any more; what a store sells is ended at the store. What the person wrote about a change is
    emptied, what staff wrote is the company's. PaymentInProgress while the money of an open invoice may still come."""
    user = User.objects.get(id=user_id)
    now = database_now(subject=user_id)
    ours = Subscription.objects.filter(user=user, rail=Subscription.Rail.WEB).exclude(status="ended")
    for subscription_id in ours.values_list("id", flat=True):
        cancel_now(subscription_id, user_id=user_id, why=Why("erased", SYSTEM, now), policy="none")
    written = SubscriptionChange.objects.filter(subscription__user=user, by=user_id)
    written.exclude(reason="").update(reason="")
    forget_seats(user, now=now)
    forget_gifts(user)


def _subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        "id": subscription.id,
        "plan": subscription.plan.code,
        "sold_by": subscription.rail,
        "status": subscription.status,
        "quantity": subscription.quantity,
        "country": subscription.country,
        "time_zone": subscription.time_zone,
        "period_started_at": subscription.period_started_at,
        "period_ends_at": subscription.period_ends_at,
        "ended_at": subscription.ended_at,
        "end_reason": subscription.end_reason,
        "credit_minor": subscription.credit_minor,
        "currency": subscription.currency,
        "created_at": subscription.created_at,
    }


def _period(period: Period) -> dict[str, Any]:
    return {
        "subscription": period.subscription_id,
        "number": period.number,
        "kind": period.kind,
        "status": period.status,
        "starts_at": period.starts_at,
        "ends_at": period.ends_at,
    }


def _change(change: SubscriptionChange) -> dict[str, Any]:
    return {
        "subscription": change.subscription_id,
        "what": change.kind,
        "why": change.reason,
        "happened_at": change.happened_at,
    }


def _promise(promised: PromisedRefund) -> dict[str, Any]:
    return {
        "refund": promised.refund_id,
        "subscription": promised.subscription_id,
        "status": promised.status,
        "currency": promised.currency,
        "amount_minor": promised.amount_minor,
        "created_at": promised.created_at,
    }


def _grant(grant: Grant) -> dict[str, Any]:
    return {
        "plan": grant.plan.code,
        "source": grant.source,
        "starts_at": grant.starts_at,
        "ends_at": grant.ends_at,
        "revoked_at": grant.revoked_at,
    }


register_section(
    Section(
        name="memberships",
        collect=collect_memberships,
        erase=end_and_forget,
        warnings=what_is_lost,
        keeps=_("What you were a member of and when, without your name or address: it belongs to the orders above."),
    )
)
