"""Overdue renewals and announced charges, for staff."""

from collections.abc import Collection, Sequence
from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter
from unfold.enums import ActionVariant

from memberships.models import ChargeNotice, Dunning
from memberships.renewals.dunning import dates_of
from memberships.renewals.paying_now import retry_at_once
from paycore.sites import ops_site
from paycore.sites.columns import money
from paycore.sites.pages import Panel, moment
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import object_link, state_label
from payments.admin.filters import MadeBetweenFilter
from payments.admin.pages import ConfirmForm, MoneyPage, asks_first
from payments.orders.failure_texts import failure_text
from payments.orders.models import Payment


@admin.register(Dunning, site=ops_site)
class DunningAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "state", "subscription", "amount", "why", "failures", "step", "next_retry_at", "opened_at")
    list_select_related = ("subscription", "invoice")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("recovered_by", ChoicesDropdownFilter),
        ("is_hopeless", BooleanRadioFilter),
        ("opened_at", MadeBetweenFilter),
    )
    searches: ClassVar = {
        "dun_": ("id",),
        "sub_": ("subscription_id",),
        "usr_": ("subscription__user_id",),
        "inv_": ("invoice_id",),
        "ord_": ("invoice__order_id",),
        "": ("invoice__number", "subscription__user__email", "first_code"),
    }
    search_help_text = _("Id of a subscription, user, invoice or order, an invoice's number, e-mail or failure code")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "state"), ("subscription", "invoice"), ("amount", "recovered_by"))}),
        (_("Failures"), {"fields": (("why", "last_code"), ("failures", "step"), ("is_hopeless", "next_retry_at"))}),
        (_("Dates"), {"fields": (("opened_at", "closed_at"),)}),
    )
    actions_detail = ("retry_now",)

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: Dunning) -> SafeString:
        return state_label(row.status, row.get_status_display())

    @admin.display(description=_("Amount"))
    def amount(self, row: Dunning) -> str:
        return str(money(row.invoice.due_minor, row.invoice.currency))

    @admin.display(description=_("First failure"), ordering="first_code")
    def why(self, row: Dunning) -> str:
        return f"{failure_text(row.first_code).headline} ({row.first_code})"

    def panels(self, request: HttpRequest, row: Dunning) -> Sequence[Panel]:
        attempts = Payment.objects.filter(order_id=row.invoice.order_id).order_by("created_at", "id")
        payments = Panel(
            title=_("Attempts"),
            headers=(_("Payment"), _("Status"), _("Failure"), _("Unasked"), _("Created")),
            rows=[
                (
                    object_link("ops", payment.id),
                    state_label(payment.status, payment.get_status_display()),
                    payment.failure_code or "–",
                    gettext("Yes") if payment.is_off_session else gettext("No"),
                    moment(payment.created_at),
                )
                for payment in attempts
            ],
        )
        dates = Panel(
            title=_("Dates"),
            headers=(_("Step"), _("Attempt or reminder")),
            rows=[
                (str(number), moment(date))
                for number, date in enumerate(dates_of(row, zone=row.subscription.time_zone), start=1)
            ],
        )
        return [payments, dates]

    def fitting_actions(self, row: Dunning) -> Collection[str]:
        return {"retry_now"} if row.status == Dunning.Status.OPEN else ()

    @asks_first(
        title=_("Try again now"),
        text=_("The member's present way to pay is charged once more, unasked, within a few seconds."),
        submit=_("Try now"),
        permission="operate",
        icon="replay",
        variant=ActionVariant.PRIMARY,
        form=ConfirmForm,
    )
    def retry_now(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: retry_at_once(row.subscription_id),
            done=lambda answer: (
                gettext("It is tried again now.") if answer else gettext("Nothing waits for money any more.")
            ),
        )


@admin.register(ChargeNotice, site=ops_site)
class ChargeNoticeAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "state", "subscription", "amount", "charge_at", "attempts", "failure_code", "made")
    list_select_related = ("subscription",)
    list_filter = (("status", ChoicesDropdownFilter), ("charge_at", MadeBetweenFilter))
    searches: ClassVar = {
        "cno_": ("id",),
        "sub_": ("subscription_id",),
        "pm_": ("payment_method_id",),
        "usr_": ("subscription__user_id",),
    }
    search_help_text = _("Id of an announcement, a subscription, a saved method or a user")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "state"), ("subscription", "payment_method"), ("amount", "period_number"))}),
        (_("Dates"), {"fields": (("charge_at", "accepted_at"), ("next_attempt_at", "attempts"), "failure_code")}),
    )

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: ChargeNotice) -> SafeString:
        return state_label(row.status, row.get_status_display())

    @admin.display(description=_("Amount"))
    def amount(self, row: ChargeNotice) -> str:
        return str(money(row.amount_minor, row.currency))
