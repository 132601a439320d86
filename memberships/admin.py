"""Plans and what was bought of them, for staff. An amount never changes: a new price takes the old one's place."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.paginator import InfinitePaginator
from unfold.utils import display_for_label
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from memberships.models import Period, Plan, Price, Purchase
from paycore.clock import now
from paycore.money import CURRENCIES, InvalidAmount, Money
from paycore.sites import ops_site
from paycore.sites.read_only import ReadOnlyAdmin


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """A new price has an amount; of an old one only the sale can be ended."""

    currency = forms.ChoiceField(
        label=_("Currency"),
        choices=[(currency, currency) for currency in sorted(CURRENCIES)],
        initial="USD",
        widget=UnfoldAdminSelectWidget,
    )
    major = forms.CharField(label=_("Amount a month"), max_length=24, widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = Price
        fields = ("currency", "is_active")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if not self.instance._state.adding:
            self.fields["major"].initial = f"{self.instance.amount.major:f}"
            self.fields["currency"].disabled = self.fields["major"].disabled = True
            self.fields["is_active"].disabled = not self.instance.is_active

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.instance._state.adding and cleaned.get("major") and cleaned.get("currency"):
            try:
                amount = Money.from_major(cleaned["major"].strip(), cleaned["currency"])
            except InvalidAmount as error:
                self.add_error("major", ValidationError(error.detail or error.title))
            else:
                self.instance.amount_minor = amount.minor
                if not amount.is_positive:
                    self.add_error("major", _("The amount must be more than nothing."))
        return cleaned

    def validate_constraints(self) -> None:
        """One price a currency on sale: a new one ends the sale of the old (``PlanAdmin.save_formset``)."""


class PriceFormSet(forms.models.BaseInlineFormSet):  # type: ignore[type-arg]  # not subscriptable when it runs
    def clean(self) -> None:
        super().clean()
        new = [form.cleaned_data.get("currency") for form in self.extra_forms if form.has_changed() and form.is_valid()]
        if len(new) != len(set(new)):
            raise ValidationError(_("Two new prices in one currency."))


class PriceInline(TabularInline):  # type: ignore[misc]  # Unfold ships no types
    model = Price
    form = PriceForm
    formset = PriceFormSet
    extra = 0
    can_delete = False
    hide_title = True
    fields = ("currency", "major", "is_active")
    verbose_name_plural = _("prices (a new one replaces the one on sale in its currency; who bought keeps the old)")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Price]":
        rows: QuerySet[Price] = super().get_queryset(request)
        return rows.order_by("-is_active", "currency", "-id")


@admin.register(Plan, site=ops_site)
class PlanAdmin(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    list_display = ("name_en", "name_zh", "code", "rank", "standing", "prices_on_sale")
    list_filter = ("is_active",)
    search_fields = ("=id", "code", "name_en", "name_zh")
    ordering = ("rank",)
    show_full_result_count = False
    fieldsets = (
        (None, {"fields": (("name_en", "name_zh"), ("code", "rank"), "is_active")}),
        (_("What it gives"), {"fields": ("features",)}),
    )
    inlines = (PriceInline,)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Plan]":
        rows: QuerySet[Plan] = super().get_queryset(request)
        on_sale = Price.objects.filter(is_active=True).order_by("currency")
        return rows.prefetch_related(models.Prefetch("prices", queryset=on_sale, to_attr="on_sale"))

    @admin.display(description=_("Status"), ordering="is_active")
    def standing(self, plan: Plan) -> SafeString:
        return _label("success", _("On sale")) if plan.is_active else _label("default", _("Not on sale"))

    @admin.display(description=_("Prices"))
    def prices_on_sale(self, plan: Plan) -> str:
        prices: list[Price] = getattr(plan, "on_sale", [])
        return ", ".join(price.amount.format(get_language() or "en") for price in prices) or gettext("free")

    def get_readonly_fields(self, request: HttpRequest, obj: Plan | None = None) -> tuple[str, ...]:
        return ("code",) if obj else ()

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        with transaction.atomic():
            Plan.objects.select_for_update(no_key=True).get(pk=form.instance.pk)
            for entry in formset.extra_forms:
                if entry.has_changed() and entry.cleaned_data.get("is_active"):
                    on_sale = Price.objects.filter(plan=form.instance, is_active=True)
                    on_sale.filter(currency=entry.cleaned_data["currency"]).update(is_active=False)
            super().save_formset(request, form, formset, change)

    def has_delete_permission(self, request: HttpRequest, obj: Plan | None = None) -> bool:
        return False


class BoughtAdmin(ReadOnlyAdmin):
    paginator = InfinitePaginator
    list_filter_submit = True
    list_fullwidth = True
    ordering = ("-id",)


@admin.register(Purchase, site=ops_site)
class PurchaseAdmin(BoughtAdmin):
    list_display = ("id", "user", "plan", "amount", "order", "order_state", "created_at")
    list_select_related = ("user", "price__plan", "order")
    list_filter = (("price__plan", RelatedDropdownFilter),)
    search_fields = ("=id", "=order__id", "=user__id", "=user__email")
    search_help_text = _("Id of a purchase, order or user, or the user's e-mail address")
    fields = (("id", "user"), ("plan", "amount"), ("order", "order_state"), "created_at")

    @admin.display(description=_("Plan"))
    def plan(self, purchase: Purchase) -> str:
        return purchase.price.plan.name(get_language() or "en")

    @admin.display(description=_("Amount"))
    def amount(self, purchase: Purchase) -> str:
        return purchase.price.amount.format(get_language() or "en")

    @admin.display(description=_("Order"))
    def order_state(self, purchase: Purchase) -> SafeString:
        colours = {"paid": "success", "open": "info"}
        return _label(colours.get(purchase.order.status, "default"), purchase.order.get_status_display())


@admin.register(Period, site=ops_site)
class PeriodAdmin(BoughtAdmin):
    list_display = ("id", "standing", "user", "plan", "starts_at", "ends_at")
    list_select_related = ("user", "plan")
    list_filter = (("plan", RelatedDropdownFilter),)
    search_fields = ("=id", "=user__id", "=user__email", "=purchase__id", "=purchase__order__id")
    search_help_text = _("Id of a period, purchase, order or user, or the user's e-mail address")
    fields = (("id", "standing"), ("user", "plan"), "purchase", ("starts_at", "ends_at"), "revoked_at")

    @admin.display(description=_("Status"))
    def standing(self, period: Period) -> SafeString:
        moment = now()
        if period.revoked_at is not None:
            return _label("danger", _("Revoked"))
        if period.ends_at <= moment:
            return _label("default", _("Over"))
        return _label("success", _("Running")) if period.starts_at <= moment else _label("info", _("Ahead"))


def _label(colour: str, text: Any) -> SafeString:
    label: SafeString = display_for_label(("label", str(text)), "–", {"label": colour})
    return label
