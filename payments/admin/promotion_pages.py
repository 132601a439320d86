"""Promotions, their codes and their uses: staff see everybody's, a merchant's people their own."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter

from merchants.console import BEING_REVIEWED, FINANCE, active_membership, may_act, require_membership
from paycore.sites import Dashboard, merchant_site, ops_site, register_dashboard
from payments.admin.filters import MadeBetweenFilter
from payments.admin.merchant_pages import OwnPage
from payments.admin.pages import Panel
from payments.admin.promotion_code_columns import BatchColumns, CodeColumns, UseColumns, funding_panel
from payments.admin.promotion_columns import PromotionColumns
from payments.admin.promotion_panels import use_charts
from payments.promotions.models import CodeBatch, Promotion, PromotionCode, Redemption

_WHAT = ("kind", ("percent", "amounts"), ("most_off", "free_days"), ("duration", "periods"))
_HOW_OFTEN = (("max_uses", "max_per_day"), ("max_per_person", "budget"), ("stacking", "position"))
_RECORD = (("state", "uses"), ("budget_used", "needs_second_person"), ("writers", "activator"), "activated_at")


@admin.register(Promotion, site=ops_site)
class PromotionAdmin(PromotionColumns):
    list_display = ("name", "state", "seller", "gives", "uses", "budget_used", "funded_by", "made")
    list_select_related = ("merchant",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("funded_by", ChoicesDropdownFilter),
        ("merchant", AutocompleteSelectFilter),
        ("created_at", MadeBetweenFilter),
    )
    autocomplete_fields = ("merchant",)

    @admin.display(description=_("Seller"))
    def seller(self, promotion: Promotion) -> Any:
        return promotion.merchant.name if promotion.merchant else _("Every merchant")

    def get_fieldsets(self, request: HttpRequest, obj: Promotion | None = None) -> Any:
        words = ("name", ("title", "title_zh"), ("merchant", "funded_by"))
        whom = ("applies_to", "is_first_only", "users", ("joined_from", "joined_until"))
        plans = (("plans", "excluded_plans"), ("prices", "excluded_prices"), "intervals")
        sets = [
            (None, {"fields": words}),
            (_("What it gives"), {"fields": _WHAT}),
            (_("When"), {"fields": (("starts_at", "ends_at"), ("least", "currencies"))}),
            (_("For whom"), {"fields": whom}),
            (_("For which memberships"), {"fields": plans}),
            (_("How often"), {"fields": _HOW_OFTEN}),
        ]
        return self.fields_to_read(request, obj, [*sets, (_("Record"), {"fields": _RECORD})] if obj else sets)

    def has_operate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("payments.change_promotion"))


@admin.register(PromotionCode, site=ops_site)
class PromotionCodeAdmin(CodeColumns):
    pass


@admin.register(CodeBatch, site=ops_site)
class CodeBatchAdmin(BatchColumns):
    pass


@admin.register(Redemption, site=ops_site)
class RedemptionAdmin(UseColumns):
    list_display = ("id", "state", "merchant", "code_text", "about", "user", "given", "is_suspect", "taken_at")
    list_select_related = ("code", "promotion", "merchant", "user")

    def panels(self, request: HttpRequest, row: Redemption) -> Sequence[Panel]:
        return (funding_panel(row),) if row.funded_by == Promotion.FundedBy.PLATFORM else ()


class OwnDeeds(OwnPage):
    """Deeds are for those who look after the merchant's money."""

    def has_operate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return may_act(request, FINANCE)


@admin.register(Promotion, site=merchant_site)
class OwnPromotionAdmin(PromotionColumns, OwnDeeds):
    add_roles = change_roles = FINANCE
    list_display = ("name", "state", "gives", "uses", "budget_used", "made")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("created_at", MadeBetweenFilter),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Promotion | None = None) -> Any:
        sets = [
            (None, {"fields": ("name", ("title", "title_zh"))}),
            (_("What it gives"), {"fields": ("kind", ("percent", "amounts"), "most_off")}),
            (_("When"), {"fields": (("starts_at", "ends_at"), ("least", "currencies"), "is_first_only")}),
            (_("How often"), {"fields": _HOW_OFTEN}),
        ]
        return self.fields_to_read(request, obj, [*sets, (_("Record"), {"fields": _RECORD})] if obj else sets)

    def get_form(self, request: HttpRequest, obj: Promotion | None = None, change: bool = False, **options: Any) -> Any:
        made = super().get_form(request, obj, change=change, **options)
        made.seller_id = require_membership(request).merchant_id
        return made

    def save_model(self, request: HttpRequest, obj: Promotion, form: Any, change: bool) -> None:
        """A merchant's promotion is for its orders, at its own cost."""
        obj.merchant_id = require_membership(request).merchant_id
        obj.applies_to, obj.funded_by = Promotion.AppliesTo.ORDER, Promotion.FundedBy.MERCHANT
        super().save_model(request, obj, form, change)


@admin.register(PromotionCode, site=merchant_site)
class OwnPromotionCodeAdmin(CodeColumns, OwnDeeds):
    pass


@admin.register(CodeBatch, site=merchant_site)
class OwnCodeBatchAdmin(BatchColumns, OwnPage):
    merchant_lookup = "promotion__merchant"


@admin.register(Redemption, site=merchant_site)
class OwnRedemptionAdmin(UseColumns, OwnPage):
    """With the uses of the platform's own promotions on the merchant's orders."""

    search_fields: ClassVar = ()


def staff_overview(request: HttpRequest) -> Dashboard:
    if not request.user.has_perm("payments.view_redemption"):
        return Dashboard()
    return use_charts(Redemption.objects.all())


def merchant_overview(request: HttpRequest) -> Dashboard:
    membership = active_membership(request)
    if membership is None or membership.merchant.status in BEING_REVIEWED:
        return Dashboard()
    return use_charts(Redemption.objects.filter(merchant_id=membership.merchant_id))


register_dashboard(ops_site, staff_overview, place=60)
register_dashboard(merchant_site, merchant_overview, place=60)
