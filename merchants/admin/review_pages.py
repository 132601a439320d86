"""Merchants as staff see them: those that wait for a review first."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import Case, Min, When
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldAdminURLInputWidget,
)

from accounts.models import User
from merchants.admin.columns import MerchantColumns, documents_panel, missing_panel, reviews_panel
from merchants.admin.member_forms import InviteForm
from merchants.members.services import invite_member
from merchants.models import Merchant, MerchantMember, MerchantReview
from merchants.onboarding.completeness import REVIEWED_FIELDS, item_title
from merchants.onboarding.documents import documents_of
from merchants.onboarding.services import (
    FeeTerms,
    ItemNote,
    approve_application,
    close_merchant,
    reinstate_merchant,
    return_application,
    suspend_merchant,
)
from paycore.countries import country_choices
from paycore.money import InvalidAmount, Money
from paycore.sites import Card, Dashboard, ops_site, register_dashboard
from paycore.sites.dialogs import ConfirmForm, asks_first
from paycore.sites.pages import Panel

_FITTING: dict[str, tuple[str, ...]] = {
    "draft": ("invite", "close"),
    "submitted": ("approve", "send_back", "invite"),
    "returned": ("invite", "close"),
    "approved": ("suspend", "invite", "close"),
    "suspended": ("reinstate", "invite", "close"),
}


def reason_field() -> forms.CharField:
    return forms.CharField(
        label=_("Reason"),
        max_length=2000,
        help_text=_("The merchant reads it."),
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


class ReasonForm(ConfirmForm):
    reason = reason_field()


class ApprovalForm(ConfirmForm):
    """The fees are part of the approval; what is stored is offered."""

    fee_percent = forms.DecimalField(
        label=_("Fee in percent"),
        min_value=0,
        max_value=100,
        max_digits=5,
        decimal_places=2,
        widget=UnfoldAdminDecimalFieldWidget,
    )
    fee_fixed = forms.CharField(label=_("Fixed fee"), max_length=24, widget=UnfoldAdminTextInputWidget)
    review_above = forms.CharField(
        label=_("Review refunds above"),
        max_length=24,
        required=False,
        help_text=_("Empty: a person reviews every refund."),
        widget=UnfoldAdminTextInputWidget,
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.merchant = Merchant.objects.filter(pk=unquote(str(self.object_id))).first()
        if self.merchant is not None:
            currency = self.merchant.home_currency
            limit = self.merchant.refund_review_above_minor
            self.fields["fee_percent"].initial = f"{self.merchant.fee_basis_points / 100:.2f}"
            self.fields["fee_fixed"].initial = f"{Money(self.merchant.fee_fixed_minor, currency).major:f}"
            self.fields["fee_fixed"].help_text = _("In %(currency)s.") % {"currency": currency}
            self.fields["review_above"].initial = "" if limit is None else f"{Money(limit, currency).major:f}"

    def clean_fee_fixed(self) -> int:
        return self._minor("fee_fixed")

    def clean_review_above(self) -> int | None:
        return self._minor("review_above") if self.cleaned_data["review_above"].strip() else None

    def _minor(self, name: str) -> int:
        currency = self.merchant.home_currency if self.merchant else "USD"
        try:
            amount = Money.from_major(self.cleaned_data[name].strip(), currency)
        except InvalidAmount as error:
            raise forms.ValidationError(error.detail or error.title) from error
        if amount.is_negative:
            raise forms.ValidationError(_("The amount must not be negative."))
        return amount.minor

    @property
    def terms(self) -> FeeTerms:
        return FeeTerms(
            basis_points=int(self.cleaned_data["fee_percent"] * 100),
            fixed_minor=self.cleaned_data["fee_fixed"],
            refund_review_above_minor=self.cleaned_data["review_above"],
        )


class ReturnForm(forms.Form):
    """Why, and one remark for each field and document, where there is one."""

    reason = reason_field()

    def __init__(self, *arguments: Any, merchant: Merchant, **options: Any) -> None:
        super().__init__(*arguments, **options)
        items: list[tuple[str, Any]] = [(name, item_title(name)) for name in REVIEWED_FIELDS]
        self.items = items + [(document.id, str(document)) for document in documents_of(merchant)]
        for item, title in self.items:
            self.fields[f"note_{item}"] = forms.CharField(
                label=str(title)[:1].upper() + str(title)[1:],
                max_length=300,
                required=False,
                widget=UnfoldAdminTextInputWidget,
            )

    @property
    def notes(self) -> list[ItemNote]:
        written = ((item, self.cleaned_data[f"note_{item}"].strip()) for item, _title in self.items)
        return [ItemNote(item, note) for item, note in written if note]


class MemberInline(TabularInline):  # type: ignore[misc]  # Unfold ships no types
    """People come and go by invitation."""

    model = MerchantMember
    extra = 0
    hide_title = True
    fields = readonly_fields = ("user", "role", "created_at")
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class MerchantForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    country = forms.ChoiceField(label=_("Country"), choices=country_choices, widget=UnfoldAdminSelectWidget)
    website = forms.URLField(
        label=_("Website"), required=False, assume_scheme="https", widget=UnfoldAdminURLInputWidget
    )
    logo_url = forms.URLField(label=_("Logo"), required=False, assume_scheme="https", widget=UnfoldAdminURLInputWidget)

    class Meta:
        model = Merchant
        fields = ("name", "country")


@admin.register(Merchant, site=ops_site)
class MerchantAdmin(MerchantColumns):
    """The status moves by actions only, each one function of the services."""

    form = MerchantForm
    list_display = ("name", "reference", "state", "country", "business_kind", "is_platform", "created_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("business_kind", ChoicesDropdownFilter),
        "country",
        ("created_at", admin.DateFieldListFilter),
    )
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ("=id", "name", "legal_name", "=support_email")
    search_help_text = _("Id, name or support e-mail of a merchant")
    readonly_fields = ("reference", "state", "is_platform", "registration_shown", "fees_confirmed_at", "created_at")
    ordering = (Case(When(status="submitted", then=0), default=1), "-id")
    inlines = (MemberInline,)
    actions_detail = ("approve", "send_back", "suspend", "reinstate", "invite", "close")
    fieldsets = (
        (None, {"fields": (("reference", "state"), ("is_platform", "created_at"))}),
        (
            _("Business"),
            {"fields": ("name", "legal_name", ("business_kind", "registration_shown"), ("country", "home_currency"))},
        ),
        (_("What payers see"), {"fields": ("website", "support_email", "logo_url")}),
        (
            _("Fees"),
            {"fields": ("fee_basis_points", "fee_fixed_minor", "refund_review_above_minor", "fees_confirmed_at")},
        ),
    )
    add_fieldsets = ((None, {"fields": ("name", "legal_name", "country", "home_currency")}),)

    @admin.display(description=_("Registration number"))
    def registration_shown(self, merchant: Merchant) -> str:
        return merchant.registration_number or "–"

    def get_fieldsets(self, request: HttpRequest, obj: Merchant | None = None) -> Any:
        """What only a stored row has is not shown while adding one."""
        return self.fieldsets if obj else self.add_fieldsets

    def get_inlines(self, request: HttpRequest, obj: Merchant | None = None) -> Any:
        return self.inlines if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Merchant | None = None) -> bool:
        """Nobody sets the terms of a business of their own."""
        is_own = obj is not None and obj.members.filter(user_id=request.user.pk).exists()
        return bool(super().has_change_permission(request, obj)) and not is_own

    def has_delete_permission(self, request: HttpRequest, obj: Merchant | None = None) -> bool:
        return False

    def has_review_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("merchants.change_merchant"))

    def save_model(self, request: HttpRequest, obj: Merchant, form: Any, change: bool) -> None:
        # Only what was typed: the row may have moved on since it was read.
        obj.save(update_fields=[*form.changed_data, "updated_at"] if change else None)

    def panels(self, request: HttpRequest, row: Merchant) -> Sequence[Panel]:
        shown = [documents_panel(row, site="ops"), reviews_panel(row, is_staff=True)]
        is_open = row.status in ("draft", "submitted", "returned")
        return [missing_panel(row), *shown] if is_open else shown

    def fitting_actions(self, row: Merchant) -> Collection[str]:
        return _FITTING.get(row.status, ())

    @asks_first(
        title=_("Approve"),
        text=_("The merchant may take payments at once, on these terms."),
        submit=_("Approve"),
        permission="review",
        icon="check",
        variant=ActionVariant.PRIMARY,
        form=ApprovalForm,
    )
    def approve(self, request: HttpRequest, form: ApprovalForm, object_id: str) -> HttpResponse:
        return self._decide(
            request,
            object_id,
            lambda merchant, staff: approve_application(merchant_id=merchant.id, by=staff, fees=form.terms),
            said=gettext("The merchant was approved."),
        )

    @action(description=_("Send back"), permissions=["review"], icon="undo")  # type: ignore[untyped-decorator]  # Unfold ships no types
    def send_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A page of its own: a remark for each field is too long for a dialog."""
        row = self.require_row(request, object_id)
        form = ReturnForm(request.POST if request.method == "POST" else None, merchant=row)
        if form.is_valid():
            reason = form.cleaned_data["reason"]
            return self._decide(
                request,
                object_id,
                lambda merchant, staff: return_application(
                    merchant_id=merchant.id, by=staff, reason=reason, notes=form.notes
                ),
                said=gettext("The application was sent back."),
            )
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Send back the application of %(name)s") % {"name": row.name},
            "opts": self.opts,
            "form": form,
            "text": gettext("The merchant mends what you name and submits again. Leave empty what is in order."),
            "button": gettext("Send back"),
            "back": self.page_address(row),
        }
        return TemplateResponse(request, "merchants/form_page.html", context)

    @asks_first(
        title=_("Suspend"),
        text=_("Its API keys are refused at once; its people may still look."),
        submit=_("Suspend"),
        permission="review",
        icon="block",
        variant=ActionVariant.DANGER,
        form=ReasonForm,
    )
    def suspend(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._decide_with(suspend_merchant, request, form, object_id, said=gettext("The merchant is suspended."))

    @asks_first(
        title=_("Reinstate"),
        text=_("Its API keys work again at once."),
        submit=_("Reinstate"),
        permission="review",
        icon="check",
        form=ReasonForm,
    )
    def reinstate(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._decide_with(
            reinstate_merchant, request, form, object_id, said=gettext("The merchant may take payments again.")
        )

    @asks_first(
        title=_("Close for good"),
        text=_("A closed merchant never opens again."),
        submit=_("Close"),
        permission="review",
        icon="lock",
        variant=ActionVariant.DANGER,
        form=ReasonForm,
    )
    def close(self, request: HttpRequest, form: ReasonForm, object_id: str) -> HttpResponse:
        return self._decide_with(close_merchant, request, form, object_id, said=gettext("The merchant is closed."))

    @asks_first(
        title=_("Invite a person"),
        text=_("They get a link by e-mail that is good for seven days."),
        submit=_("Invite"),
        permission="review",
        icon="person_add",
        form=InviteForm,
    )
    def invite(self, request: HttpRequest, form: InviteForm, object_id: str) -> HttpResponse:
        return self._decide(
            request,
            object_id,
            lambda merchant, staff: invite_member(
                merchant_id=merchant.id,
                email=form.cleaned_data["email"],
                role=form.cleaned_data["role"],
                invited_by=staff,
            ),
            said=gettext("The invitation is on its way."),
        )

    def _decide_with(
        self, service: Callable[..., Merchant], request: HttpRequest, form: ReasonForm, object_id: str, *, said: str
    ) -> HttpResponse:
        reason = form.cleaned_data["reason"]
        return self._decide(
            request,
            object_id,
            lambda merchant, staff: service(merchant_id=merchant.id, by=staff, reason=reason),
            said=said,
        )

    def _decide(
        self, request: HttpRequest, object_id: str, service: Callable[[Merchant, User], object], *, said: str
    ) -> HttpResponse:
        merchant = self.require_row(request, object_id)
        staff = User.objects.get(pk=request.user.pk)
        return self.carry_out(request, merchant, lambda: service(merchant, staff), done=lambda _answer: said)


def waiting_applications(request: HttpRequest) -> Dashboard:
    """How many businesses wait for a review, and for how long."""
    if not request.user.has_perm("merchants.view_merchant"):
        return Dashboard()
    waiting = Merchant.objects.filter(status=Merchant.Status.SUBMITTED)
    count = waiting.count()
    submitted = MerchantReview.objects.filter(merchant__in=waiting, step=MerchantReview.Step.SUBMITTED)
    oldest = submitted.aggregate(oldest=Min("taken_at"))["oldest"]
    age = gettext("Oldest: %(age)s") % {"age": timesince(oldest, depth=1)} if oldest else gettext("Nothing waits")
    return Dashboard(
        cards=[
            Card(
                title=_("Merchants to review"),
                value=str(count),
                detail=age,
                link=reverse("ops:merchants_merchant_changelist") + "?status__exact=submitted",
                tone="warning" if count else "good",
            )
        ]
    )


register_dashboard(ops_site, waiting_applications, place=25)
