"""Reconciliation's numbers on the ops console's first page."""

from datetime import timedelta

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from paycore.clock import now
from paycore.sites import Card, Dashboard, ops_site, register_dashboard
from reconciliation.banking.models import BankEntry
from reconciliation.banking.payout_models import PayoutBatch
from reconciliation.discrepancies.models import Discrepancy
from reconciliation.statements.models import Statement


def reconciliation_overview(request: HttpRequest) -> Dashboard:
    """What is unresolved, and which days are missing."""
    if not request.user.has_perm("reconciliation.view_discrepancy"):
        return Dashboard()
    cards = [_discrepancies_card(), _statements_card()]
    if request.user.has_perm("reconciliation.view_bankentry"):
        cards.append(_bank_lines_card())
    return Dashboard(cards=cards)


def _discrepancies_card() -> Card:
    found = Discrepancy.objects.exclude(status=Discrepancy.Status.RESOLVED).aggregate(
        count=Count("id"), proposed=Count("id", filter=Q(status=Discrepancy.Status.PROPOSED))
    )
    waiting = ngettext("%(count)d waits for approval", "%(count)d wait for approval", found["proposed"])
    return Card(
        title=_("Unresolved discrepancies"),
        value=str(found["count"]),
        detail=waiting % {"count": found["proposed"]} if found["count"] else gettext("Both sides agree"),
        tone="warning" if found["count"] else "good",
        link=reverse("ops:reconciliation_discrepancy_changelist"),
    )


def _statements_card() -> Card:
    today = now().date()
    missing = Statement.objects.filter(status=Statement.Status.EXPECTED, day__lt=today)
    failed = Statement.objects.filter(status=Statement.Status.FAILED)
    late, unreadable = missing.filter(day__lt=today - timedelta(days=1)).count(), failed.count()
    count = missing.count()
    return Card(
        title=_("Statements not received"),
        value=str(count),
        detail=gettext("%(count)d cannot be read") % {"count": unreadable} if unreadable else "",
        tone="bad" if late or unreadable else "warning" if count else "good",
        link=reverse("ops:reconciliation_statement_changelist") + "?status__exact=expected",
    )


def _bank_lines_card() -> Card:
    count = BankEntry.objects.filter(status=BankEntry.Status.OPEN).count()
    files = PayoutBatch.objects.filter(status=PayoutBatch.Status.PREPARED).count()
    waiting = ngettext("%(count)d payout file waits for release", "%(count)d payout files wait for release", files)
    return Card(
        title=_("Open bank lines"),
        value=str(count),
        detail=waiting % {"count": files} if files else "",
        tone="warning" if count or files else "good",
        link=reverse("ops:reconciliation_bankentry_changelist") + "?status__exact=open",
    )


register_dashboard(ops_site, reconciliation_overview, place=40)
