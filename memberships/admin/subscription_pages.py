"""Subscriptions, for staff: whom they belong to, everything that happened, and what may be done about them."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.enums import ActionVariant

from memberships.actions.deeds import Kind
from memberships.actions.services import BULK
from memberships.admin import subscription_panels as tables
from memberships.admin.deed_pages import DeedPages, opens_page
from memberships.models import Invoice, Period, Subscription
from memberships.transitions import LIVE
from paycore.sites import ops_site
from paycore.sites.columns import money
from paycore.sites.pages import Panel
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import money_or_none, state_label
from payments.admin.filters import CurrencyFilter, MadeBetweenFilter

COLOURS = {
    "trialing": "info", "scheduled": "info", "active": "success", "past_due": "warning", "suspended": "danger",
    "paused": "default", "incomplete": "default", "ended": "default",
}  # fmt: skip
_ON_PAGE = ("extend", "cancel_at_end", "cancel_now", "pause", "change_now", "refund", "forgive")


@admin.register(Subscription, site=ops_site)
class SubscriptionAdmin(DeedPages, ReadOnlyAdmin):
    list_display = ("id", "state", "user", "plan_name", "amount", "rail", "period_ends_at", "ends_then", "made")
    list_select_related = ("user", "plan", "price")
    list_before_template = "admin/memberships/bulk_links.html"
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("plan", RelatedDropdownFilter),
        ("rail", ChoicesDropdownFilter),
        CurrencyFilter,
        ("collection", ChoicesDropdownFilter),
        ("cancel_at_period_end", BooleanRadioFilter),
        ("created_at", MadeBetweenFilter),
    )
    searches: ClassVar = {
        "sub_": ("id",),
        "usr_": ("user_id",),
        "ord_": ("invoices__order_id",),
        "inv_": ("invoices__id",),
        "": ("user__email", "user__phone", "invoices__number", "store_reference"),
    }
    search_help_text = _("Id of a subscription, user, order or invoice, an invoice's number, e-mail address or phone")
    ordering = ("-id",)
    actions = ("extend_selected", "cancel_selected", "move_selected")
    fieldsets = (
        (None, {"fields": (("id", "state"), ("user", "plan_name"), ("amount", "quantity"), ("rail", "collection"))}),
        (_("Now"), {"fields": (("period_started_at", "period_ends_at"), ("cancel_at_period_end", "canceled_at"),
                               ("trial_ends_at", "resumes_at"), ("next_price", "next_quantity"))}),
        (_("Money"), {"fields": (("payment_method", "credit"), ("grace_until", "failure_code"))}),
        (_("Clock"), {"fields": (("due_at", "notice_at"), ("time_zone", "country"), ("anchor_at", "starts_at"),
                                 ("ended_at", "end_reason"), ("created_at", "store_reference"))}),
    )  # fmt: skip
    actions_detail = _ON_PAGE

    class Media:
        css = {"all": ("paycore/brand/panels.css", "riskcontrol/console.css")}

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Addresses are kept in lower case; a subscription has several invoices."""
        term = search_term.lower() if "@" in search_term else search_term
        found, _may_repeat = super().get_search_results(request, queryset, term)
        return found, True

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        kinds = [(str(kind), Kind(kind).label) for kind in BULK] if self.has_operate_permission(request) else []
        more = {**(extra_context or {}), "bulk_kinds": kinds}
        response: HttpResponse = super().changelist_view(request, more)
        return response

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: Subscription) -> SafeString:
        return state_label(row.status, row.get_status_display())

    @admin.display(description=_("Plan"))
    def plan_name(self, row: Subscription) -> str:
        return row.plan.name(get_language() or "en")

    @admin.display(description=_("Price"))
    def amount(self, row: Subscription) -> str:
        if row.price is None:
            return "–"
        interval = f"{row.price.interval_count} {row.price.get_interval_display()}"
        return f"{money(row.price.amount_minor, row.price.currency)} / {interval}"

    @admin.display(description=_("Ends then"), boolean=True)
    def ends_then(self, row: Subscription) -> bool:
        return row.cancel_at_period_end

    @admin.display(description=_("Credit"))
    def credit(self, row: Subscription) -> str:
        return money_or_none(row.credit_minor, row.currency) if row.currency else "–"

    def panels(self, request: HttpRequest, row: Subscription) -> Sequence[Panel]:
        invoices = list(Invoice.objects.filter(subscription=row).order_by("-id")[: tables.NEWEST])
        return [
            tables.changes_panel(row),
            tables.periods_panel(row),
            tables.invoices_panel(invoices),
            tables.payments_panel(invoices),
            tables.dunning_panel(row),
            tables.notices_panel(row, invoices),
            tables.seats_panel(row),
            tables.grants_panel(row.user_id),
            tables.usage_panel(row.user_id),
            tables.deeds_panel(row),
        ]

    def fitting_actions(self, row: Subscription) -> Collection[str]:
        if row.rail != Subscription.Rail.WEB:
            return ()
        fitting = {"refund"}
        if row.periods.filter(status=Period.Status.OPEN, invoice__isnull=False).exists():
            fitting.add("forgive")
        if row.status in LIVE:
            fitting |= {"extend", "cancel_now"}
            fitting |= set() if row.cancel_at_period_end else {"cancel_at_end"}
        if row.status in ("trialing", "active"):
            fitting |= {"pause", "change_now"}
        return fitting | ({"cancel_now"} if row.status == "incomplete" else set())

    @opens_page(title=_("Extend"), icon="more_time", variant=ActionVariant.PRIMARY)
    def extend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask(request, Kind.EXTEND, object_id)

    @opens_page(title=_("Cancel at the end of the period"), icon="event_busy")
    def cancel_at_end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask(request, Kind.CANCEL_AT_END, object_id)

    @opens_page(title=_("Cancel now"), icon="cancel", variant=ActionVariant.DANGER)
    def cancel_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask(request, Kind.CANCEL_NOW, object_id)

    @opens_page(title=_("Pause"), icon="pause")
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask(request, Kind.PAUSE, object_id)

    @opens_page(title=_("Change the plan"), icon="swap_horiz")
    def change_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask(request, Kind.CHANGE_NOW, object_id)

    @opens_page(title=_("Refund"), icon="undo", variant=ActionVariant.DANGER)
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask(request, Kind.REFUND, object_id)

    @opens_page(title=_("Forgive the open period"), icon="volunteer_activism")
    def forgive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask(request, Kind.FORGIVE, object_id)

    def _ask(self, request: HttpRequest, kind: str, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(self.deed_address(kind, self.require_row(request, object_id).pk))
