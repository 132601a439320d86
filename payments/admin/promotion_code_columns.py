"""How codes, batches of them and their uses look on both consoles."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant

from paycore.code_batches import MOST_CODES, codes_as_csv, progress_of
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import moment, money, object_link, state_label
from payments.admin.filters import CurrencyFilter, MadeBetweenFilter
from payments.admin.pages import ConfirmForm, MoneyPage, Panel, asks_first
from payments.admin.promotion_panels import uses_panel
from payments.admin.timeline import person_or_key
from payments.promotions.codes import normal_code
from payments.promotions.managing import set_code_enabled
from payments.promotions.models import CodeBatch, PromotionCode, Redemption


class CodeColumns(MoneyPage, ReadOnlyAdmin):
    list_display = ("code", "promotion", "is_enabled", "uses", "batch", "expires_at", "made")
    list_select_related = ("promotion", "batch")
    searches: ClassVar = {"prc_": ("id",), "prm_": ("promotion_id",), "pcb_": ("batch_id",)}
    search_help_text = _("A code, or the id of a code, promotion or batch")
    list_filter = ("is_enabled", ("created_at", MadeBetweenFilter))
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("code", "promotion"), ("is_enabled", "uses"), ("max_per_person", "batch"))}),
        (_("Dates"), {"fields": (("created_at", "expires_at"),)}),
    )
    actions_detail = ("disable", "enable")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        if search_term.strip().startswith(tuple(self.searches)) or not (code := normal_code(search_term)):
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(code=code), False

    @admin.display(description=_("Uses"), ordering="used")
    def uses(self, code: PromotionCode) -> str:
        return f"{code.used} / {code.max_uses}" if code.max_uses is not None else str(code.used)

    def panels(self, request: HttpRequest, row: PromotionCode) -> Sequence[Panel]:
        return (uses_panel(Redemption.objects.filter(code=row), site=self.admin_site.name),)

    def fitting_actions(self, row: PromotionCode) -> Collection[str]:
        return {"disable"} if row.is_enabled else {"enable"}

    @asks_first(
        title=_("Disable"),
        text=_("This code gives nothing any more. What it gave stays given."),
        submit=_("Disable"),
        permission="operate",
        icon="block",
        variant=ActionVariant.DANGER,
    )
    def disable(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        return self._switch(request, object_id, is_enabled=False)

    @asks_first(
        title=_("Enable"),
        text=_("This code works again, while its promotion is active."),
        submit=_("Enable"),
        permission="operate",
        icon="check",
    )
    def enable(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        return self._switch(request, object_id, is_enabled=True)

    def _switch(self, request: HttpRequest, object_id: str, *, is_enabled: bool) -> HttpResponse:
        row = self.require_row(request, object_id)
        text = gettext("The code works again.") if is_enabled else gettext("The code is disabled.")
        return self.carry_out(
            request, row, lambda: set_code_enabled(row.id, is_enabled=is_enabled), done=lambda _row: text
        )


class BatchColumns(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "state", "promotion", "progress", "note", "made_on")
    list_select_related = ("promotion",)
    searches: ClassVar = {"pcb_": ("id",), "prm_": ("promotion_id",)}
    search_help_text = _("Id of a batch or promotion")
    list_filter = (("status", ChoicesDropdownFilter), ("created_at", MadeBetweenFilter))
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "state"), ("promotion", "progress"), ("prefix", "length"), ("max_uses", "note"))}),
        (_("File"), {"fields": ("file",)}),
        (_("Dates"), {"fields": (("created_at", "finished_at"), "requester")}),
    )

    @admin.display(description=_("Requested by"))
    def requester(self, batch: CodeBatch) -> str:
        return person_or_key(batch.requested_by)

    @admin.display(description=_("Status"), ordering="status")
    def state(self, batch: CodeBatch) -> SafeString:
        return state_label(batch.status, batch.get_status_display())

    @admin.display(description=_("Codes made"))
    def progress(self, batch: CodeBatch) -> str:
        return progress_of(batch)

    @admin.display(description=_("Created"), ordering="pk")
    def made_on(self, batch: CodeBatch) -> SafeString | str:
        return self.made(batch)

    @admin.display(description=_("Codes"))
    def file(self, batch: CodeBatch) -> SafeString | str:
        if not batch.made:
            return "–"
        address = reverse(f"{self.admin_site.name}:payments_codebatch_codes", args=[quote(batch.id)])
        text = gettext("Download %(count)d codes as CSV") % {"count": batch.made}
        return format_html('<a class="paycore-link" href="{}" hx-boost="false" download>{}</a>', address, text)

    def get_urls(self) -> list[URLPattern]:
        codes = path(
            "<path:object_id>/codes.csv", self.admin_site.admin_view(self.codes_view), name="payments_codebatch_codes"
        )
        return [codes, *super().get_urls()]

    def codes_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        batch = self.require_row(request, object_id)
        if not self.has_view_permission(request, batch):
            raise PermissionDenied
        headers = (_("Code"), _("Most uses"), _("Uses"), _("Enabled"), _("Created (UTC)"))
        return codes_as_csv(batch, headers=headers, rows=_code_lines(batch))


def _code_lines(batch: CodeBatch) -> Iterator[Sequence[object]]:
    rows = PromotionCode.objects.filter(batch=batch).order_by("id")[:MOST_CODES]
    for row in rows.iterator(chunk_size=2_000):
        yield row.code, row.max_uses, row.used, int(row.is_enabled), row.created_at


class UseColumns(MoneyPage, ReadOnlyAdmin):
    list_display: Sequence[str] = ("id", "state", "code_text", "about", "given", "taken_at")
    list_select_related: Sequence[str] = ("code", "promotion")
    searches: ClassVar = {
        "red_": ("id",),
        "prm_": ("promotion_id",),
        "prc_": ("code_id",),
        "ord_": ("subject_id",),
        "sub_": ("subject_id",),
    }
    search_help_text = _("Id of a use, promotion, code, order or subscription")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        "is_suspect",
        CurrencyFilter,
        ("taken_at", MadeBetweenFilter),
    )
    ordering = ("-id",)
    fieldsets: Any = (
        (None, {"fields": (("id", "state"), ("code_text", "about"), ("first", "given"), ("free_days", "funded_by"))}),
        (_("Periods"), {"fields": (("periods_used", "periods_left"),)}),
        (_("Dates"), {"fields": (("taken_at", "used_at"), ("released_at", "is_suspect"))}),
    )

    @admin.display(description=_("Status"), ordering="status")
    def state(self, use: Redemption) -> SafeString:
        return state_label(use.status, use.get_status_display())

    @admin.display(description=_("Code"))
    def code_text(self, use: Redemption) -> str:
        return use.code.code

    @admin.display(description=_("For"))
    def about(self, use: Redemption) -> SafeString | str:
        is_shown = self.admin_site.name == "ops" or use.subject_id.startswith("ord_")
        return object_link(self.admin_site.name, use.subject_id) if is_shown else use.subject_id

    @admin.display(description=_("Taken off first"), ordering="amount_minor")
    def first(self, use: Redemption) -> str:
        return money(use.amount_minor, use.currency)

    @admin.display(description=_("Taken off in all"), ordering="given_minor")
    def given(self, use: Redemption) -> str:
        return money(use.given_minor, use.currency)


def funding_panel(use: Redemption) -> Panel:
    rows = [
        (money(entry.amount_minor, use.currency), money(entry.total_minor, use.currency), moment(entry.created_at))
        for entry in use.funding.order_by("id")
    ]
    headers = (_("Amount"), _("In all"), _("Booked"))
    return Panel(title=_("Paid by the platform"), headers=headers, rows=rows, numbers={0, 1})
