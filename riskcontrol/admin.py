"""Cases that wait for a person, and the limits before a payment, for staff."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import ValidationError
from django.db.models import Min, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.utils import display_for_label
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from paycore.money import CURRENCIES, InvalidAmount, Money
from paycore.sites import Card, Dashboard, ops_site, register_dashboard
from paycore.sites.read_only import ReadOnlyAdmin
from riskcontrol.cases import resolve_cases
from riskcontrol.decisions import forget_limits
from riskcontrol.models import Case, PaymentLimit

PAGES = {
    "pay": "ops:payments_payment_change",
    "ord": "ops:payments_order_change",
    "ref": "ops:payments_refund_change",
}
"""The ops pages of what a case may be about, by the prefix of the id. Names only: those apps are above this one."""
CLOSED_BY_THE_DEED = frozenset({Case.Kind.SURPLUS_PAYMENT.value})
"""Money without an owner must have an open case (invariant J9): sending or accepting it closes the case."""
COLOURS = {"open": "warning", "resolved": "success"}


class ResolutionForm(BaseDialogForm):  # type: ignore[misc]  # Unfold ships no types
    note = forms.CharField(
        label=_("What was found and done"), max_length=300, widget=UnfoldAdminTextareaWidget({"rows": 3})
    )


@admin.register(Case, site=ops_site)
class CaseAdmin(ReadOnlyAdmin):
    list_display = ("id", "state", "kind", "about", "merchant", "opened_at", "resolved_by")
    list_select_related = ("merchant", "resolved_by")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("merchant", AutocompleteSelectFilter),
        ("opened_at", admin.DateFieldListFilter),
    )
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ("=id", "=object_id")
    search_help_text = _("Id of a case, or of what it is about")
    ordering = ("status", "-id")
    fieldsets = (
        (None, {"fields": (("id", "state"), ("kind", "about"), ("merchant", "opened_at"), "known_facts")}),
        (_("Resolution"), {"fields": ("resolution", ("resolved_by", "resolved_at"))}),
    )
    actions_detail = ("resolve",)

    @admin.display(description=_("Status"), ordering="status")
    def state(self, case: Case) -> SafeString:
        label: SafeString = display_for_label((case.status, case.get_status_display()), "–", COLOURS)
        return label

    @admin.display(description=_("About"), ordering="object_id")
    def about(self, case: Case) -> SafeString | str:
        page = PAGES.get(case.object_id.partition("_")[0])
        if page is None or case.kind == Case.Kind.UNKNOWN_PAYMENT:
            return case.object_id
        address = reverse(page, args=[quote(case.object_id)])
        return format_html('<a class="text-link" href="{}">{}</a>', address, case.object_id)

    @admin.display(description=_("Facts"))
    def known_facts(self, case: Case) -> SafeString | str:
        pairs = [(name.replace("_", " "), _plain(value)) for name, value in case.facts.items()]
        return format_html_join("", "<div>{}: <strong>{}</strong></div>", pairs) or "–"

    def has_resolve_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("riskcontrol.change_case"))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        offered: list[Any] = super().get_actions_detail(request, object_id)
        case = self.get_object(request, unquote(str(object_id))) if offered else None
        is_ours = case is not None and case.status == Case.Status.OPEN and case.kind not in CLOSED_BY_THE_DEED
        return offered if is_ours else []

    @action(  # type: ignore[untyped-decorator]  # Unfold ships no types
        description=_("Resolve"),
        permissions=["resolve"],
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": _("Resolve"),
            "description": _("The case is closed with your name. Nothing else changes."),
            "form_class": ResolutionForm,
            "form_submit_text": _("Resolve"),
        },
    )
    def resolve(self, request: HttpRequest, form: ResolutionForm, object_id: str) -> HttpResponse:
        case = self.get_object(request, unquote(object_id))
        if case is None:
            raise Http404
        if case.kind in CLOSED_BY_THE_DEED:
            text = gettext("Surplus money closes its case itself, once it is refunded or given to its order.")
            self.message_user(request, text, messages.ERROR)
        elif self._close(request, case, note=form.cleaned_data["note"]):
            self.log_change(request, case, form.cleaned_data["note"])
            self.message_user(request, gettext("The case is closed."), messages.SUCCESS)
        else:
            self.message_user(request, gettext("The case was closed already."), messages.WARNING)
        return _go_to(request, reverse("ops:riskcontrol_case_change", args=[quote(case.id)]))

    def _close(self, request: HttpRequest, case: Case, *, note: str) -> int:
        if case.status != Case.Status.OPEN:
            return 0
        return resolve_cases(
            kind=Case.Kind(case.kind), object_id=case.object_id, resolution=note, resolved_by_id=str(request.user.pk)
        )


class PaymentLimitForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    currency = forms.ChoiceField(
        label=_("Currency"),
        choices=[(currency, currency) for currency in sorted(CURRENCIES)],
        widget=UnfoldAdminSelectWidget,
    )
    major = forms.CharField(
        label=_("Largest payment"),
        max_length=24,
        help_text=_("As people write it, e.g. 500.00."),
        widget=UnfoldAdminTextInputWidget,
    )

    class Meta:
        model = PaymentLimit
        fields = ("merchant", "currency")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if not self.instance._state.adding and "major" in self.fields:
            limit = Money(self.instance.max_amount_minor, self.instance.currency)
            self.fields["major"].initial = f"{limit.major:f}"

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        currency = cleaned.get("currency") or self.instance.currency
        if cleaned.get("major") and currency in CURRENCIES:
            try:
                limit = Money.from_major(cleaned["major"].strip(), currency)
            except InvalidAmount as error:
                self.add_error("major", ValidationError(error.detail or error.title))
            else:
                self.instance.max_amount_minor = limit.minor
                if not limit.is_positive:
                    self.add_error("major", _("The amount must be more than nothing."))
        return cleaned


@admin.register(PaymentLimit, site=ops_site)
class PaymentLimitAdmin(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    """Whom and which currency a limit is for stays; how much it is may change."""

    form = PaymentLimitForm
    list_display = ("id", "scope", "limit")
    list_select_related = ("merchant",)
    list_filter = (("merchant", AutocompleteSelectFilter),)
    list_filter_submit = True
    search_fields = ("=id", "=merchant__id", "merchant__name")
    search_help_text = _("The merchant's name or id")
    show_full_result_count = False
    ordering = ("-id",)
    autocomplete_fields = ("merchant",)
    fields: ClassVar = ("merchant", "currency", "major")

    @admin.display(description=_("For"))
    def scope(self, limit: PaymentLimit) -> str:
        return limit.merchant.name if limit.merchant else gettext("Every merchant without a limit of its own")

    @admin.display(description=_("Largest payment"), ordering="max_amount_minor")
    def limit(self, limit: PaymentLimit) -> str:
        return Money(limit.max_amount_minor, limit.currency).format(get_language() or "en")

    def get_readonly_fields(self, request: HttpRequest, obj: PaymentLimit | None = None) -> tuple[str, ...]:
        return ("merchant", "currency") if obj else ()

    def get_fields(self, request: HttpRequest, obj: PaymentLimit | None = None) -> tuple[str, ...]:
        if obj is not None and not self.has_change_permission(request, obj):
            return ("merchant", "limit")
        return ("merchant", "currency", "major")

    def save_model(self, request: HttpRequest, obj: PaymentLimit, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget_limits()

    def has_delete_permission(self, request: HttpRequest, obj: PaymentLimit | None = None) -> bool:
        return False


def waiting_cases(request: HttpRequest) -> Dashboard:
    """How many decisions wait, and for how long."""
    if not request.user.has_perm("riskcontrol.view_case"):
        return Dashboard()
    waiting: QuerySet[Case] = Case.objects.filter(status=Case.Status.OPEN)
    count, oldest = waiting.count(), waiting.aggregate(oldest=Min("opened_at"))["oldest"]
    age = gettext("Oldest: %(age)s") % {"age": timesince(oldest, depth=1)} if oldest else gettext("Nothing waits")
    return Dashboard(
        cards=[
            Card(
                title=_("Open cases"),
                value=str(count),
                detail=age,
                link=reverse("ops:riskcontrol_case_changelist") + "?status__exact=open",
                tone="warning" if count else "good",
            )
        ]
    )


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {item}" for name, item in value.items())
    return str(value)


def _go_to(request: HttpRequest, address: str) -> HttpResponse:
    """A dialog's form is sent by htmx, which follows this header; without script it is an ordinary redirect."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)


register_dashboard(ops_site, waiting_cases, place=20)
