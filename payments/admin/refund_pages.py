"""Refunds, for staff: those that wait for a decision first."""

from collections.abc import Collection, Sequence
from typing import ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Case, When
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import truncatechars
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import money, state_label
from payments.admin.filters import CurrencyFilter, MadeBetweenFilter
from payments.admin.pages import ConfirmForm, MoneyPage, Panel, asks_first
from payments.admin.panels import events_panel, evidence_panel, transfers_panel
from payments.admin.timeline import timeline_panel
from payments.orders.models import Refund
from payments.orders.refunds import approve_refund, reject_refund


class RefundColumns(MoneyPage):
    """How a refund's facts look, on both consoles."""

    @admin.display(description=_("Status"), ordering="status")
    def state(self, refund: Refund) -> SafeString:
        return state_label(refund.status, refund.get_status_display())

    @admin.display(description=_("Amount"), ordering="amount_minor")
    def total(self, refund: Refund) -> str:
        return money(refund.amount_minor, refund.currency)

    @admin.display(description=_("Reason"))
    def short_reason(self, refund: Refund) -> str:
        return truncatechars(refund.reason, 60)


class ApprovalForm(ConfirmForm):
    note = forms.CharField(
        label=_("Note"), required=False, max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 3})
    )


class RejectionForm(ConfirmForm):
    note = forms.CharField(
        label=_("Reason"),
        max_length=300,
        help_text=_("The merchant reads it."),
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


@admin.register(Refund, site=ops_site)
class RefundAdmin(RefundColumns, ReadOnlyAdmin):
    list_display = ("id", "state", "total", "merchant", "short_reason", "made")
    list_select_related = ("payment__order__merchant",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        CurrencyFilter,
        ("payment__order__merchant", AutocompleteSelectFilter),
        ("created_at", MadeBetweenFilter),
    )
    searches: ClassVar = {
        "ref_": ("id", "gateway_reference"),
        "pay_": ("payment_id",),
        "ord_": ("payment__order_id",),
        "": ("gateway_reference", "payment__order__merchant_order_number"),
    }
    search_help_text = _("Id of a refund, payment or order, the gateway's reference or the merchant's order number")
    ordering = (Case(When(status=Refund.Status.REQUESTED, then=0), default=1), "-id")
    fieldsets = (
        (None, {"fields": (("id", "state"), ("total", "payment"), "reason")}),
        (_("Who decided"), {"fields": (("requested_by", "reviewed_by"), "review_note")}),
        (_("At the gateway"), {"fields": (("gateway_reference", "failure_code"), ("attempts", "next_attempt_at"))}),
        (_("Dates"), {"fields": (("created_at", "succeeded_at"),)}),
    )
    actions_detail = ("approve", "reject")

    @admin.display(description=_("Merchant"))
    def merchant(self, refund: Refund) -> str:
        return refund.payment.order.merchant.name

    def panels(self, request: HttpRequest, row: Refund) -> Sequence[Panel]:
        shown = [timeline_panel(row, is_staff=True), evidence_panel(row.id)]
        if request.user.has_perm("payments.view_transfer"):
            shown.append(transfers_panel([("refund", row.id)]))
        return [*shown, events_panel([row.id], site="ops")]

    def fitting_actions(self, row: Refund) -> Collection[str]:
        return {"approve", "reject"} if row.status == Refund.Status.REQUESTED else ()

    @asks_first(
        title=_("Approve"),
        text=_("The money goes back to the payer. This cannot be taken back."),
        submit=_("Approve"),
        permission="operate",
        icon="check",
        variant=ActionVariant.PRIMARY,
        form=ApprovalForm,
    )
    def approve(self, request: HttpRequest, form: ApprovalForm, object_id: str) -> HttpResponse:
        refund = self.require_row(request, object_id)
        return self.carry_out(
            request,
            refund,
            lambda: approve_refund(refund.id, reviewed_by=str(request.user.pk), note=form.cleaned_data["note"]),
            done=lambda answer: gettext("The refund was approved and is being sent."),
        )

    @asks_first(
        title=_("Reject"),
        text=_("The money stays where it is, and can be asked for again."),
        submit=_("Reject"),
        permission="operate",
        icon="close",
        variant=ActionVariant.DANGER,
        form=RejectionForm,
    )
    def reject(self, request: HttpRequest, form: RejectionForm, object_id: str) -> HttpResponse:
        refund = self.require_row(request, object_id)
        return self.carry_out(
            request,
            refund,
            lambda: reject_refund(refund.id, reviewed_by=str(request.user.pk), note=form.cleaned_data["note"]),
            done=lambda answer: gettext("The refund was rejected."),
        )
