"""The books, for staff: to be read and checked, never written."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RangeDateTimeFilter
from unfold.widgets import UnfoldAdminSelectWidget

from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin
from payments.admin.columns import account_cell, moment, money, object_link
from payments.admin.filters import CurrencyFilter
from payments.admin.pages import ConfirmForm, MoneyPage, Panel, asks_first, go_to
from payments.admin.panels import NEWEST, occasion, transfer_row
from payments.ledger.models import LedgerAccount, LedgerSeal, Posting, Transfer
from payments.ledger.queries import balance_of
from payments.ledger.sealing import broken_seals


class ShardFilter(DropdownFilter):  # type: ignore[misc]  # Unfold ships no types
    """Busy accounts are several rows: one line each account with their sum, or every row."""

    title = _("rows")
    parameter_name = "rows"
    all_option = ("", _("Accounts, shards summed"))

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("raw", _("Every row"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> Any:
        if self.value() == "raw":
            return queryset.annotate(total=F("balance_minor"))
        same = LedgerAccount.objects.filter(code=OuterRef("code"), currency=OuterRef("currency"))
        total = same.values("code", "currency").annotate(total=Sum("balance_minor")).values("total")
        return queryset.exclude(Exists(same.filter(shard__lt=OuterRef("shard")))).annotate(total=Subquery(total))


@admin.register(LedgerAccount, site=ops_site)
class LedgerAccountAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("account", "kind", "currency", "balance", "shard_shown")
    list_filter = (ShardFilter, ("kind", ChoicesDropdownFilter), CurrencyFilter)
    searches: ClassVar = {"": ("code__startswith",)}
    search_help_text = _("Beginning of an account's code, e.g. merchant:")
    ordering = ("code", "currency", "shard")
    fields = (("account", "kind"), ("currency", "whole_balance"), "must_not_overdraw")

    @admin.display(description=_("Account"), ordering="code")
    def account(self, account: LedgerAccount) -> SafeString:
        return account_cell(account.code)

    @admin.display(description=_("Balance"))
    def balance(self, account: LedgerAccount) -> str:
        return money(int(getattr(account, "total", account.balance_minor)), account.currency)

    @admin.display(description=_("Balance"))
    def whole_balance(self, account: LedgerAccount) -> str:
        return money(balance_of(account.code, currency=account.currency).minor, account.currency)

    @admin.display(description=_("Shard"))
    def shard_shown(self, account: LedgerAccount) -> int:
        return account.shard

    def panels(self, request: HttpRequest, row: LedgerAccount) -> Sequence[Panel]:
        shards = list(LedgerAccount.objects.filter(code=row.code, currency=row.currency).order_by("shard"))
        ids = [shard.id for shard in shards]
        newest = Transfer.objects.filter(Q(debit_account__in=ids) | Q(credit_account__in=ids)).order_by("-id")
        shown = newest.select_related("posting", "debit_account", "credit_account")[:NEWEST]
        return (
            Panel(
                title=_("Rows"),
                note=_("A busy account is split, so that writers do not wait for one row. Its balance is their sum."),
                headers=(_("Shard"), _("Balance")),
                rows=[(shard.shard, money(shard.balance_minor, shard.currency)) for shard in shards],
                numbers={1},
            ),
            Panel(
                title=_("Newest transfers"),
                headers=(_("When"), _("Occasion"), _("From"), _("To"), _("Amount")),
                rows=[transfer_row(transfer) for transfer in shown],
                numbers={4},
            ),
        )


@admin.register(Posting, site=ops_site)
class PostingAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "what", "about", "amounts", "when")
    list_filter = (("posted_at", RangeDateTimeFilter),)
    searches: ClassVar = {"": ("business_id",)}
    search_help_text = _("Id of a payment or a refund")
    ordering = ("-id",)
    fields = (("what", "about"), ("business_type", "phase"), "posted_at")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Posting]":
        rows: QuerySet[Posting] = super().get_queryset(request)
        return rows.prefetch_related("transfers__debit_account")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        # The unique key begins with the type: naming the types lets its index find the id.
        found, has_duplicates = super().get_search_results(request, queryset, search_term)
        if search_term.strip():
            found = found.filter(business_type__in=("payment", "refund", "discrepancy"))
        return found, has_duplicates

    @admin.display(description=_("Occasion"))
    def what(self, posting: Posting) -> str:
        return occasion(posting.business_type, posting.phase)

    @admin.display(description=_("About"))
    def about(self, posting: Posting) -> SafeString | str:
        return object_link("ops", posting.business_id)

    @admin.display(description=_("When"), ordering="id")
    def when(self, posting: Posting) -> SafeString | str:
        return moment(posting.posted_at)

    @admin.display(description=_("Amounts"))
    def amounts(self, posting: Posting) -> str:
        return ", ".join(money(leg.amount_minor, leg.debit_account.currency) for leg in posting.transfers.all())

    def panels(self, request: HttpRequest, row: Posting) -> Sequence[Panel]:
        transfers = row.transfers.select_related("posting", "debit_account", "credit_account").order_by("id")
        return (
            Panel(
                title=_("Transfers"),
                headers=(_("When"), _("Occasion"), _("From"), _("To"), _("Amount")),
                rows=[transfer_row(transfer) for transfer in transfers],
                numbers={4},
            ),
        )


@admin.register(Transfer, site=ops_site)
class TransferAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "what", "source", "target", "amount", "when")
    list_select_related = ("posting", "debit_account", "credit_account")
    searches: ClassVar = {"": ("posting__business_id",)}
    search_help_text = _("Id of a payment or a refund")
    ordering = ("-id",)
    fields = (("what", "posting"), ("source", "target"), ("amount", "when"))

    @admin.display(description=_("Occasion"))
    def what(self, transfer: Transfer) -> str:
        return occasion(transfer.posting.business_type, transfer.posting.phase)

    @admin.display(description=_("From"))
    def source(self, transfer: Transfer) -> SafeString:
        return account_cell(transfer.credit_account.code)

    @admin.display(description=_("To"))
    def target(self, transfer: Transfer) -> SafeString:
        return account_cell(transfer.debit_account.code)

    @admin.display(description=_("Amount"))
    def amount(self, transfer: Transfer) -> str:
        return money(transfer.amount_minor, transfer.debit_account.currency)

    @admin.display(description=_("When"))
    def when(self, transfer: Transfer) -> SafeString | str:
        return moment(transfer.posting.posted_at)


class StretchForm(ConfirmForm):
    stretch = forms.ChoiceField(
        label=_("How far back"),
        choices=[
            ("288", _("One day of seals")),
            ("2016", _("Seven days of seals")),
            ("", _("All seals; may take long")),
        ],
        required=False,
        initial="288",
        widget=UnfoldAdminSelectWidget,
    )


@admin.register(LedgerSeal, site=ops_site)
class LedgerSealAdmin(MoneyPage, ReadOnlyAdmin):
    list_display = ("id", "sealed_from", "sealed_until", "transfer_count", "short_hash")
    ordering = ("-id",)
    fields = (("sealed_from", "sealed_until"), ("transfer_count", "created_at"), "previous_fingerprint", "fingerprint")
    actions_list = ("check_chain",)

    @admin.display(description=_("Hash"))
    def short_hash(self, seal: LedgerSeal) -> str:
        return f"{bytes(seal.hash).hex()[:16]}…"

    @admin.display(description=_("Hash"))
    def fingerprint(self, seal: LedgerSeal) -> str:
        return bytes(seal.hash).hex()

    @admin.display(description=_("Hash before it"))
    def previous_fingerprint(self, seal: LedgerSeal) -> str:
        return bytes(seal.previous_hash).hex()

    @asks_first(
        title=_("Check the chain"),
        text=_("Computes every hash again from the books and compares."),
        submit=_("Check"),
        permission="view",
        icon="verified",
        form=StretchForm,
    )
    def check_chain(self, request: HttpRequest, form: StretchForm) -> HttpResponse:
        stretch = form.cleaned_data["stretch"]
        broken = broken_seals(newest=int(stretch) if stretch else None)
        if broken:
            text = ngettext("%(count)d seal is broken: %(ids)s", "%(count)d seals are broken: %(ids)s", len(broken))
            shown = ", ".join(str(seal_id) for seal_id in broken[:20])
            self.message_user(request, text % {"count": len(broken), "ids": shown}, messages.ERROR)
        else:
            self.message_user(request, gettext("Every seal that was checked is whole."), messages.SUCCESS)
        return go_to(request, reverse("ops:payments_ledgerseal_changelist"))
