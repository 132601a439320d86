"""What a dispute's end means for members: lost, what the money gave is over; won after it was lost, it counts again.

The news may come twice, late and in any order: what is done follows the dispute as it stands, under its order's lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction

from accounts.models import User
from memberships.gifts.granting import grant_rest
from memberships.gifts.taking_back import give_gift_back, revoke_grant
from memberships.invoices.crediting import issue_credit_note, void_credit_note
from memberships.models import CreditNote, Grant, Invoice, Period, Subscription
from memberships.settling import is_all_gone, take_back
from memberships.subscriptions.recording import SYSTEM, Why, lock_subscription, note_change
from paycore.clock import database_now
from paycore.money import Money
from payments.orders.disputes.models import Dispute
from payments.orders.models import Order

DISPUTED = "disputed"


def lose(dispute_id: str) -> None:
    """With all the money of an order gone, what it gave is over, also what an earlier win had given back. A dispute of
    a part ends nothing, nor does one of a second payment that was never the order's."""
    with _locked(dispute_id) as dispute:
        if not _is_lost(dispute) or not is_all_gone(dispute.payment.order_id):
            return
        take_back(dispute.payment.order_id, end_reason=DISPUTED)
        for grant in Grant.objects.filter(granted_by=dispute.id, revoked_at=None):
            User.objects.select_for_update(no_key=True).get(id=grant.user_id)
            revoke_grant(grant, now=database_now(subject=grant.user_id))


def credit_lost_dispute(dispute_id: str) -> CreditNote | None:
    """The payer's bank keeps what it took back."""
    with _locked(dispute_id) as dispute:
        if not _is_lost(dispute):
            return None
        return issue_credit_note(
            order_id=dispute.payment.order_id,
            source=CreditNote.Source.DISPUTE,
            source_id=_sources(dispute)[-1],
            amount=Money(dispute.withdrawn_minor, dispute.currency),
        )


def win(dispute_id: str) -> None:
    """The money is ours again: the credit note is void. A membership that ended stays so; what would still run of the
    period that the money had paid is granted. What was a member's all along needs nothing."""
    with _locked(dispute_id) as dispute:
        if dispute.status != Dispute.Status.WON or dispute.payment.is_surplus:
            return
        invoice = Invoice.objects.filter(order_id=dispute.payment.order_id).first()
        if invoice is None:
            return
        now = database_now(subject=invoice.user_id)
        ends_at = _give_back(invoice, dispute, now=now)
        void_credit_note(_sources(dispute), ends_at=ends_at or now)


@contextmanager
def _locked(dispute_id: str) -> Iterator[Dispute]:
    """As it stands: payments changes a dispute under the lock of its order only."""
    order_id = Dispute.objects.values_list("payment__order_id", flat=True).get(id=dispute_id)
    with transaction.atomic():
        Order.objects.select_for_update(no_key=True).get(id=order_id)
        yield Dispute.objects.select_related("payment").get(id=dispute_id)


def _is_lost(dispute: Dispute) -> bool:
    is_gone = dispute.status == Dispute.Status.LOST and bool(dispute.withdrawn_minor)
    return is_gone and not dispute.payment.is_surplus


def _sources(dispute: Dispute) -> list[str]:
    """Of its credit notes, one each time that it was lost; the newest last."""
    return [dispute.id] + [f"{dispute.id}:{number}" for number in range(2, dispute.rounds + 1)]


def _give_back(invoice: Invoice, dispute: Dispute, *, now: datetime) -> datetime | None:
    """Until when what is given back runs; None for nothing."""
    if is_all_gone(str(invoice.order_id)) or Grant.objects.filter(granted_by=dispute.id, revoked_at=None).exists():
        return None
    if invoice.kind == Invoice.Kind.GIFT:
        return give_gift_back(invoice, by=dispute.id, now=now)
    User.objects.select_for_update(no_key=True).get(id=invoice.user_id)
    subscription = lock_subscription(str(invoice.subscription_id))
    is_over = subscription.status == Subscription.Status.ENDED and subscription.end_reason == DISPUTED
    revoked = Period.objects.filter(invoice=invoice, status=Period.Status.REVOKED, ends_at__gt=now)
    period = revoked.select_related("plan_version").first() if is_over else None
    if period is None:
        return None
    length = period.ends_at - max(now, period.starts_at)
    grant = grant_rest(invoice.user_id, period.plan_version.plan_id, length=length, by=dispute.id, now=now)
    note_change(subscription, Why("dispute_won", SYSTEM, now, details={"dispute": dispute.id, "grant": grant.id}))
    return grant.ends_at
