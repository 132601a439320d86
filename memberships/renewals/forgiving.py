"""Staff let a member off the period that waits for its money: the invoice is void, and the membership goes on."""

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from memberships.models import Dunning, Invoice, Period, Subscription
from memberships.renewals.dunning import close_dunning
from memberships.renewals.telling import drop_what_was_overdue
from memberships.subscriptions.clearing import cancel_open_orders, void_open_invoices
from memberships.subscriptions.guarding import require_ours
from memberships.subscriptions.recording import Why, lock_subscription, save_change
from memberships.subscriptions.settling_rows import move_on
from paycore.errors import Conflict
from paycore.money import Money

RENEWAL = (Invoice.Kind.RENEWAL,)


class NoOpenPeriod(Conflict):
    code = "no_open_period"
    title = _("No period of this membership waits for money.")


def open_period(subscription: Subscription) -> Period:
    """With its invoice. SoldElsewhere, NoOpenPeriod."""
    require_ours(subscription)
    rows = Period.objects.filter(subscription=subscription, status=Period.Status.OPEN, invoice__isnull=False)
    period = rows.select_related("invoice").first()
    if period is None:
        raise NoOpenPeriod
    return period


def what_is_let_go(subscription: Subscription) -> Money:
    """What would not be asked for any more. SoldElsewhere, NoOpenPeriod."""
    invoice = open_period(subscription).invoice
    return invoice.due if invoice is not None else Money.zero(subscription.currency)


def forgive_period(subscription_id: str, *, why: Why) -> Period:
    """The period is given: it counts from when it began, and the next one is due at its end. Credit that the invoice
    held is the member's again. SoldElsewhere, NoOpenPeriod, PaymentInProgress while its money may still come: payments
    are closed at the gateway before (:func:`close_at_gateway`), with no transaction open."""
    with transaction.atomic():
        cancel_open_orders(subscription_id, kinds=RENEWAL)
        subscription = lock_subscription(subscription_id)
        period = open_period(subscription)
        void_open_invoices(subscription, why, kinds=RENEWAL)
        period.kind, period.status, period.invoice = Period.Kind.BONUS, Period.Status.PAID, None
        period.save(update_fields=["kind", "status", "invoice"])
        was, subscription.notice_at = subscription.status, why.now
        fields = move_on(subscription, period, now=why.now)
        close_dunning(subscription_id, status=Dunning.Status.LOST, now=why.now)
        drop_what_was_overdue(subscription_id)
        save_change(subscription, why, was=was, fields=(*fields, "credit_minor", "notice_at"))
    return period
