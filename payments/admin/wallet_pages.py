"""Wallets, what happened to them, and money on its way in and out, for staff."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Case, QuerySet, When
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import moment, money, money_or_none, object_link, page_link, state_label
from payments.admin.filters import CurrencyFilter, MadeBetweenFilter
from payments.admin.pages import ConfirmForm, MoneyPage, Panel, asks_first
from payments.admin.panels import NEWEST, transfers_panel
from payments.wallet.freezing import freeze, unfreeze
from payments.wallet.models import Wallet, WalletOperation, WalletTopUp, WalletWithdrawal
from payments.wallet.queries import holdings, with_balance
from payments.wallet.services import approve_withdrawal, reject_withdrawal


class ReasonForm(ConfirmForm):
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 3}))


class ApprovalForm(ConfirmForm):
    note = forms.CharField(
        label=_("Note"), required=False, max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 3})
    )


class RejectionForm(ConfirmForm):
    note = forms.CharField(
        label=_("Reason"),
        max_length=300,
        help_text=_("The user reads it."),
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


@admin.register(Wallet, site=ops_site)
class WalletAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "user", "currency", "state", "balance", "made")
    list_select_related = ("user",)
    list_filter = (("status", ChoicesDropdownFilter), CurrencyFilter, ("created_at", MadeBetweenFilter))
    searches: ClassVar = {
        "wal_": ("id",),
        "usr_": ("user_id",),
        "wop_": ("operations__id",),
        "wtu_": ("top_ups__id",),
        "wdr_": ("withdrawals__id",),
    }
    search_help_text = _("Id of a wallet, user, operation, top-up or withdrawal")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "state"), ("user", "currency"), ("balance", "held_balance", "withdrawing_balance"))}),
        (_("Frozen"), {"fields": (("frozen_at", "frozen_by"), "frozen_reason")}),
        (_("Dates"), {"fields": ("created_at",)}),
    )
    actions_detail = ("freeze", "unfreeze")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Wallet]":
        return with_balance(super().get_queryset(request))

    @admin.display(description=_("Status"), ordering="status")
    def state(self, wallet: Wallet) -> SafeString:
        return state_label(wallet.status, wallet.get_status_display())

    @admin.display(description=_("Can be spent"), ordering="spendable_minor")
    def balance(self, wallet: Any) -> str:
        return money(wallet.spendable_minor, wallet.currency)

    @admin.display(description=_("Held by merchants"))
    def held_balance(self, wallet: Wallet) -> str:
        return money_or_none(holdings(wallet).held.minor, wallet.currency)

    @admin.display(description=_("On its way to the bank"))
    def withdrawing_balance(self, wallet: Wallet) -> str:
        return money_or_none(holdings(wallet).withdrawing.minor, wallet.currency)

    def panels(self, request: HttpRequest, row: Wallet) -> Sequence[Panel]:
        return operations_panel(row), withdrawals_panel(row), top_ups_panel(row)

    def fitting_actions(self, row: Wallet) -> Collection[str]:
        return {"unfreeze"} if row.is_frozen else {"freeze"}

    @asks_first(
        title=_("Freeze"),
        text=_("Nothing can be paid or withdrawn from this wallet until somebody unfreezes it. Money still comes in."),
        submit=_("Freeze"),
        permission="operate",
        icon="ac_unit",
        variant=ActionVariant.DANGER,
        form=ReasonForm,
    )
    def freeze(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        wallet, reason = self.require_row(request, object_id), form.cleaned_data["reason"]
        return self.carry_out(
            request,
            wallet,
            lambda: freeze(wallet.id, reason=reason, by=str(request.user.pk)),
            done=lambda _wallet: gettext("The wallet is frozen: %(reason)s") % {"reason": reason},
        )

    @asks_first(
        title=_("Unfreeze"),
        text=_("The user can spend and withdraw again."),
        submit=_("Unfreeze"),
        permission="operate",
        icon="lock_open",
        form=ReasonForm,
    )
    def unfreeze(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        wallet, reason = self.require_row(request, object_id), form.cleaned_data["reason"]
        return self.carry_out(
            request,
            wallet,
            lambda: unfreeze(wallet.id, reason=reason, by=str(request.user.pk)),
            done=lambda _wallet: gettext("The wallet is active again: %(reason)s") % {"reason": reason},
        )


@admin.register(WalletOperation, site=ops_site)
class WalletOperationAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "kind", "wallet", "total", "change", "balance_after", "refusal", "made")
    list_filter = (("kind", ChoicesDropdownFilter), CurrencyFilter, ("created_at", MadeBetweenFilter))
    searches: ClassVar = {
        "wop_": ("id",),
        "wal_": ("wallet_id",),
        "usr_": ("wallet__user_id",),
        "": ("reference", "payment_reference"),
    }
    search_help_text = _("Id of an operation, wallet, user, payment, refund, top-up or withdrawal")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "kind"), ("wallet", "total"), ("change", "balance_after"), "refusal")}),
        (_("What it was for"), {"fields": (("about", "payment"), "gateway_account_id")}),
        (_("Dates"), {"fields": ("created_at",)}),
    )

    @admin.display(description=_("Amount"), ordering="amount_minor")
    def total(self, row: WalletOperation) -> str:
        return money(row.amount_minor, row.currency) if row.currency else "–"

    @admin.display(description=_("Change of the balance"), ordering="change_minor")
    def change(self, row: WalletOperation) -> str:
        return money(row.change_minor, row.currency) if row.change_minor else "–"

    @admin.display(description=_("Balance after it"))
    def balance_after(self, row: WalletOperation) -> str:
        return money(row.balance_after_minor, row.currency) if row.currency else "–"

    @admin.display(description=_("For"))
    def about(self, row: WalletOperation) -> SafeString | str:
        return object_link("ops", row.reference)

    @admin.display(description=_("Payment"))
    def payment(self, row: WalletOperation) -> SafeString | str:
        return object_link("ops", row.payment_reference) if row.payment_reference else "–"

    def panels(self, request: HttpRequest, row: WalletOperation) -> Sequence[Panel]:
        may_see = request.user.has_perm("payments.view_transfer")
        return [transfers_panel([("wallet", row.id)])] if may_see else []


@admin.register(WalletTopUp, site=ops_site)
class WalletTopUpAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "state", "total", "wallet", "order", "order_state", "made")
    list_select_related = ("order", "wallet")
    list_filter = (("status", ChoicesDropdownFilter), CurrencyFilter, ("created_at", MadeBetweenFilter))
    searches: ClassVar = {"wtu_": ("id",), "ord_": ("order_id",), "wal_": ("wallet_id",), "usr_": ("wallet__user_id",)}
    search_help_text = _("Id of a top-up, order, wallet or user")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("id", "state"), ("total", "wallet"), ("order", "order_state"))}),
        (_("Dates"), {"fields": (("created_at", "credited_at"),)}),
    )

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: WalletTopUp) -> SafeString:
        return state_label(row.status, row.get_status_display())

    @admin.display(description=_("Amount"), ordering="amount_minor")
    def total(self, row: WalletTopUp) -> str:
        return money(row.amount_minor, row.currency)

    @admin.display(description=_("Order's status"))
    def order_state(self, row: WalletTopUp) -> SafeString:
        return state_label(row.order.status, row.order.get_status_display())


@admin.register(WalletWithdrawal, site=ops_site)
class WalletWithdrawalAdmin(MoneyPage, ReadOnlyAdmin):
    """The IBAN is never shown whole; the holder's name is, for it has to be compared with the user's."""

    list_display = ("id", "state", "total", "wallet", "iban_masked", "batch", "made")
    list_select_related = ("wallet",)
    list_filter = (("status", ChoicesDropdownFilter), CurrencyFilter, ("created_at", MadeBetweenFilter))
    searches: ClassVar = {"wdr_": ("id",), "wal_": ("wallet_id",), "usr_": ("wallet__user_id",), "": ("batch",)}
    search_help_text = _("Id of a withdrawal, wallet or user, or a payout batch")
    ordering = (
        Case(When(status__in=["requested", "half_approved"], then=0), default=1),
        "-id",
    )
    fieldsets = (
        (None, {"fields": (("id", "state"), ("total", "wallet"), ("iban_masked", "account_holder"), "person")}),
        (_("Who decided"), {"fields": (("first_approved_by", "reviewed_by"), "review_note")}),
        (_("At the bank"), {"fields": (("batch", "bank_account_code"), "failure_reason")}),
        (_("Dates"), {"fields": (("created_at", "reviewed_at"), ("sent_at", "ended_at"))}),
    )
    actions_detail = ("approve", "reject")

    @admin.display(description=_("Status"), ordering="status")
    def state(self, row: WalletWithdrawal) -> SafeString:
        return state_label(row.status, row.get_status_display())

    @admin.display(description=_("Amount"), ordering="amount_minor")
    def total(self, row: WalletWithdrawal) -> str:
        return money(row.amount_minor, row.currency)

    @admin.display(description=_("Account holder"))
    def account_holder(self, row: WalletWithdrawal) -> str:
        return row.holder or "–"

    @admin.display(description=_("User"))
    def person(self, row: WalletWithdrawal) -> SafeString:
        user = row.wallet.user
        return page_link(
            "ops", "accounts_user", user.pk, text=f"{user.name or user.pk} · {user.get_kyc_level_display()}"
        )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[WalletWithdrawal]":
        """The list unseals nothing."""
        rows: QuerySet[WalletWithdrawal] = super().get_queryset(request)
        return rows.defer("iban", "holder")

    def panels(self, request: HttpRequest, row: WalletWithdrawal) -> Sequence[Panel]:
        return operations_panel(row.wallet), withdrawals_panel(row.wallet)

    def fitting_actions(self, row: WalletWithdrawal) -> Collection[str]:
        waits = row.status in (WalletWithdrawal.Status.REQUESTED, WalletWithdrawal.Status.HALF_APPROVED)
        return {"approve", "reject"} if waits else ()

    @asks_first(
        title=_("Approve"),
        text=_("The money goes into the next payout file. Above the limit a second person must agree as well."),
        submit=_("Approve"),
        permission="operate",
        icon="check",
        variant=ActionVariant.PRIMARY,
        form=ApprovalForm,
    )
    def approve(self, request: HttpRequest, form: ApprovalForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: approve_withdrawal(row.id, by=str(request.user.pk), note=form.cleaned_data["note"]),
            done=_after_approval,
        )

    @asks_first(
        title=_("Reject"),
        text=_("The money is in the user's wallet again, and the user is told why."),
        submit=_("Reject"),
        permission="operate",
        icon="close",
        variant=ActionVariant.DANGER,
        form=RejectionForm,
    )
    def reject(self, request: HttpRequest, form: RejectionForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request,
            row,
            lambda: reject_withdrawal(row.id, by=str(request.user.pk), note=form.cleaned_data["note"]),
            done=lambda _row: gettext("The withdrawal was rejected."),
        )


def _after_approval(row: WalletWithdrawal) -> str:
    if row.status == WalletWithdrawal.Status.HALF_APPROVED:
        return gettext("You agreed. A second person must agree as well.")
    return gettext("The withdrawal was approved.")


def operations_panel(wallet: Wallet) -> Panel:
    newest = wallet.operations.order_by("-created_at", "-id")[:NEWEST]
    rows = [
        (
            moment(row.created_at),
            page_link("ops", "payments_walletoperation", row.id, text=row.get_kind_display()),
            object_link("ops", row.reference),
            row.refusal or money(row.change_minor, wallet.currency),
            money(row.balance_after_minor, wallet.currency),
        )
        for row in newest
    ]
    headers = (_("Created"), _("Kind"), _("For"), _("Change of the balance"), _("Balance after it"))
    return Panel(title=_("What happened"), headers=headers, rows=rows, numbers={3, 4})


def withdrawals_panel(wallet: Wallet) -> Panel:
    newest = wallet.withdrawals.defer("iban", "holder").order_by("-id")[:NEWEST]
    rows = [
        (
            page_link("ops", "payments_walletwithdrawal", row.id),
            state_label(row.status, row.get_status_display()),
            row.iban_masked,
            money(row.amount_minor, row.currency),
            moment(row.created_at),
        )
        for row in newest
    ]
    headers = (_("Withdrawal"), _("Status"), _("Bank account"), _("Amount"), _("Created"))
    return Panel(title=_("Withdrawals"), headers=headers, rows=rows, numbers={3})


def top_ups_panel(wallet: Wallet) -> Panel:
    newest = wallet.top_ups.select_related("order").order_by("-id")[:NEWEST]
    rows = [
        (
            page_link("ops", "payments_wallettopup", row.id),
            state_label(row.status, row.get_status_display()),
            object_link("ops", row.order_id),
            money(row.amount_minor, row.currency),
            moment(row.created_at),
        )
        for row in newest
    ]
    headers = (_("Top-up"), _("Status"), _("Order"), _("Amount"), _("Created"))
    return Panel(title=_("Top-ups"), headers=headers, rows=rows, numbers={3})
