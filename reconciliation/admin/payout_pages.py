"""Payouts by bank transfer, for staff: what is owed to whom, and the files that two people send."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    BooleanRadioFilter,
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget

from paycore.clock import database_now
from paycore.errors import PaycoreError
from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import money, object_link, page_link
from payments.admin.pages import ConfirmForm, MoneyPage, Panel, asks_first
from payments.admin.panels import events_panel
from reconciliation.admin.bank_forms import AccountForm, ReleaseForm
from reconciliation.admin.bank_statement_pages import bank_account_field
from reconciliation.admin.columns import label
from reconciliation.banking.payout_files import discard_payout_file, make_payout_file, release_payout_file
from reconciliation.banking.payout_models import Payout, PayoutBatch
from reconciliation.banking.payouts import cancel_payout, collect_payouts, give_account

PAYOUT_COLOURS = {
    "waiting": "warning",
    "in_file": "info",
    "released": "primary",
    "paid": "success",
    "returned": "danger",
    "canceled": "default",
}
BATCH_COLOURS = {"prepared": "warning", "released": "success", "discarded": "default"}
_SUBJECT_PAGES = {Payout.Kind.RETURN: "reconciliation_bankentry", Payout.Kind.WITHDRAWAL: "payments_walletwithdrawal"}


class AccountChoiceForm(forms.Form):
    account = forms.ChoiceField(label=_("Bank account"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["account"] = bank_account_field()


@admin.register(Payout, site=ops_site)
class PayoutAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "kind", "amount_shown", "state", "creditor", "has_account", "account", "made")
    list_select_related = ("gateway_account",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("has_account", BooleanRadioFilter),
        ("gateway_account", RelatedDropdownFilter),
        ("created_at", RangeDateTimeFilter),
    )
    searches: ClassVar = {
        "pyo_": ("id",),
        "PYO": ("end_to_end_id",),
        "pob_": ("batch_id",),
        "": ("subject_id",),
    }
    search_help_text = _("Id of a payout, its file, or the refund, bank line or withdrawal it is for")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "state"), ("kind", "about"), ("amount_shown", "account"))}),
        (_("To"), {"fields": (("creditor", "creditor_iban"), ("has_account", "given_by"))}),
        (_("File"), {"fields": (("file_link", "end_to_end_id"), ("created_at", "paid_at"))}),
    )
    actions_detail = ("enter_account", "cancel")

    @admin.display(description=_("Amount"), ordering="amount_minor")
    def amount_shown(self, row: Payout) -> str:
        return money(row.amount_minor, row.currency)

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: Payout) -> SafeString:
        return label(row.status, str(row.get_status_display()), PAYOUT_COLOURS)

    @admin.display(description=_("To"))
    def creditor(self, row: Payout) -> str:
        return row.creditor_name or "–"

    @admin.display(description=_("Bank account"), ordering="gateway_account__name")
    def account(self, row: Payout) -> str:
        return row.gateway_account.name

    @admin.display(description=_("About"))
    def about(self, row: Payout) -> SafeString | str:
        page = _SUBJECT_PAGES.get(Payout.Kind(row.kind))
        return page_link("ops", page, row.subject_id) if page else object_link("ops", row.subject_id)

    @admin.display(description=_("Account given by"))
    def given_by(self, row: Payout) -> SafeString | str:
        return object_link("ops", row.account_given_by) if row.account_given_by else "–"

    @admin.display(description=_("Payout file"))
    def file_link(self, row: Payout) -> SafeString | str:
        return page_link("ops", "reconciliation_payoutbatch", row.batch_id) if row.batch_id else "–"

    def panels(self, request: HttpRequest, row: Payout) -> Sequence[Panel]:
        return (events_panel([row.id], site="ops"),)

    def fitting_actions(self, row: Payout) -> Collection[str]:
        if row.status != Payout.Status.WAITING:
            return ()
        return {"enter_account", "cancel"} if row.kind == Payout.Kind.RETURN else {"enter_account"}

    @asks_first(
        title=_("Enter the account"),
        text=_("Where the money shall go. Whoever makes the file and whoever releases it see it as well."),
        submit=_("Save"),
        permission="operate",
        icon="account_balance",
        variant=ActionVariant.PRIMARY,
        form=AccountForm,
    )
    def enter_account(self, request: HttpRequest, form: AccountForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        sent = form.cleaned_data
        return self.carry_out(
            request,
            row,
            lambda: give_account(row.id, name=sent["name"], iban=sent["iban"], given_by=str(request.user.pk)),
            done=lambda answer: gettext("Saved. The payout can go into a file."),
        )

    @asks_first(
        title=_("Call it off"),
        text=_("The money is not sent back, and its bank line is open again."),
        submit=_("Call it off"),
        permission="operate",
        icon="block",
        variant=ActionVariant.DANGER,
    )
    def cancel(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request, row, lambda: cancel_payout(row.id), done=lambda answer: gettext("The payout was called off.")
        )


@admin.register(PayoutBatch, site=ops_site)
class PayoutBatchAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "account", "state", "count", "total_shown", "maker", "releaser", "made")
    list_select_related = ("gateway_account",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("gateway_account", RelatedDropdownFilter),
        ("created_at", RangeDateTimeFilter),
    )
    searches: ClassVar = {"pob_": ("id",), "usr_": ("made_by", "released_by"), "": ("sha256",)}
    search_help_text = _("Id of a payout file or a person, or a file's SHA-256")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "state"), ("account", "total_shown"), ("count", "sha256"))}),
        (_("Who"), {"fields": (("maker", "created_at"), ("releaser", "released_at"))}),
    )
    actions_list = ("make",)
    actions_detail = ("release", "discard", "download")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        rows: QuerySet[Any] = super().get_queryset(request).defer("body")
        return rows

    @admin.display(description=_("Bank account"), ordering="gateway_account__name")
    def account(self, row: PayoutBatch) -> str:
        return row.gateway_account.name

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: PayoutBatch) -> SafeString:
        return label(row.status, str(row.get_status_display()), BATCH_COLOURS)

    @admin.display(description=_("Total"), ordering="total_minor")
    def total_shown(self, row: PayoutBatch) -> str:
        return money(row.total_minor, row.currency)

    @admin.display(description=_("Made by"))
    def maker(self, row: PayoutBatch) -> SafeString | str:
        return object_link("ops", row.made_by)

    @admin.display(description=_("Released by"))
    def releaser(self, row: PayoutBatch) -> SafeString | str:
        return object_link("ops", row.released_by) if row.released_by else "–"

    def panels(self, request: HttpRequest, row: PayoutBatch) -> Sequence[Panel]:
        return _payouts_panel(row), events_panel([row.id], site="ops")

    def fitting_actions(self, row: PayoutBatch) -> Collection[str]:
        if row.status == PayoutBatch.Status.PREPARED:
            return {"release", "discard"}
        return {"download"} if row.status == PayoutBatch.Status.RELEASED else ()

    def has_make_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("reconciliation.add_payoutbatch"))

    def has_release_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("reconciliation.release_payoutbatch"))

    @action(description=_("Make a payout file"), url_path="make", permissions=["make"], icon="note_add")  # type: ignore[untyped-decorator]  # Unfold ships no types
    def make(self, request: HttpRequest) -> HttpResponse:
        form = AccountChoiceForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            collect_payouts()
            try:
                batch = make_payout_file(
                    form.cleaned_data["account"], made_by=str(request.user.pk), today=database_now().date()
                )
            except PaycoreError as refusal:
                form.add_error(None, self.refusal_text(refusal))
            else:
                self.log_change(request, batch, gettext("The file was made."))
                self.message_user(request, gettext("Made. Another person releases it."), messages.SUCCESS)
                return HttpResponse(status=303, headers={"Location": self.page_address(batch)})
        request.current_app = self.admin_site.name
        context = {**self.admin_site.each_context(request), "title": _("Make a payout file"), "form": form}
        context |= {"opts": self.opts, "list_address": self.list_address(), "submit": _("Make the file")}
        context["note"] = _("All payouts of this bank account whose recipient's IBAN is known go into one file.")
        return TemplateResponse(request, "admin/reconciliation/upload.html", context)

    @asks_first(
        title=_("Release"),
        text=_("You looked at every line below. The file can then be downloaded and taken to the bank."),
        submit=_("Release"),
        permission="release",
        icon="check",
        variant=ActionVariant.PRIMARY,
        form=ReleaseForm,
    )
    def release(self, request: HttpRequest, form: ReleaseForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        shown = form.cleaned_data["sha256"]
        return self.carry_out(
            request,
            row,
            lambda: release_payout_file(row.id, sha256=shown, released_by=str(request.user.pk)),
            done=lambda answer: gettext("Released. Download it and take it to the bank."),
        )

    @asks_first(
        title=_("Discard"),
        text=_("Only if the file was never sent: its payouts wait for another one."),
        submit=_("Discard"),
        permission="operate",
        icon="delete",
        variant=ActionVariant.DANGER,
    )
    def discard(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request, row, lambda: discard_payout_file(row.id), done=lambda answer: gettext("The file was discarded.")
        )

    @action(description=_("Download"), url_path="download", permissions=["release"], icon="download")  # type: ignore[untyped-decorator]  # Unfold ships no types
    def download(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        if row.status != PayoutBatch.Status.RELEASED:
            self.message_user(request, gettext("Only a released file can be downloaded."), messages.ERROR)
            return HttpResponse(status=303, headers={"Location": self.page_address(row)})
        self.log_change(request, row, gettext("The file was downloaded."))
        headers = {"Content-Disposition": f'attachment; filename="{row.id}.xml"', "X-Content-Type-Options": "nosniff"}
        return HttpResponse(bytes(row.body), content_type="application/xml", headers=headers)


def _payouts_panel(batch: PayoutBatch) -> Panel:
    rows = [
        (
            page_link("ops", "reconciliation_payout", payout.id),
            payout.get_kind_display(),
            payout.creditor_name,
            payout.creditor_iban,
            money(payout.amount_minor, payout.currency),
            label(payout.status, str(payout.get_status_display()), PAYOUT_COLOURS),
        )
        for payout in batch.payouts.order_by("id")
    ]
    headers = (_("Payout"), _("Kind"), _("To"), _("IBAN"), _("Amount"), _("Status"))
    return Panel(title=_("Payouts"), headers=headers, rows=rows, numbers={4})
