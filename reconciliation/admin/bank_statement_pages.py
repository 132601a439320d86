"""Bank statements, for staff: files brought by hand, what they brought, and why one was refused."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter, RelatedDropdownFilter
from unfold.decorators import action
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from paycore.errors import PaycoreError
from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import money, object_link, page_link
from payments.admin.pages import MoneyPage, Panel
from payments.admin.panels import NEWEST, events_panel
from payments.gateways.bank_transfer import BankTransferGateway
from payments.routing.models import GatewayAccount
from reconciliation.admin.columns import label
from reconciliation.banking.lines import BankFileRefused
from reconciliation.banking.models import BankEntry, BankStatement
from reconciliation.banking.receiving import store_bank_file

STATEMENT_COLOURS = {"received": "info", "read": "success", "refused": "danger"}
ENTRY_COLOURS = {"received": "info", "open": "warning", "done": "success"}
PIECE_BYTES = 1024 * 1024


def bank_account_field() -> forms.ChoiceField:
    rows = GatewayAccount.objects.filter(gateway=BankTransferGateway.name).order_by("name")
    choices = [(row.id, row.name) for row in rows]
    return forms.ChoiceField(label=_("Bank account"), choices=choices, widget=UnfoldAdminSelectWidget)


class BankFileForm(forms.Form):
    account = forms.ChoiceField(label=_("Bank account"), widget=UnfoldAdminSelectWidget)
    file = forms.FileField(
        label=_("File"), widget=UnfoldAdminFileFieldWidget, help_text=_("MT940 or camt.053, at most 16 MB.")
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["account"] = bank_account_field()


def signed(entry: BankEntry) -> str:
    return money(entry.amount_minor if entry.is_credit else -entry.amount_minor, entry.currency)


@admin.register(BankStatement, site=ops_site)
class BankStatementAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "account", "state", "progress", "file_name", "made")
    list_select_related = ("gateway_account",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("gateway_account", RelatedDropdownFilter),
        ("created_at", RangeDateTimeFilter),
    )
    searches: ClassVar = {
        "bst_": ("id",),
        "gwa_": ("gateway_account_id",),
        "usr_": ("uploaded_by",),
        "": ("file_name", "sha256"),
    }
    search_help_text = _("Id of a bank statement, account or person, or a whole file name")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "state"), ("account", "progress"), ("why_refused", "next_attempt_at"))}),
        (_("File"), {"fields": (("file_name", "format"), ("size_bytes", "sha256"), ("brought_by", "created_at"))}),
    )
    actions_list = ("upload",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        rows: QuerySet[Any] = super().get_queryset(request).defer("body").annotate(settled=_settled())
        return rows

    @admin.display(description=_("Bank account"), ordering="gateway_account__name")
    def account(self, row: BankStatement) -> str:
        return row.gateway_account.name

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: BankStatement) -> SafeString:
        return label(row.status, str(row.get_status_display()), STATEMENT_COLOURS)

    @admin.display(description=_("Progress"))
    def progress(self, row: Any) -> str:
        if row.status != BankStatement.Status.READ:
            return "–"
        facts = {"lines": row.lines_read, "new": row.lines_new, "settled": row.settled}
        return gettext("%(lines)d lines, %(new)d new, %(settled)d looked at") % facts

    @admin.display(description=_("Why it was refused"))
    def why_refused(self, row: BankStatement) -> str:
        if not row.failure_code:
            return "–"
        text = str(BankFileRefused.CODES.get(row.failure_code, row.failure_code))
        return f"{text} {row.failure_detail}".strip()

    @admin.display(description=_("Uploaded by"))
    def brought_by(self, row: BankStatement) -> SafeString | str:
        return object_link("ops", row.uploaded_by) if row.uploaded_by else "–"

    def panels(self, request: HttpRequest, row: BankStatement) -> Sequence[Panel]:
        return _entries_panel(row), events_panel([row.id], site="ops")

    def has_upload_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("reconciliation.add_bankstatement"))

    @action(description=_("Upload a bank statement"), url_path="upload", permissions=["upload"], icon="upload")  # type: ignore[untyped-decorator]  # Unfold ships no types
    def upload(self, request: HttpRequest) -> HttpResponse:
        form = BankFileForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            file = form.cleaned_data["file"]
            try:
                statement = store_bank_file(
                    form.cleaned_data["account"],
                    file.chunks(PIECE_BYTES),
                    file_name=file.name,
                    uploaded_by=str(request.user.pk),
                )
            except PaycoreError as refusal:
                form.add_error(None, self.refusal_text(refusal))
            else:
                self.log_change(request, statement, gettext("A file was uploaded."))
                self.message_user(request, gettext("The file is here and will be read in a moment."), messages.SUCCESS)
                return HttpResponse(status=303, headers={"Location": self.page_address(statement)})
        request.current_app = self.admin_site.name
        context = {**self.admin_site.each_context(request), "title": _("Upload a bank statement"), "form": form}
        context |= {"opts": self.opts, "list_address": self.list_address(), "submit": _("Upload")}
        context["note"] = _("The same file again changes nothing, and a line that is in two files counts once.")
        return TemplateResponse(request, "admin/reconciliation/upload.html", context)


def _settled() -> Count:
    return Count("entries", filter=~Q(entries__status="received"))


def _entries_panel(statement: BankStatement) -> Panel:
    rows = [
        (
            page_link("ops", "reconciliation_bankentry", entry.id),
            entry.booked_on,
            signed(entry),
            label(entry.status, str(entry.get_status_display()), ENTRY_COLOURS),
            entry.get_question_display() if entry.question else "–",
            object_link("ops", entry.payment_id) if entry.payment_id else "–",
        )
        for entry in statement.entries.order_by("position")[:NEWEST]
    ]
    headers = (_("Bank line"), _("Booked"), _("Amount"), _("Status"), _("Open question"), _("Payment"))
    return Panel(title=_("New lines"), headers=headers, rows=rows, numbers={2}, empty=_("None that was not known."))
