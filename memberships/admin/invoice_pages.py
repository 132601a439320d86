"""Invoices, credit notes and voided invoices, for staff."""

from collections.abc import Collection, Sequence
from typing import ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from memberships.admin.deed_pages import opens_page
from memberships.invoices.documents import print_credit_note, print_invoice
from memberships.invoices.pages import pdf_response
from memberships.invoices.queries import get_credit_note, get_invoice
from memberships.invoices.voiding import agree_to_void, ask_to_void, may_be_voided, refuse_to_void
from memberships.models import CreditNote, Invoice, InvoiceVoiding, MemberAction
from paycore.sites import ops_site
from paycore.sites.columns import money, page_link, tag
from paycore.sites.dialogs import ConfirmForm, asks_first
from paycore.sites.pages import Panel, moment
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import object_link
from payments.admin.filters import CurrencyFilter
from payments.admin.pages import MoneyPage

_COLOURS = {"open": "info", "paid": "success", "void": "default", "uncollectible": "danger"}
_VOIDING_COLOURS = {"waiting": "warning", "done": "default", "rejected": "danger"}


class ReasonForm(ConfirmForm):
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 3}))


@admin.register(Invoice, site=ops_site)
class InvoiceAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("number", "member", "kind", "state", "total_shown", "due_shown", "country", "issued")
    list_select_related = ("user",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        CurrencyFilter,
        ("issued_at", RangeDateTimeFilter),
    )
    searches: ClassVar = {
        "inv_": ("pk",),
        "ord_": ("order_id",),
        "sub_": ("subscription_id",),
        "usr_": ("user_id",),
        "": ("number", "user__email"),
    }
    search_help_text = _("Number of the invoice, id of it, its order, subscription or user, or the e-mail address")
    ordering = ("-id",)
    fields = (
        ("number", "state"),
        ("kind", "member"),
        ("total_shown", "due_shown"),
        ("tax_shown", "credit_shown"),
        ("order_shown", "subscription_shown"),
        ("issued", "paid_shown"),
    )
    actions_detail = ("pdf", "void", "forgive")

    @admin.display(description=_("Member"))
    def member(self, invoice: Invoice) -> SafeString:
        user = invoice.user
        return page_link("ops", "accounts_user", user.pk, text=user.email or user.name or user.pk)

    @admin.display(description=_("Status"), ordering="status")
    def state(self, invoice: Invoice) -> SafeString:
        return tag(invoice.get_status_display(), _COLOURS[invoice.status])

    @admin.display(description=_("Total"))
    def total_shown(self, invoice: Invoice) -> str:
        return money(invoice.total_minor, invoice.currency)

    @admin.display(description=_("To pay"))
    def due_shown(self, invoice: Invoice) -> str:
        return money(invoice.due_minor, invoice.currency)

    @admin.display(description=_("Tax"))
    def tax_shown(self, invoice: Invoice) -> str:
        return money(invoice.tax_minor, invoice.currency)

    @admin.display(description=_("Paid by credit"))
    def credit_shown(self, invoice: Invoice) -> str:
        return money(invoice.credit_minor, invoice.currency)

    @admin.display(description=_("Order"))
    def order_shown(self, invoice: Invoice) -> SafeString | str:
        return object_link("ops", invoice.order_id) if invoice.order_id else "–"

    @admin.display(description=_("Subscription"))
    def subscription_shown(self, invoice: Invoice) -> SafeString | str:
        if invoice.subscription_id is None:
            return "–"
        return page_link("ops", "memberships_subscription", invoice.subscription_id)

    @admin.display(description=_("Issued"), ordering="pk")
    def issued(self, invoice: Invoice) -> SafeString | str:
        return moment(invoice.issued_at)

    @admin.display(description=_("Paid"))
    def paid_shown(self, invoice: Invoice) -> SafeString | str:
        return moment(invoice.paid_at)

    def panels(self, request: HttpRequest, row: Invoice) -> Sequence[Panel]:
        return _lines_panel(row), _earning_panel(row), _notes_panel(row), _voidings_panel(row)

    def fitting_actions(self, row: Invoice) -> Collection[str]:
        if row.kind == Invoice.Kind.RENEWAL and row.status == Invoice.Status.OPEN:
            return {"pdf", "forgive"}
        return {"pdf", "void"} if may_be_voided(row) else {"pdf"}

    @action(description=_("Invoice as PDF"), permissions=["view"], icon="picture_as_pdf")  # type: ignore[untyped-decorator]
    def pdf(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return pdf_response(print_invoice(get_invoice(self.require_row(request, object_id).pk)))

    @asks_first(
        title=_("Void"),
        text=_("The member need not pay it any more. Above the limit another person decides."),
        submit=_("Void"),
        permission="operate",
        icon="block",
        variant=ActionVariant.DANGER,
        form=ReasonForm,
    )
    def void(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: ask_to_void(row.pk, reason=form.cleaned_data["reason"], by=str(request.user.pk)),
            done=_after_asking,
        )

    @opens_page(title=_("Forgive the open period"), icon="volunteer_activism")
    def forgive(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The deed of its subscription: looked at, with a reason, by two people above the limit."""
        row = self.require_row(request, object_id)
        address = reverse("ops:memberships_subscription_deed", args=[MemberAction.Kind.FORGIVE])
        return HttpResponseRedirect(f"{address}?id__in={row.subscription_id}")


@admin.register(CreditNote, site=ops_site)
class CreditNoteAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("number", "member", "source", "invoice_shown", "total_shown", "tax_shown", "issued")
    list_select_related = ("user", "invoice")
    list_filter = (("source", ChoicesDropdownFilter), CurrencyFilter, ("issued_at", RangeDateTimeFilter))
    searches: ClassVar = {
        "crn_": ("pk",),
        "inv_": ("invoice_id",),
        "usr_": ("user_id",),
        "ref_": ("source_id",),
        "dsp_": ("source_id",),
        "": ("number", "invoice__number", "user__email"),
    }
    search_help_text = _("Number of the note or invoice, id of it, the refund, dispute or user, or the e-mail address")
    ordering = ("-id",)
    fields = (
        ("number", "source"),
        ("member", "invoice_shown"),
        ("total_shown", "tax_shown"),
        ("credit_shown", "because"),
        ("issued", "void_shown"),
    )
    actions_detail = ("pdf",)

    @admin.display(description=_("Member"))
    def member(self, note: CreditNote) -> SafeString:
        return page_link("ops", "accounts_user", note.user_id, text=note.user.email or note.user_id)

    @admin.display(description=_("Invoice"))
    def invoice_shown(self, note: CreditNote) -> SafeString:
        return page_link("ops", "memberships_invoice", note.invoice_id, text=note.invoice.number)

    @admin.display(description=_("Refund or dispute"))
    def because(self, note: CreditNote) -> SafeString | str:
        return object_link("ops", note.source_id.partition(":")[0])

    @admin.display(description=_("Total"))
    def total_shown(self, note: CreditNote) -> str:
        return money(note.total_minor, note.currency)

    @admin.display(description=_("Tax"))
    def tax_shown(self, note: CreditNote) -> str:
        return money(note.tax_minor, note.currency)

    @admin.display(description=_("Of this, credit again"))
    def credit_shown(self, note: CreditNote) -> str:
        return money(note.credit_minor, note.currency)

    @admin.display(description=_("Issued"), ordering="pk")
    def issued(self, note: CreditNote) -> SafeString | str:
        return moment(note.issued_at)

    @admin.display(description=_("Void since"))
    def void_shown(self, note: CreditNote) -> SafeString | str:
        return moment(note.voided_at)

    def fitting_actions(self, row: CreditNote) -> Collection[str]:
        return {"pdf"}

    @action(description=_("Credit note as PDF"), permissions=["view"], icon="picture_as_pdf")  # type: ignore[untyped-decorator]
    def pdf(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return pdf_response(print_credit_note(get_credit_note(self.require_row(request, object_id).pk)))


@admin.register(InvoiceVoiding, site=ops_site)
class InvoiceVoidingAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("invoice_shown", "total_shown", "state", "reason", "asked_by", "decided_by", "made")
    list_select_related = ("invoice",)
    list_filter = (("status", ChoicesDropdownFilter), "needs_second_person")
    searches: ClassVar = {"ivv_": ("pk",), "inv_": ("invoice_id",), "": ("invoice__number",)}
    search_help_text = _("Number or id of the invoice")
    ordering = ("-id",)
    fields = (("invoice_shown", "total_shown"), ("state", "needs_second_person"), "reason", ("asked_by", "decided_by"))
    actions_detail = ("agree", "refuse")

    @admin.display(description=_("Invoice"))
    def invoice_shown(self, voiding: InvoiceVoiding) -> SafeString:
        return page_link("ops", "memberships_invoice", voiding.invoice_id, text=voiding.invoice.number)

    @admin.display(description=_("Total"))
    def total_shown(self, voiding: InvoiceVoiding) -> str:
        return money(voiding.invoice.total_minor, voiding.invoice.currency)

    @admin.display(description=_("Status"), ordering="status")
    def state(self, voiding: InvoiceVoiding) -> SafeString:
        return tag(voiding.get_status_display(), _VOIDING_COLOURS[voiding.status])

    def fitting_actions(self, row: InvoiceVoiding) -> Collection[str]:
        return {"agree", "refuse"} if row.status == InvoiceVoiding.Status.WAITING else ()

    @asks_first(
        title=_("Agree"),
        text=_("The invoice is voided and its order canceled."),
        submit=_("Agree"),
        permission="operate",
        icon="check",
        variant=ActionVariant.PRIMARY,
    )
    def agree(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: agree_to_void(row.pk, by=str(request.user.pk)),
            done=lambda _voiding: gettext("The invoice is voided."),
        )

    @asks_first(
        title=_("Refuse"),
        text=_("The invoice stays as it is."),
        submit=_("Refuse"),
        permission="operate",
        icon="close",
        variant=ActionVariant.DANGER,
    )
    def refuse(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: refuse_to_void(row.pk, by=str(request.user.pk)),
            done=lambda _voiding: gettext("The invoice stays as it is."),
        )


def _after_asking(voiding: InvoiceVoiding) -> str:
    if voiding.status == InvoiceVoiding.Status.WAITING:
        return gettext("Another person must decide it.")
    return gettext("The invoice is voided.")


def _lines_panel(invoice: Invoice) -> Panel:
    rows = [
        (
            line["description"],
            line["quantity"],
            money(line["amount_minor"], invoice.currency),
            money(line["discount_minor"], invoice.currency),
            money(line["net_minor"], invoice.currency),
            money(line["tax_minor"], invoice.currency),
        )
        for line in invoice.lines
    ]
    headers = (_("Description"), _("Quantity"), _("Price"), _("Discount"), _("Net"), _("Tax"))
    return Panel(title=_("Lines"), headers=headers, rows=rows, numbers={1, 2, 3, 4, 5})


def _earning_panel(invoice: Invoice) -> Panel:
    rows = [
        (
            row.line + 1,
            money(row.total_minor, row.currency),
            money(row.recognised_minor, row.currency),
            gettext("Held") if row.is_held else moment(row.base_at),
            "–" if row.is_held else moment(row.ends_at),
        )
        for row in invoice.schedules.order_by("line")
    ]
    headers = (_("Line"), _("Total"), _("Recognised"), pgettext_lazy("membership", "From"), _("Until"))
    return Panel(title=_("When it is earned"), headers=headers, rows=rows, numbers={1, 2})


def _notes_panel(invoice: Invoice) -> Panel:
    rows = [
        (
            page_link("ops", "memberships_creditnote", note.pk, text=note.number),
            note.get_source_display(),
            money(note.total_minor, note.currency),
            moment(note.issued_at),
            moment(note.voided_at),
        )
        for note in invoice.credit_notes.order_by("id")
    ]
    headers = (_("Credit note"), _("Because of"), _("Total"), _("Issued"), _("Void since"))
    return Panel(title=_("Credit notes"), headers=headers, rows=rows, numbers={2})


def _voidings_panel(invoice: Invoice) -> Panel:
    rows = [
        (
            page_link("ops", "memberships_invoicevoiding", voiding.pk, text=voiding.get_status_display()),
            voiding.reason,
            voiding.asked_by,
            voiding.decided_by or "–",
        )
        for voiding in invoice.voidings.order_by("-id")
    ]
    headers = (_("Status"), _("Reason"), _("Asked by"), _("Decided by"))
    return Panel(title=_("Wishes to void it"), headers=headers, rows=rows)
