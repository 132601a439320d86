"""Refunds that a membership promised, for staff: what did not reach the payer is owed until somebody decides."""

from collections.abc import Collection
from typing import ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from memberships.models import PromisedRefund
from memberships.subscriptions.promises import give_as_credit, keep, send_again
from paycore.sites import ops_site
from paycore.sites.columns import money, page_link, tag
from paycore.sites.pages import moment
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import object_link
from payments.admin.filters import CurrencyFilter, MadeBetweenFilter
from payments.admin.pages import ConfirmForm, MoneyPage, asks_first

_COLOURS = {"sent": "info", "done": "success", "owed": "danger"}


class WhyKeptForm(ConfirmForm):
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 3}))


@admin.register(PromisedRefund, site=ops_site)
class PromisedRefundAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "state", "kind", "member", "amount_shown", "refund_shown", "made")
    list_select_related = ("user",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        CurrencyFilter,
        ("created_at", MadeBetweenFilter),
    )
    searches: ClassVar = {
        "prf_": ("pk",),
        "ref_": ("refund_id",),
        "sub_": ("subscription_id",),
        "usr_": ("user_id",),
        "inv_": ("invoice_id",),
        "": ("invoice__number", "user__email"),
    }
    search_help_text = _(
        "Id of it, its refund, subscription, invoice or user, an invoice's number, or an e-mail address"
    )
    ordering = ("-id",)
    fields = (
        ("id", "state"),
        ("kind", "amount_shown"),
        ("member", "subscription"),
        ("invoice", "refund_shown"),
        ("decided_by", "decided"),
        ("reason", "made"),
    )
    actions_detail = ("again", "credit", "keep_it")

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: PromisedRefund) -> SafeString:
        return tag(row.get_status_display(), _COLOURS.get(row.status, "default"))

    @admin.display(description=_("Member"))
    def member(self, row: PromisedRefund) -> SafeString:
        return page_link("ops", "accounts_user", row.user_id, text=row.user.email or row.user_id)

    @admin.display(description=_("Amount"))
    def amount_shown(self, row: PromisedRefund) -> str:
        return money(row.amount_minor, row.currency)

    @admin.display(description=_("Refund"))
    def refund_shown(self, row: PromisedRefund) -> SafeString | str:
        return object_link("ops", row.refund_id)

    @admin.display(description=_("Decided"))
    def decided(self, row: PromisedRefund) -> SafeString | str:
        return moment(row.decided_at)

    def fitting_actions(self, row: PromisedRefund) -> Collection[str]:
        return {"again", "credit", "keep_it"} if row.status == PromisedRefund.Status.OWED else ()

    @asks_first(
        title=_("Send again"),
        text=_("The same payment is refunded once more. Above the limit another person reviews it first."),
        submit=_("Send again"),
        permission="operate",
        icon="undo",
        variant=ActionVariant.PRIMARY,
    )
    def again(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: send_again(row.pk, by=str(request.user.pk)),
            done=lambda refund: gettext("The refund %(refund)s was asked for.") % {"refund": refund.id},
        )

    @asks_first(
        title=_("Give as credit"),
        text=_("It pays the member's next period, or their next membership."),
        submit=_("Give as credit"),
        permission="operate",
        icon="savings",
    )
    def credit(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: give_as_credit(row.pk, by=str(request.user.pk)),
            done=lambda _nothing: gettext("It is the member's credit now."),
        )

    @asks_first(
        title=_("Keep"),
        text=_("It is not given back after all. Say why."),
        submit=_("Keep"),
        permission="operate",
        icon="block",
        variant=ActionVariant.DANGER,
        form=WhyKeptForm,
    )
    def keep_it(self, request: HttpRequest, form: WhyKeptForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: keep(row.pk, reason=form.cleaned_data["reason"], by=str(request.user.pk)),
            done=lambda _nothing: gettext("Nothing is owed here any more."),
        )
