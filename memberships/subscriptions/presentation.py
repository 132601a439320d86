"""Subscriptions, and what belongs to them, as the API and ``membership.changed`` show them."""

from typing import Any

from memberships.catalogue.known import newest_version, plan_of
from memberships.invoices.drafting import Draft
from memberships.models import Invoice, Period, Subscription, SubscriptionChange
from memberships.subscriptions.rails import manage_url_of
from payments.orders.presentation import present_order

STAFF = "staff"
_NOBODY_IN_PERSON = ("system", *Subscription.Rail.values)


def present_subscription(subscription: Subscription) -> dict[str, Any]:
    """Amounts in minor units, times ISO 8601 in UTC."""
    plan = plan_of(subscription.plan_id)
    has_begun = subscription.period_number > 0
    return {
        "id": subscription.id,
        "object": "subscription",
        "user": subscription.user_id,
        "status": str(subscription.status),
        "has_access": subscription.has_access,
        "sold_by": str(subscription.rail),
        "manage_url": manage_url_of(subscription) or None,
        "tier": plan.tier.code,
        "plan": plan.code,
        "price": subscription.price_id,
        "quantity": subscription.quantity,
        "currency": subscription.currency or None,
        "country": subscription.country or None,
        "time_zone": subscription.time_zone,
        "period_number": subscription.period_number,
        "period_started_at": _iso(subscription.period_started_at) if has_begun else None,
        "period_ends_at": _iso(subscription.period_ends_at) if has_begun else None,
        "starts_at": _iso(subscription.starts_at),
        "trial_ends_at": _iso(subscription.trial_ends_at),
        "cancel_at_period_end": subscription.cancel_at_period_end,
        "canceled_at": _iso(subscription.canceled_at),
        "ended_at": _iso(subscription.ended_at),
        "end_reason": subscription.end_reason or None,
        "paused_at": _iso(subscription.paused_at),
        "resumes_at": _iso(subscription.resumes_at),
        "next_price": subscription.next_price_id,
        "next_quantity": subscription.next_quantity,
        "collected_by": str(subscription.collection),
        "payment_method": subscription.payment_method_id,
        "credit_minor": subscription.credit_minor,
        "grace_until": _iso(subscription.grace_until),
        "failure_code": subscription.failure_code or None,
        "features": newest_version(plan.id).features if subscription.has_access else {},
        "created_at": _iso(subscription.created_at),
    }


def present_billed(subscription: Subscription, invoice: Invoice | None) -> dict[str, Any]:
    """The subscription with the invoice that was made for it, and the order when money is due."""
    order = invoice.order if invoice is not None and invoice.status == Invoice.Status.OPEN else None
    return present_subscription(subscription) | {
        "invoice": present_bill(invoice) if invoice is not None else None,
        "order": present_order(order) if order is not None else None,
    }


def present_bill(invoice: Invoice) -> dict[str, Any]:
    return {
        "id": invoice.id,
        "object": "invoice",
        "number": invoice.number,
        "status": str(invoice.status),
        "kind": str(invoice.kind),
        "currency": invoice.currency,
        "subtotal_minor": invoice.subtotal_minor,
        "discount_minor": invoice.discount_minor,
        "tax_minor": invoice.tax_minor,
        "total_minor": invoice.total_minor,
        "credit_minor": invoice.credit_minor,
        "due_minor": invoice.due_minor,
        "lines": [_line(row) for row in invoice.lines],
        "order": invoice.order_id,
    }


def present_draft(draft: Draft) -> dict[str, Any]:
    """What an invoice would say. ``new_credit_minor`` is what the member is owed afterwards."""
    return {
        "currency": draft.currency,
        "lines": [_line(row) for row in draft.lines],
        "subtotal_minor": draft.subtotal_minor,
        "discount_minor": draft.discount_minor,
        "tax_minor": draft.tax_minor,
        "total_minor": draft.total_minor,
        "credit_minor": draft.credit_minor,
        "due_minor": draft.due_minor,
        "new_credit_minor": draft.new_credit_minor,
    }


def present_period(period: Period) -> dict[str, Any]:
    plan = period.plan_version.plan
    return {
        "id": period.id,
        "object": "membership_period",
        "number": period.number,
        "kind": str(period.kind),
        "status": str(period.status),
        "plan": plan.code,
        "price": period.price_id,
        "quantity": period.quantity,
        "starts_at": _iso(period.starts_at),
        "ends_at": _iso(period.ends_at),
        "invoice": period.invoice_id,
    }


def present_change(change: SubscriptionChange) -> dict[str, Any]:
    """To the member: who of the staff it was, and what they noted about it, stays in the house."""
    is_by_staff = _is_by_staff(change)
    return {
        "object": "subscription_change",
        "kind": change.kind,
        "status": change.status,
        "by": STAFF if is_by_staff else change.by,
        "reason": "" if is_by_staff else change.reason,
        "details": change.details,
        "happened_at": _iso(change.happened_at),
    }


def _is_by_staff(change: SubscriptionChange) -> bool:
    """People with a seat act on it as well."""
    is_known = change.by in (*_NOBODY_IN_PERSON, change.subscription.user_id)
    return not is_known and not change.kind.startswith("seat_")


def _line(row: dict[str, Any]) -> dict[str, Any]:
    names = ("kind", "description", "quantity", "amount_minor", "starts_at", "ends_at")
    return {name: row[name] for name in names}


def _iso(moment: Any) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
