"""The report about memberships: recurring revenue, churn, trials, recovery, cohorts; by plan, and as CSV."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RelatedDropdownFilter

from memberships.models import MembershipMonth
from memberships.reports.charts import cards, charts, cohort_chart, cohort_panel, overview
from memberships.reports.queries import months
from paycore.sites import ops_site, register_dashboard
from paycore.sites.read_only import ReadOnlyAdmin
from paycore.spreadsheets import csv_response

_COLUMNS = (
    *("month", "plan", "currency", "members", "trials", "mrr_minor", "new_members", "lost_members", "new_minor"),
    *("grown_minor", "shrunk_minor", "lost_minor", "trials_ended", "trials_won", "failed", "recovered", "counted_at"),
)


@admin.register(MembershipMonth, site=ops_site)
class MembershipMonthAdmin(ReadOnlyAdmin):
    """The list is the report: charts above, the counted rows below, by plan where one is chosen."""

    change_list_template = "admin/memberships/report.html"
    list_display = ("month", "plan", "currency", "members", "trials", "amount", "new_members", "lost_members")
    list_filter = (("plan", RelatedDropdownFilter), "currency")
    list_filter_submit = True
    list_select_related = ("plan",)
    list_fullwidth = True
    list_per_page = 30
    search_fields = ("=currency", "plan__code")
    search_help_text = _("Currency or code of a plan")
    ordering = ("-month", "currency", "plan")
    show_full_result_count = False

    class Media:
        css = {"all": ("paycore/brand/panels.css",)}

    @admin.display(description=_("Monthly recurring revenue"), ordering="mrr_minor")
    def amount(self, row: MembershipMonth) -> str:
        return row.mrr.format("en") if row.mrr else "–"

    def get_urls(self) -> list[URLPattern]:
        export = path("csv/", self.admin_site.admin_view(self.export), name="memberships_membershipmonth_csv")
        return [export, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        found = months(plan_id=request.GET.get("plan__id__exact", ""))
        more = {
            "title": _("Memberships by month"),
            "report_cards": cards(found),
            "report_charts": [*charts(found), *filter(None, [cohort_chart()])] if found else (),
            "panels": [cohort_panel()],
            "counted_at": MembershipMonth.objects.order_by("-counted_at").values_list("counted_at", flat=True).first(),
        }
        response: HttpResponse = super().changelist_view(request, {**(extra_context or {}), **more})
        return response

    def export(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            return HttpResponse(status=403)
        rows = MembershipMonth.objects.select_related("plan").order_by("month", "currency", "plan__code")
        values = (
            [row.plan.code if name == "plan" else getattr(row, name) for name in _COLUMNS]
            for row in rows.iterator(chunk_size=500)
        )
        return csv_response(file_name="memberships.csv", headers=_COLUMNS, rows=values)  # type: ignore[return-value]  # a stream


register_dashboard(ops_site, overview, place=30)
