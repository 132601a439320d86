"""Prices, for staff. Their terms never change: a new price takes the old one's place, and who bought keeps the old."""

from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant

from memberships.admin.catalogue_forms import PriceForm
from memberships.admin.catalogue_pages import price_text, standing_of
from memberships.catalogue.services import add_price, archive_price, restore_price
from memberships.models import Price
from paycore.sites import ops_site
from paycore.sites.columns import money, page_link
from paycore.sites.dialogs import ConfirmForm, asks_first
from paycore.sites.filters import CurrencyFilter
from paycore.sites.pages import FactsPage, Panel, moment


@admin.register(Price, site=ops_site)
class PriceAdmin(FactsPage):
    form = PriceForm
    list_display = ("amount_shown", "plan", "standing", "trial_days", "created")
    list_select_related = ("plan",)
    list_filter = (("plan", RelatedDropdownFilter), CurrencyFilter, ("interval", ChoicesDropdownFilter), "is_active")
    list_filter_submit = True
    list_fullwidth = True
    show_full_result_count = False
    search_fields = ("=id", "plan__code", "plan__name_en", "plan__name_zh", "=currency")
    search_help_text = _("Id, currency, or the plan's code or name")
    ordering = ("-is_active", "plan__tier__rank", "plan__code", "currency", "-id")
    actions_detail = ("move_members", "archive", "restore")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Price]":
        """With the plan, for suggestions name it."""
        rows: QuerySet[Price] = super().get_queryset(request)
        return rows.select_related("plan")

    @admin.display(description=_("Price"), ordering="amount_minor")
    def amount_shown(self, price: Price) -> str:
        return price_text(price)

    @admin.display(description=_("Status"), ordering="is_active")
    def standing(self, price: Price) -> SafeString:
        return standing_of(price)

    @admin.display(description=_("Plan"))
    def plan_link(self, price: Price) -> SafeString:
        return page_link("ops", "memberships_plan", price.plan_id, text=price.plan)

    @admin.display(description=_("Set-up fee"))
    def setup_fee_shown(self, price: Price) -> str:
        return money(price.setup_fee_minor, price.currency)

    @admin.display(description=_("Each seat more"))
    def seat_amount_shown(self, price: Price) -> str:
        return money(price.seat_amount_minor, price.currency)

    @admin.display(description=_("Created"), ordering="id")
    def created(self, price: Price) -> SafeString | str:
        return moment(price.created_at)

    def get_fieldsets(self, request: HttpRequest, obj: Price | None = None) -> Any:
        if obj is None:
            note = _("It takes the place of the one on sale for the same interval and currency. Who bought keeps that.")
            fields: Any = (
                "plan",
                ("amount", "currency"),
                ("interval", "interval_count"),
                "trial_days",
                ("setup_fee", "seat_amount"),
                "is_tax_inclusive",
            )
            return ((None, {"fields": fields, "description": note}),)
        facts = (
            ("id", "standing"),
            ("plan_link", "amount_shown"),
            ("trial_days", "setup_fee_shown"),
            ("seat_amount_shown", "is_tax_inclusive"),
            "created",
        )
        return ((None, {"fields": facts}),)

    def get_form(self, request: HttpRequest, obj: Price | None = None, change: bool = False, **options: Any) -> Any:
        """The form is for a new price; of an old one everything is only shown."""
        if obj is not None:
            options["fields"] = ()
        else:
            options["fields"] = PriceForm.Meta.fields
        return super().get_form(request, obj, change, **options)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"plan": request.GET.get("plan", "")}

    def has_change_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Price, form: PriceForm, change: bool) -> None:
        made = add_price(form.cleaned_data["plan"].id, form.offer)
        obj.__dict__.update({name: value for name, value in made.__dict__.items() if name != "_state"})
        obj._state.adding = False

    def panels(self, request: HttpRequest, row: Price) -> Sequence[Panel]:
        counted = row.subscriptions.exclude(status="ended").values("status").annotate(members=Count("id")).order_by()
        labels = dict(row.subscriptions.model.Status.choices)
        rows = [(labels[entry["status"]], entry["members"]) for entry in counted]
        return (
            Panel(
                title=_("Who has it"),
                headers=(_("Status"), _("Members")),
                rows=rows,
                numbers={1},
                empty=_("Nobody pays this price."),
            ),
        )

    # Deeds

    def fitting_actions(self, row: Price) -> Collection[str]:
        return {"archive"} if row.is_active else {"move_members", "restore"}

    def has_sell_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("memberships.change_price"))

    def has_move_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("memberships.add_pricechange"))

    @action(  # type: ignore[untyped-decorator]  # Unfold ships no types
        description=_("Move its members to another price"),
        permissions=["move"],
        icon="price_change",
        variant=ActionVariant.PRIMARY,
    )
    def move_members(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return HttpResponseRedirect(f"{reverse('ops:memberships_pricechange_add')}?{urlencode({'from_price': row.pk})}")

    @asks_first(
        title=_("Archive"),
        text=_("Nobody can buy at this price any more. Who has it keeps it."),
        submit=_("Archive"),
        permission="sell",
        icon="archive",
        variant=ActionVariant.DANGER,
    )
    def archive(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(request, row, lambda: archive_price(row.id), done=lambda _n: gettext("It is archived."))

    @asks_first(
        title=_("Restore"),
        text=_("It is on sale again."),
        submit=_("Restore"),
        permission="sell",
        icon="unarchive",
    )
    def restore(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        row = self.require_row(request, object_id)
        return self.carry_out(
            request, row, lambda: restore_price(row.id), done=lambda _n: gettext("It is on sale again.")
        )
