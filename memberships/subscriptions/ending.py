"""The end of a subscription. What it still had open is closed with it; what was paid stays paid."""

from collections.abc import Iterable

from memberships.models import Period, Subscription
from memberships.subscriptions.recording import Why, save_change
from payments.promotions.services import free_days_of, release

ENDED_FIELDS = (
    "status", "ended_at", "end_reason", "due_at", "notice_at", "next_price", "next_quantity", "resumes_at",
    "grace_until",
)  # fmt: skip


def end_subscription(
    subscription: Subscription, why: Why, *, end_reason: str, also_changed: Iterable[str] = ()
) -> None:
    """End the locked subscription and void the period that waits for money. Its orders are the caller's to cancel: that
    may need the gateway. ``also_changed`` names fields that the caller set on the row. Nothing when it ended before."""
    if subscription.status == Subscription.Status.ENDED:
        return
    was = subscription.status
    subscription.status, subscription.ended_at = Subscription.Status.ENDED, why.now
    subscription.end_reason = end_reason[:40]
    subscription.due_at = subscription.notice_at = subscription.resumes_at = subscription.grace_until = None
    subscription.next_price = subscription.next_quantity = None
    Period.objects.filter(subscription=subscription, status=Period.Status.OPEN).update(status=Period.Status.VOID)
    save_change(subscription, why, was=was, fields=dict.fromkeys((*ENDED_FIELDS, *also_changed)))
    _let_go_of_codes(subscription)


def _let_go_of_codes(subscription: Subscription) -> None:
    """A code that lowered no price anybody paid, and gave no day, may be used again."""
    if subscription.rail != Subscription.Rail.WEB:
        return
    had = Period.objects.filter(subscription=subscription).exclude(status=Period.Status.VOID)
    kinds = set(had.exclude(kind=Period.Kind.BONUS).values_list("kind", flat=True))
    if Period.Kind.PAID not in kinds and not (Period.Kind.TRIAL in kinds and free_days_of(subscription.id)):
        release(subscription.id)
