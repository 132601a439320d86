"""Your business, as its own people see it: the application while it is open, the profile afterwards."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldAdminURLInputWidget

from accounts.models import User
from merchants.admin.columns import MerchantColumns, documents_panel, missing_panel, reviews_panel
from merchants.console import (
    APPROVED,
    BEING_REVIEWED,
    OWNER,
    MerchantScopedAdmin,
    active_membership,
    may_act,
    require_membership,
)
from merchants.models import Merchant
from merchants.onboarding.services import (
    OPEN_STATUSES,
    BusinessDetails,
    change_application,
    details_of,
    submit_application,
)
from paycore.countries import country_choices
from paycore.money import CURRENCIES, Money
from paycore.sites import Card, Dashboard, merchant_site, register_dashboard
from paycore.sites.dialogs import asks_first
from paycore.sites.pages import Panel

_APPLICATION = tuple(BusinessDetails.__dataclass_fields__)
_PROFILE = ("name", "logo_url", "support_email", "website")


class BusinessForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    registration_number = forms.CharField(
        label=_("Registration number"),
        max_length=64,
        required=False,
        help_text=_("In the company register or for taxes."),
        widget=UnfoldAdminTextInputWidget,
    )
    country = forms.ChoiceField(label=_("Country"), choices=country_choices, widget=UnfoldAdminSelectWidget)
    home_currency = forms.ChoiceField(
        label=_("Home currency"),
        choices=[(currency, currency) for currency in sorted(CURRENCIES)],
        widget=UnfoldAdminSelectWidget,
    )
    website = forms.URLField(
        label=_("Website"), required=False, assume_scheme="https", widget=UnfoldAdminURLInputWidget
    )
    logo_url = forms.URLField(label=_("Logo"), required=False, assume_scheme="https", widget=UnfoldAdminURLInputWidget)

    class Meta:
        model = Merchant
        fields = (*_APPLICATION, "logo_url")


@admin.register(Merchant, site=merchant_site)
class OwnMerchantAdmin(MerchantColumns, MerchantScopedAdmin):
    """The business itself; terms and status are the platform's to change."""

    merchant_lookup = "pk"
    open_to_statuses = APPROVED | BEING_REVIEWED
    change_roles = OWNER
    form = BusinessForm
    list_display = ("name", "state", "country", "website")
    list_filter = ()
    search_fields = ("name",)
    actions_detail = ("submit",)

    def get_fieldsets(self, request: HttpRequest, obj: Merchant | None = None) -> Any:
        # The number is the owner's matter.
        is_owner = require_membership(request).role in OWNER
        number = ("registration_number",) if is_owner else ()
        business = ("name", "legal_name", "business_kind", *number, "country", "home_currency")
        return (
            (None, {"fields": ("state", "reference")}),
            (_("Business"), {"fields": business}),
            (_("What payers see"), {"fields": ("website", "support_email", "logo_url")}),
            (_("Fees"), {"fields": ("fee_terms", "review_limit")}),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Merchant | None = None) -> tuple[str, ...]:
        shown = ("state", "reference", "fee_terms", "review_limit")
        editable = _APPLICATION if obj is not None and obj.status in OPEN_STATUSES else _PROFILE
        return (*shown, *(name for name in (*_APPLICATION, "logo_url") if name not in editable))

    @admin.display(description=_("Fee of each payment"))
    def fee_terms(self, merchant: Merchant) -> str:
        if merchant.fees_confirmed_at is None and merchant.status not in APPROVED:
            return gettext("Set by the platform with the approval")
        fixed = Money(merchant.fee_fixed_minor, merchant.home_currency).format(get_language() or "en")
        return f"{merchant.fee_basis_points / 100:.2f} % + {fixed}"

    @admin.display(description=_("Refunds that the platform reviews"))
    def review_limit(self, merchant: Merchant) -> str:
        if merchant.refund_review_above_minor is None:
            return gettext("Every refund")
        limit = Money(merchant.refund_review_above_minor, merchant.home_currency).format(get_language() or "en")
        return gettext("Above %(limit)s, and in other currencies") % {"limit": limit}

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing moves while the platform looks at it."""
        return super().has_change_permission(request, obj) and may_act(
            request, OWNER, statuses=APPROVED | OPEN_STATUSES
        )

    def save_model(self, request: HttpRequest, obj: Merchant, form: Any, change: bool) -> None:
        if obj.status in OPEN_STATUSES:
            given = {name: value for name, value in form.cleaned_data.items() if name in _APPLICATION}
            change_application(merchant_id=obj.pk, details=replace(details_of(obj), **given))
            return
        # Only what was typed: the row may have been suspended since it was read.
        obj.save(update_fields=[*(name for name in form.changed_data if name in _PROFILE), "updated_at"])

    def panels(self, request: HttpRequest, row: Merchant) -> Sequence[Panel]:
        shown = [missing_panel(row)] if row.status in OPEN_STATUSES else []
        if row.status == Merchant.Status.SUBMITTED:
            shown.append(Panel(title=_("Review"), headers=(), rows=(), empty=_("We review it and write to you")))
        if require_membership(request).role in OWNER:
            shown.append(documents_panel(row, site="merchant"))
        return [*shown, reviews_panel(row, is_staff=False)]

    def fitting_actions(self, row: Merchant) -> Collection[str]:
        return {"submit"} if row.status in OPEN_STATUSES else ()

    def has_submit_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return may_act(request, OWNER, statuses=OPEN_STATUSES)

    @asks_first(
        title=_("Submit for review"),
        text=_("The platform reviews what you entered and your documents. You cannot change them meanwhile."),
        submit=_("Submit"),
        permission="submit",
        icon="send",
        variant=ActionVariant.PRIMARY,
    )
    def submit(self, request: HttpRequest, form: forms.Form, object_id: str) -> HttpResponse:
        merchant = self.require_row(request, object_id)
        user = User.objects.get(pk=request.user.pk)
        return self.carry_out(
            request,
            merchant,
            lambda: submit_application(merchant_id=merchant.id, by=user),
            done=lambda _answer: gettext("Your application was submitted. We write to you when it has been reviewed."),
        )


def own_application(request: HttpRequest) -> Dashboard:
    """Until the business is approved there is nothing to count: its page says what is missing, and where it stands."""
    membership = active_membership(request)
    if membership is None or membership.merchant.status in APPROVED:
        return Dashboard()
    merchant = membership.merchant
    page = reverse("merchant:merchants_merchant_change", args=[quote(merchant.pk)])
    if merchant.status in BEING_REVIEWED:
        return Dashboard(instead=page)
    card = Card(
        title=_("Your business"),
        value=merchant.get_status_display(),
        detail=gettext("You may look at everything") if merchant.status == Merchant.Status.SUSPENDED else "",
        link=page,
        tone="bad",
    )
    return Dashboard(cards=[card])


register_dashboard(merchant_site, own_application, place=5)
