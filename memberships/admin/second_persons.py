"""What waits for a second person, on the overview: one card a kind, only while something waits."""

from django.contrib.admin import ModelAdmin
from django.db.models import Count, Min, Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from memberships.models import CodeBatch, InvoiceVoiding, MemberAction, PriceChange
from paycore.sites import Card, Dashboard, ops_site, register_dashboard

_WAITING = (
    (PriceChange, PriceChange.Status.DRAFT, _("Price changes to announce")),
    (MemberAction, MemberAction.Status.WAITING, _("Deeds to approve")),
    (InvoiceVoiding, InvoiceVoiding.Status.WAITING, _("Invoices to void")),
    (CodeBatch, CodeBatch.Status.WAITING, _("Batches of codes to approve")),
)


def waiting_for_another(request: HttpRequest) -> Dashboard:
    cards = []
    for model, status, title in _WAITING:
        page: ModelAdmin[Model] = ops_site._registry[model]
        if page.has_view_or_change_permission(request):
            cards += _cards(model, status, title=str(title))
    return Dashboard(cards=cards)


def _cards(model: type[Model], status: str, *, title: str) -> list[Card]:
    waiting = model._default_manager.filter(status=status)
    found = waiting.aggregate(count=Count("pk"), oldest=Min("created_at"))
    if not found["count"]:
        return []
    address = reverse(f"ops:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return [
        Card(
            title=title,
            value=str(found["count"]),
            detail=gettext("Oldest: %(age)s") % {"age": timesince(found["oldest"], depth=1)},
            tone="warning",
            link=f"{address}?status__exact={status}",
        )
    ]


register_dashboard(ops_site, waiting_for_another, place=26)
