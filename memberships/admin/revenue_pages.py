"""Revenue of memberships, for staff: the report by month and plan, its CSV, and the schedules behind it."""

from collections.abc import Iterator
from datetime import date
from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateTimeFilter

from memberships.catalogue.known import plan_of
from memberships.invoices.report import ReportRow, revenue_report
from memberships.invoices.schedules import month_of
from memberships.models import RevenueRecognition, RevenueSchedule
from paycore.clock import database_now
from paycore.errors import NotFound
from paycore.sites import ops_site
from paycore.sites.columns import money, page_link
from paycore.sites.pages import Panel, moment
from paycore.sites.read_only import ReadOnlyAdmin
from paycore.spreadsheets import csv_response
from payments.admin.filters import CurrencyFilter
from payments.admin.pages import MoneyPage
from payments.admin.panels import register_occasions

MONTHS = 13
_COLUMNS = (
    _("Month"), _("Currency"), _("Plan"), _("Billed"), _("Credited"), _("Tax"), _("Recognised"),
    _("Deferred at the end"),
)  # fmt: skip


register_occasions(
    {
        ("invoice", "paid"): _("Invoice paid"),
        ("invoice", "given"): _("Credit for time that was given"),
        ("revenue", "recognised"): _("Membership revenue of a day"),
        ("credit_note", "issued"): _("Credit note issued"),
        ("credit", "adjusted"): _("Member's credit paid out, lapsed or given"),
    }
)


@admin.register(RevenueRecognition, site=ops_site)
class RevenueRecognitionAdmin(MoneyPage, ReadOnlyAdmin):
    """The report stands above the rows that became revenue."""

    change_list_template = "admin/memberships/revenue.html"
    list_display = ("month_shown", "plan_shown", "currency", "amount", "batch", "when")
    list_filter = (CurrencyFilter, ("month", admin.DateFieldListFilter))
    searches: ClassVar = {"pln_": ("plan",), "rvb_": ("batch",), "crn_": ("batch",), "inv_": ("batch",)}
    search_help_text = _("Id of the plan, or of the posting in the books")
    ordering = ("-id",)
    fields = (("month", "plan_shown"), ("currency", "amount"), ("batch", "when"))

    @admin.display(description=_("Month"), ordering="month")
    def month_shown(self, row: RevenueRecognition) -> str:
        return f"{row.month:%Y-%m}"

    @admin.display(description=_("Plan"))
    def plan_shown(self, row: RevenueRecognition) -> str:
        return plan_name(row.plan)

    @admin.display(description=_("Amount"))
    def amount(self, row: RevenueRecognition) -> str:
        return money(row.amount_minor, row.currency)

    @admin.display(description=_("Booked"))
    def when(self, row: RevenueRecognition) -> SafeString | str:
        return moment(row.created_at)

    def get_urls(self) -> list[URLPattern]:
        export = path("csv/", self.admin_site.admin_view(self.export), name="memberships_revenue_csv")
        return [export, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        report = Panel(
            title=_("Membership revenue by month"),
            note=_("Without tax, which has a column of its own. Deferred is what was paid for and is not earned yet."),
            headers=_COLUMNS,
            rows=[_shown(row) for row in _report()],
            numbers={3, 4, 5, 6, 7},
        )
        return super().changelist_view(request, {**(extra_context or {}), "panels": [report]})

    def export(self, request: HttpRequest) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return csv_response(file_name="membership-revenue.csv", headers=_COLUMNS, rows=_lines())


@admin.register(RevenueSchedule, site=ops_site)
class RevenueScheduleAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = (
        "id",
        "invoice_shown",
        "plan_shown",
        "total",
        "recognised",
        "is_held",
        "begins",
        "ends",
        "next_step",
    )
    list_select_related = ("invoice",)
    list_filter = ("is_held", CurrencyFilter, ("next_at", RangeDateTimeFilter))
    searches: ClassVar = {
        "rvs_": ("pk",),
        "inv_": ("invoice_id",),
        "sub_": ("subscription_id",),
        "": ("invoice__number",),
    }
    search_help_text = _("Number or id of the invoice, or id of the subscription")
    ordering = ("-id",)
    fields = (
        ("invoice_shown", "plan_shown"),
        ("total", "recognised"),
        ("is_held", "next_step"),
        ("begins", "ends"),
        ("base_minor", "looked_at"),
    )

    @admin.display(description=_("Invoice"))
    def invoice_shown(self, row: RevenueSchedule) -> SafeString:
        return page_link("ops", "memberships_invoice", row.invoice_id, text=row.invoice.number)

    @admin.display(description=_("Plan"))
    def plan_shown(self, row: RevenueSchedule) -> str:
        return plan_name(row.plan)

    @admin.display(description=_("Total"))
    def total(self, row: RevenueSchedule) -> str:
        return money(row.total_minor, row.currency)

    @admin.display(description=_("Recognised"))
    def recognised(self, row: RevenueSchedule) -> str:
        return money(row.recognised_minor, row.currency)

    @admin.display(description=pgettext_lazy("membership", "From"))
    def begins(self, row: RevenueSchedule) -> SafeString | str:
        return moment(row.base_at)

    @admin.display(description=_("Until"))
    def ends(self, row: RevenueSchedule) -> SafeString | str:
        return moment(row.ends_at)

    @admin.display(description=_("Next step"))
    def next_step(self, row: RevenueSchedule) -> SafeString | str:
        return moment(row.next_at)


def plan_name(plan_id: str) -> str:
    try:
        return plan_of(plan_id).code
    except NotFound:
        return plan_id or gettext("none")


def _report() -> list[ReportRow]:
    until = month_of(database_now())
    months = until.year * 12 + until.month - MONTHS
    return revenue_report(since=date(months // 12, months % 12 + 1, 1), until=until).rows


def _shown(row: ReportRow) -> tuple[str, ...]:
    minors = (row.billed, row.credited, row.tax, row.recognised, row.deferred)
    return (f"{row.month:%Y-%m}", row.currency, plan_name(row.plan), *(money(minor, row.currency) for minor in minors))


def _lines() -> Iterator[tuple[object, ...]]:
    for row in _report():
        minors = (row.billed, row.credited, row.tax, row.recognised, row.deferred)
        yield (f"{row.month:%Y-%m}", row.currency, plan_name(row.plan), *(row.money(minor).major for minor in minors))
