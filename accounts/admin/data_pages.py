"""Archives and erasures that people asked for."""

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.utils import display_for_label

from accounts.leaving.erasing import cancel_erasure
from accounts.leaving.models import Erasure
from accounts.personal_data.models import DataExport
from paycore.sites import ops_site
from paycore.sites.columns import page_link
from paycore.sites.dialogs import ConfirmForm, asks_first
from paycore.sites.filters import MadeBetweenFilter
from paycore.sites.pages import FactsPage
from paycore.sites.read_only import ReadOnlyAdmin

EXPORT_COLOURS = {"waiting": "info", "running": "info", "ready": "success", "failed": "danger", "expired": "default"}
ERASURE_COLOURS = {"scheduled": "warning", "canceled": "default", "telling": "info", "done": "success"}


@admin.register(DataExport, site=ops_site)
class DataExportAdmin(ReadOnlyAdmin):
    """How far they are. What is in them is nobody's business but the person's."""

    list_display = ("id", "state", "person", "progress", "attempts", "created_at", "expires_at")
    fields = (
        ("id", "state"),
        ("person", "progress"),
        ("attempts", "next_attempt_at"),
        ("size_bytes", "created_at"),
        ("ready_at", "expires_at"),
    )
    list_filter = (("status", ChoicesDropdownFilter), ("created_at", MadeBetweenFilter))
    list_filter_submit = True
    search_fields = ("=id", "=user__id")
    search_help_text = _("Id of an export or of a user")
    ordering = ("-id",)

    @admin.display(description=_("Status"), ordering="status")
    def state(self, export: DataExport) -> SafeString:
        label: SafeString = display_for_label((export.status, export.get_status_display()), "–", EXPORT_COLOURS)
        return label

    @admin.display(description=_("Person"))
    def person(self, export: DataExport) -> SafeString:
        return page_link("ops", "accounts_user", export.user_id)


@admin.register(Erasure, site=ops_site)
class ErasureAdmin(FactsPage, ReadOnlyAdmin):
    list_display = ("id", "state", "person", "due_at", "blocked_by", "erased_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("blocked_by", admin.EmptyFieldListFilter),
        ("created_at", MadeBetweenFilter),
    )
    list_filter_submit = True
    fields = (
        ("id", "state"),
        ("person", "requested_by"),
        ("due_at", "next_attempt_at"),
        ("blocked_by", "erased_at"),
        "created_at",
    )
    search_fields = ("=id", "=user__id")
    search_help_text = _("Id of an erasure or of a user")
    ordering = ("-id",)
    actions_detail = ("cancel",)

    @admin.display(description=_("Status"), ordering="status")
    def state(self, erasure: Erasure) -> SafeString:
        label: SafeString = display_for_label((erasure.status, erasure.get_status_display()), "–", ERASURE_COLOURS)
        return label

    @display(description=_("Person"))  # type: ignore[untyped-decorator]
    def person(self, erasure: Erasure) -> SafeString:
        return page_link("ops", "accounts_user", erasure.user_id)

    def fitting_actions(self, row: Erasure) -> Collection[str]:
        return ("cancel",) if row.status == Erasure.Status.SCHEDULED else ()

    def has_cancel_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("accounts.change_erasure"))

    @asks_first(
        title=_("Cancel the erasure"),
        text=_("At the person's wish. Everything stays as it is."),
        submit=_("Cancel the erasure"),
        permission="cancel",
        icon="undo",
    )
    def cancel(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        erasure = self.require_row(request, object_id)
        return self.carry_out(
            request,
            erasure,
            lambda: cancel_erasure(erasure.user_id),
            done=lambda _: gettext("The erasure is canceled."),
        )
