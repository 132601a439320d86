"""Statements, for staff: which came, which did not, what they come to, and files brought by hand."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter, RelatedDropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminDateWidget, UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from paycore.clock import database_now
from paycore.errors import PaycoreError
from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import moment, money, page_link
from payments.admin.pages import MoneyPage, Panel, asks_first
from payments.admin.panels import NEWEST, events_panel
from payments.routing.models import GatewayAccount
from reconciliation.admin.columns import (
    DISCREPANCY_COLOURS,
    STATEMENT_COLOURS,
    failure_text,
    label,
    progress_text,
    side_total,
    size,
    what_differs,
)
from reconciliation.matching.reconcile import run_again
from reconciliation.services import upload_statement
from reconciliation.statements.fetching import fetch_statement, layout_for
from reconciliation.statements.models import CarriedRecord, Statement

PIECE_BYTES = 1024 * 1024


class UploadForm(forms.Form):
    account = forms.ChoiceField(label=_("Gateway account"), widget=UnfoldAdminSelectWidget)
    day = forms.DateField(label=_("Day"), widget=UnfoldAdminDateWidget, help_text=_("Of the provider's calendar."))
    file = forms.FileField(label=_("File"), widget=UnfoldAdminFileFieldWidget)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        choices = [(row.id, row.name) for row in GatewayAccount.objects.order_by("name") if layout_for(row)]
        self.fields["account"] = forms.ChoiceField(
            label=_("Gateway account"), choices=choices, widget=UnfoldAdminSelectWidget
        )


@admin.register(Statement, site=ops_site)
class StatementAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("day", "account", "state", "progress", "theirs", "ours", "differences", "received")
    list_display_links = ("day",)
    list_select_related = ("gateway_account",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("gateway_account", RelatedDropdownFilter),
        ("day", RangeDateFilter),
    )
    searches: ClassVar = {"stm_": ("id",), "gwa_": ("gateway_account_id",)}
    search_help_text = _("Id of a statement or a gateway account")
    ordering = ("-day", "-id")
    fieldsets = (
        (None, {"fields": (("id", "state"), ("account", "day"), ("progress", "is_provisional"))}),
        (
            _("File"),
            {"fields": (("revision", "received_at"), ("failure", "last_problem"), ("attempts", "next_attempt_at"))},
        ),
        (_("Comparison"), {"fields": (("theirs", "ours"), ("matched_lines", "carried_records"), "matched_at")}),
    )
    actions_detail = ("ask_now", "compare_again")
    actions_list = ("upload",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        rows: QuerySet[Any] = super().get_queryset(request)
        unresolved = Count("discrepancies", filter=~Q(discrepancies__status="resolved"))
        counted: QuerySet[Any] = rows.annotate(unresolved=unresolved)
        return counted

    @admin.display(description=_("Gateway account"), ordering="gateway_account__name")
    def account(self, statement: Statement) -> str:
        return statement.gateway_account.name

    @admin.display(description=_("Status"), ordering="status")
    def state(self, statement: Statement) -> SafeString:
        return label(statement.status, str(statement.get_status_display()), STATEMENT_COLOURS)

    @admin.display(description=_("Progress"))
    def progress(self, statement: Statement) -> str:
        return progress_text(statement)

    @admin.display(description=_("Statement comes to"))
    def theirs(self, statement: Statement) -> SafeString | str:
        return side_total(statement, "theirs")

    @admin.display(description=_("Our books come to"))
    def ours(self, statement: Statement) -> SafeString | str:
        return side_total(statement, "ours")

    @admin.display(description=_("Unresolved"))
    def differences(self, statement: Any) -> int:
        return int(statement.unresolved)

    @admin.display(description=_("Received"), ordering="received_at")
    def received(self, statement: Statement) -> SafeString | str:
        return moment(statement.received_at)

    @admin.display(description=_("Why it cannot be read"))
    def failure(self, statement: Statement) -> str:
        return failure_text(statement)

    def panels(self, request: HttpRequest, row: Statement) -> Sequence[Panel]:
        return (
            _totals_panel(row),
            _discrepancies_panel(row),
            _carried_panel(row),
            _files_panel(row),
            events_panel([row.id], site="ops"),
        )

    def fitting_actions(self, row: Statement) -> Collection[str]:
        return {"ask_now", "compare_again"} if row.revision else {"ask_now"}

    def has_upload_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("reconciliation.add_statement"))

    @asks_first(
        title=_("Ask the provider now"),
        text=_("Fetches the statement. The same file again changes nothing; another one is a new revision."),
        submit=_("Ask"),
        permission="operate",
        icon="download",
    )
    def ask_now(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        statement = self.require_row(request, object_id)
        return self.carry_out(
            request,
            statement,
            lambda: fetch_statement(statement.id, now=database_now()),
            done=lambda answer: (
                gettext("The statement is here and will be compared.")
                if answer.revision
                else gettext("The provider does not have it yet. It is asked for again.")
            ),
        )

    @asks_first(
        title=_("Compare again"),
        text=_("Compares the newest file with our records anew. What was decided stays decided."),
        submit=_("Compare again"),
        permission="operate",
        icon="refresh",
        variant=ActionVariant.PRIMARY,
    )
    def compare_again(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        statement = self.require_row(request, object_id)
        return self.carry_out(
            request,
            statement,
            lambda: run_again(statement.id),
            done=lambda answer: gettext("The statement will be compared again in a moment."),
        )

    @action(description=_("Upload a statement"), url_path="upload", permissions=["upload"], icon="upload")  # type: ignore[untyped-decorator]
    def upload(self, request: HttpRequest) -> HttpResponse:
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                statement = upload_statement(
                    form.cleaned_data["account"],
                    form.cleaned_data["day"],
                    _pieces(form.cleaned_data["file"]),
                    uploaded_by=str(request.user.pk),
                )
            except PaycoreError as refusal:
                form.add_error(None, self.refusal_text(refusal))
            else:
                self.log_change(request, statement, gettext("A file was uploaded."))
                self.message_user(request, gettext("The file is here and will be compared."), messages.SUCCESS)
                return HttpResponse(status=303, headers={"Location": self.page_address(statement)})
        request.current_app = self.admin_site.name
        context = {**self.admin_site.each_context(request), "title": _("Upload a statement"), "form": form}
        context |= {"opts": self.opts, "list_address": self.list_address(), "submit": _("Upload")}
        context["note"] = _(
            "The same file again changes nothing. Another file for a day that has one is a new revision: the day is"
            " compared anew."
        )
        return TemplateResponse(request, "admin/reconciliation/upload.html", context)


@admin.register(CarriedRecord, site=ops_site)
class CarriedRecordAdmin(MoneyPage, ReadOnlyAdmin):
    """What was near the end of a day and is looked for in the next day's statement."""

    list_display = ("reference", "status", "account", "day", "amount", "misses")
    list_select_related = ("gateway_account",)
    list_filter = (("status", ChoicesDropdownFilter), ("day", RangeDateFilter))
    searches: ClassVar = {"": ("reference",)}
    search_help_text = _("Reference")
    ordering = ("-id",)
    fields = (("reference", "status"), ("account", "day"), ("amount", "misses"), ("statement", "decided_by"))

    @admin.display(description=_("Gateway account"))
    def account(self, row: CarriedRecord) -> str:
        return row.gateway_account.name

    @admin.display(description=_("Amount"))
    def amount(self, row: CarriedRecord) -> str:
        return money(row.record["amount_minor"], row.record["currency"]) if row.record else "–"


def _pieces(file: Any) -> Iterator[bytes]:
    yield from file.chunks(PIECE_BYTES)


def _totals_panel(statement: Statement) -> Panel:
    rows = [
        (
            name,
            total["count"],
            money(total["taken_minor"], currency),
            money(total["given_back_minor"], currency),
            money(total["fee_minor"], currency),
        )
        for side, name in (("theirs", _("Statement")), ("ours", _("Our books")))
        for currency, total in sorted(statement.totals.get(side, {}).items())
    ]
    headers = (_("Side"), _("Records"), _("Taken"), _("Given back"), _("Fees"))
    return Panel(title=_("Totals"), headers=headers, rows=rows, numbers={1, 2, 3, 4}, empty=_("Not compared yet."))


def _discrepancies_panel(statement: Statement) -> Panel:
    rows = [
        (
            page_link("ops", "reconciliation_discrepancy", row.id),
            what_differs(row),
            label(row.status, str(row.get_status_display()), DISCREPANCY_COLOURS),
            row.reference,
            size(row),
        )
        for row in statement.discrepancies.order_by("status", "id")[:NEWEST]
    ]
    headers = (_("Discrepancy"), _("What"), _("Status"), _("Reference"), pgettext_lazy("discrepancy", "Size"))
    return Panel(title=_("Discrepancies"), headers=headers, rows=rows, numbers={4}, empty=_("Both sides agree."))


def _carried_panel(statement: Statement) -> Panel:
    rows = [(row.reference, row.get_status_display(), row.day) for row in statement.carried.order_by("id")[:NEWEST]]
    headers = (_("Reference"), _("Status"), _("Day"))
    return Panel(title=_("Carried over"), headers=headers, rows=rows, empty=_("Nothing is a matter of another day."))


def _files_panel(statement: Statement) -> Panel:
    rows = [
        (
            file.revision,
            file.get_source_display(),
            f"{file.size_bytes:,}",
            bytes(file.sha256).hex()[:16] + "…",
            moment(file.received_at),
        )
        for file in statement.files.order_by("-revision")[:NEWEST]
    ]
    headers = (_("Revision"), _("Source"), _("Bytes"), "SHA-256", _("Received"))
    return Panel(title=_("Files"), headers=headers, rows=rows, numbers={2}, empty=_("None has come."))
