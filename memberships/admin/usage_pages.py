"""What members used of counted features, and journeys of sandbox clocks, for staff to look at."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RangeDateTimeFilter

from memberships.models import ClockAdvance, Feature, UsageCounter
from paycore.sites import ops_site
from paycore.sites.columns import page_link
from paycore.sites.pages import moment
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import state_label
from payments.admin.filters import MadeBetweenFilter
from payments.admin.pages import MoneyPage

if TYPE_CHECKING:
    from django.db.models import QuerySet


class FeatureFilter(DropdownFilter):  # type: ignore[misc]  # Unfold ships no types
    title = _("feature")
    parameter_name = "feature"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        codes = Feature.objects.exclude(kind=Feature.Kind.SWITCH).order_by("code").values_list("code", flat=True)
        return [(code, code) for code in codes]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[UsageCounter]") -> "QuerySet[UsageCounter]":
        return queryset.filter(feature=self.value()) if self.value() else queryset


@admin.register(UsageCounter, site=ops_site)
class UsageCounterAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "member", "feature", "used", "counts_from", "starts_anew", "subject")
    list_select_related = ("user",)
    list_filter = (FeatureFilter, ("starts_at", RangeDateTimeFilter))
    searches: ClassVar = {
        "usr_": ("user_id",),
        "sub_": ("subject",),
        "grt_": ("subject",),
        "": ("user__email", "feature"),
    }
    search_help_text = _("Id of a user, subscription or grant, an e-mail address, or the code of a feature")
    ordering = ("-id",)
    fields = (("member", "feature"), ("used", "subject"), ("counts_from", "starts_anew"), ("changed",))

    @admin.display(description=_("Member"))
    def member(self, row: UsageCounter) -> SafeString:
        return page_link("ops", "accounts_user", row.user_id, text=row.user.email or row.user_id)

    @admin.display(description=_("Counts from"))
    def counts_from(self, row: UsageCounter) -> SafeString | str:
        return moment(row.starts_at)

    @admin.display(description=_("Starts anew"))
    def starts_anew(self, row: UsageCounter) -> SafeString | str:
        return moment(row.ends_at)

    @admin.display(description=_("Changed"))
    def changed(self, row: UsageCounter) -> SafeString | str:
        return moment(row.updated_at)


@admin.register(ClockAdvance, site=ops_site)
class ClockAdvanceAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "state", "member", "begins", "reached", "target", "steps", "made")
    list_select_related = ("user",)
    list_filter = (("status", ChoicesDropdownFilter), ("created_at", MadeBetweenFilter))
    searches: ClassVar = {"adv_": ("pk",), "usr_": ("user_id",), "": ("user__email",)}
    search_help_text = _("Id of a journey or user, or an e-mail address")
    ordering = ("-id",)
    fields = (
        ("id", "state"),
        ("member", "steps"),
        ("begins", "target"),
        ("reached", "waiting_since"),
        ("attempts", "error"),
        ("next_attempt_at", "finished_at"),
        ("made",),
    )

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: ClockAdvance) -> SafeString:
        return state_label(row.status, row.get_status_display())

    @admin.display(description=_("Member"))
    def member(self, row: ClockAdvance) -> SafeString:
        return page_link("ops", "accounts_user", row.user_id, text=row.user.email or row.user_id)

    @admin.display(description=_("Begins at"))
    def begins(self, row: ClockAdvance) -> SafeString | str:
        return moment(row.started_from)

    @admin.display(description=_("Reached"))
    def reached(self, row: ClockAdvance) -> SafeString | str:
        return moment(row.reached_at)

    @admin.display(description=_("Goes to"))
    def target(self, row: ClockAdvance) -> SafeString | str:
        return moment(row.target_at)
