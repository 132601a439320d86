"""The tables of a subscription's page. Each reads what belongs to it, by an index."""

from collections.abc import Sequence

from django.db.models import Q
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from memberships.admin.words import HISTORY, NOTICES, RIGHTS, named, word
from memberships.entitlements.queries import entitlements_of
from memberships.models import Grant, Invoice, MemberActionItem, Subscription
from paycore.models import Notification
from paycore.sites import ops_site
from paycore.sites.columns import facts, money, page_link
from paycore.sites.pages import Panel, moment
from payments.admin.columns import object_link, state_label
from payments.admin.timeline import person_or_key
from payments.orders.models import Payment

NEWEST = 50
_NOTICES = (
    "membership_trial_ending:{id}:",
    "membership_renews_soon:{id}:",
    "membership_card_expiring:{id}:",
    "membership_grace_ending:{id}:",
    "membership_announce:{id}:",
    "membership_overdue:{id}:",
    "membership_ended:{id}",
)
"""How the keys of messages about a subscription begin; receipts and recoveries are named by invoice and dunning."""


def changes_panel(subscription: Subscription) -> Panel:
    newest = subscription.changes.order_by("-id")[:NEWEST]
    rows = [
        (
            moment(change.happened_at),
            word(HISTORY, change.kind),
            _status(change.status),
            _("The member") if change.by == subscription.user_id else person_or_key(change.by),
            facts(named(({"why": change.reason} if change.reason else {}) | change.details)),
        )
        for change in newest
    ]
    headers = (_("When"), _("What"), _("Status afterwards"), _("By"), _("Details"))
    return Panel(title=_("What happened"), headers=headers, rows=rows)


def periods_panel(subscription: Subscription) -> Panel:
    newest = subscription.periods.select_related("price", "invoice").order_by("-number")[:NEWEST]
    rows = [
        (
            period.number,
            period.get_kind_display(),
            state_label(period.status, period.get_status_display()),
            moment(period.starts_at),
            moment(period.ends_at),
            period.quantity,
            money(period.price.amount_minor, period.price.currency) if period.price else "–",
            _invoice_link(period.invoice),
        )
        for period in newest
    ]
    headers = (_("Number"), _("Kind"), _("Status"), _("Starts"), _("Ends"), _("Seats"), _("Price"), _("Invoice"))
    return Panel(title=_("Periods"), headers=headers, rows=rows, numbers={0, 5, 6})


def invoices_panel(invoices: Sequence[Invoice]) -> Panel:
    rows = [
        (
            _invoice_link(invoice),
            invoice.get_kind_display(),
            state_label(invoice.status, invoice.get_status_display()),
            money(invoice.total_minor, invoice.currency),
            money(invoice.due_minor, invoice.currency),
            object_link("ops", invoice.order_id) if invoice.order_id else "–",
            moment(invoice.issued_at),
            moment(invoice.paid_at),
        )
        for invoice in invoices
    ]
    headers = (
        _("Invoice"),
        _("Kind"),
        _("Status"),
        _("Total"),
        pgettext_lazy("membership", "Due"),
        _("Order"),
        _("Issued"),
        _("Paid"),
    )
    return Panel(title=_("Invoices"), headers=headers, rows=rows, numbers={3, 4})


def payments_panel(invoices: Sequence[Invoice]) -> Panel:
    orders = [invoice.order_id for invoice in invoices if invoice.order_id]
    rows = [
        (
            object_link("ops", payment.id),
            state_label(payment.status, payment.get_status_display()),
            payment.method,
            money(payment.amount_minor, payment.currency),
            money(payment.refunded_minor, payment.currency),
            payment.failure_code or "–",
            moment(payment.created_at),
        )
        for payment in Payment.objects.filter(order_id__in=orders).order_by("-id")[:NEWEST]
    ]
    headers = (_("Payment"), _("Status"), _("Method"), _("Amount"), _("Refunded"), _("Failure"), _("Created"))
    return Panel(title=_("Payments"), headers=headers, rows=rows, numbers={3, 4})


def dunning_panel(subscription: Subscription) -> Panel:
    rows = [
        (
            moment(dunning.opened_at),
            state_label(dunning.status, dunning.get_status_display()),
            dunning.failures,
            dunning.last_code,
            moment(dunning.next_retry_at),
            moment(dunning.closed_at),
            dunning.get_recovered_by_display() if dunning.recovered_by else "–",
        )
        for dunning in subscription.dunnings.order_by("-id")[:NEWEST]
    ]
    headers = (
        _("First failure"), _("Status"), _("Attempts"), _("Last failure"), _("Next attempt"), _("Closed"),
        _("Recovered by"),
    )  # fmt: skip
    return Panel(title=_("Overdue renewals"), headers=headers, rows=rows, numbers={2})


def notices_panel(subscription: Subscription, invoices: Sequence[Invoice]) -> Panel:
    wanted = Q(key__in=[f"membership_receipt:{invoice.id}" for invoice in invoices])
    for begins in _NOTICES:
        wanted |= Q(key__startswith=begins.format(id=subscription.id))
    rows = [
        (
            moment(notice.created_at),
            word(NOTICES, notice.template.removesuffix("_sms")),
            state_label(notice.status, notice.get_status_display()),
            moment(notice.sent_at),
        )
        for notice in Notification.objects.filter(wanted).defer("context", "email", "phone").order_by("-id")[:NEWEST]
    ]
    return Panel(title=_("Notices"), headers=(_("Written"), _("Message"), _("Status"), _("Sent")), rows=rows)


def seats_panel(subscription: Subscription) -> Panel:
    rows = [
        (
            seat.id,
            state_label(seat.status, seat.get_status_display()),
            object_link("ops", seat.user_id) if seat.user_id else "–",
            moment(seat.created_at),
            moment(seat.accepted_at),
            moment(seat.removed_at),
        )
        for seat in subscription.seats.defer("email").order_by("-id")[:NEWEST]
    ]
    headers = (_("Seat"), _("Status"), _("Member"), _("Offered"), _("Accepted"), _("Removed"))
    return Panel(title=_("Seats"), headers=headers, rows=rows)


def grants_panel(user_id: str) -> Panel:
    rows = [
        (
            grant.id,
            grant.plan.name(get_language() or "en"),
            grant.get_source_display(),
            moment(grant.starts_at),
            moment(grant.ends_at),
            moment(grant.revoked_at),
            grant.reason or "–",
        )
        for grant in Grant.objects.filter(user_id=user_id).select_related("plan").order_by("-ends_at")[:NEWEST]
    ]
    headers = (_("Grant"), _("Plan"), _("Source"), _("Starts"), _("Ends"), _("Revoked"), _("Why"))
    return Panel(title=_("Grants of this member"), headers=headers, rows=rows)


def usage_panel(user_id: str) -> Panel:
    rows = [
        (
            right.feature,
            right.used,
            _("without limit") if right.limit is None else right.limit,
            moment(right.resets_at),
            moment(right.until),
            word(RIGHTS, right.source),
            word(RIGHTS, right.reason),
        )
        for right in entitlements_of(user_id)
    ]
    headers = (
        _("Feature"),
        _("Used"),
        pgettext_lazy("membership", "Limit"),
        _("Starts anew"),
        _("Until"),
        _("Source"),
        _("Reason"),
    )
    return Panel(title=_("What the member may use"), headers=headers, rows=rows, numbers={1, 2})


def deeds_panel(subscription: Subscription) -> Panel:
    items = MemberActionItem.objects.filter(subscription=subscription).select_related("action").order_by("-id")[:NEWEST]
    rows = [
        (
            page_link("ops", "memberships_memberaction", item.action_id, text=item.action.get_kind_display()),
            state_label(item.status, item.get_status_display()),
            person_or_key(item.action.asked_by),
            item.action.reason,
            item.note or "–",
            moment(item.action.created_at),
        )
        for item in items
    ]
    headers = (_("Deed"), _("Status"), _("Asked by"), _("Why"), _("Note"), _("Created"))
    return Panel(title=_("What staff did"), headers=headers, rows=rows)


def _status(status: str) -> object:
    return state_label(status, dict(Subscription.Status.choices).get(status, status))


def _invoice_link(invoice: Invoice | None) -> object:
    if invoice is None:
        return "–"
    if ops_site.is_registered(Invoice):
        return page_link("ops", "memberships_invoice", invoice.id, text=invoice.number)
    return invoice.number
