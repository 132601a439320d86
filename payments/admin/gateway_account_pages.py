"""Gateway accounts: where payments can be sent. Credentials go in and never come out."""

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget

from paycore.countries import COUNTRIES
from paycore.errors import PaycoreError
from paycore.money import CURRENCIES
from paycore.sites import ops_site
from paycore.sites.dialogs import ConfirmForm, asks_first
from paycore.sites.pages import FactsPage, Panel
from payments.admin.columns import facts, gateway_title, money, tag
from payments.admin.filters import method_choices
from payments.admin.gateway_account_form import account_form, asked_fields, end_overlap, field_name, stored_names
from payments.checkout.presentation import method_name
from payments.gateways.contract import GatewayError
from payments.gateways.registry import GATEWAYS
from payments.routing.connections import can_be_probed, probe_account, webhook_url, without_secrets
from payments.routing.models import GatewayAccount, GatewayFee, GatewayQuota, QuotaUse
from payments.routing.services import forget_accounts


def _currency_choices() -> list[tuple[str, str]]:
    return [("", "–"), *((currency, currency) for currency in sorted(CURRENCIES))]


def _method_choices() -> list[tuple[str, str]]:
    return [("", "–"), *method_choices()]


class FeeForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    method = forms.ChoiceField(
        label=_("Method"), required=False, choices=_method_choices, widget=UnfoldAdminSelectWidget
    )
    currency = forms.ChoiceField(
        label=_("Currency"), required=False, choices=_currency_choices, widget=UnfoldAdminSelectWidget
    )

    class Meta:
        model = GatewayFee
        fields = (
            "method",
            "countries",
            "currency",
            "basis_points",
            "fixed_minor",
            "from_volume_minor",
            "effective_from",
        )

    def clean_countries(self) -> list[str]:
        countries = [country.strip().upper() for country in self.cleaned_data["countries"] or []]
        if unknown := sorted(set(countries) - COUNTRIES):
            raise forms.ValidationError(gettext("No countries: %(codes)s") % {"codes": ", ".join(unknown)})
        return countries

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not cleaned.get("currency") and (cleaned.get("fixed_minor") or cleaned.get("from_volume_minor")):
            self.add_error("currency", _("A fixed part or a volume needs a currency."))
        return cleaned


class FeeInline(TabularInline):  # type: ignore[misc]  # Unfold ships no types
    model = GatewayFee
    form = FeeForm
    extra = 0
    hide_title = True
    verbose_name = _("rate")
    verbose_name_plural = _("rates (the most precise one that holds is taken, else the two numbers above)")


class QuotaForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    currency = forms.ChoiceField(label=_("Currency"), choices=_currency_choices, widget=UnfoldAdminSelectWidget)

    class Meta:
        model = GatewayQuota
        fields = ("currency", "period", "max_amount_minor", "max_count")


class QuotaInline(TabularInline):  # type: ignore[misc]  # Unfold ships no types
    """What was counted stays: a limit is lifted by emptying its numbers."""

    model = GatewayQuota
    form = QuotaForm
    extra = 0
    can_delete = False
    hide_title = True
    verbose_name = _("limit")
    verbose_name_plural = _("limits (empty both numbers to lift one)")


@admin.register(GatewayAccount, site=ops_site)
class GatewayAccountAdmin(FactsPage):
    """Gateway and owner are fixed once payments may point here; an account is switched off, not deleted."""

    list_display = ("name", "standing", "gateway", "owner", "offered", "priority", "updated_at")
    list_select_related = ("merchant",)
    list_filter = ("is_enabled", "gateway", ("merchant", AutocompleteSelectFilter))
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ("=id", "name", "=merchant__id")
    search_help_text = _("Id or name, or the merchant's id")
    show_full_result_count = False
    ordering = ("-id",)
    autocomplete_fields = ("merchant",)
    readonly_fields: ClassVar = ("id", "gateway", "stored", "told_at", "shown_settings", "created_at", "updated_at")
    inlines = (FeeInline, QuotaInline)
    actions_detail = ("test_connection", "end_rotation")
    expected_errors: ClassVar = (PaycoreError, GatewayError)

    @admin.display(description=_("Status"), ordering="is_enabled")
    def standing(self, account: GatewayAccount) -> SafeString:
        return tag(_("Enabled"), "success") if account.is_enabled else tag(_("Switched off"), "danger")

    @admin.display(description=_("Owner"))
    def owner(self, account: GatewayAccount) -> str:
        return account.merchant.name if account.merchant else gettext("Platform")

    @admin.display(description=_("Methods"))
    def offered(self, account: GatewayAccount) -> str:
        return ", ".join(method_name(method) for method in account.methods)

    @admin.display(description=_("Secrets stored"))
    def stored(self, account: GatewayAccount) -> SafeString | str:
        both, one = gettext("set; the one before is still good"), gettext("set")
        return facts({name: both if is_rotating else one for name, is_rotating in stored_names(account).items()})

    @admin.display(description=_("Address for the provider's callbacks"))
    def told_at(self, account: GatewayAccount) -> str:
        return webhook_url(account)

    @admin.display(description=_("Settings"))
    def shown_settings(self, account: GatewayAccount) -> SafeString | str:
        return facts(account.settings)

    def get_readonly_fields(self, request: HttpRequest, obj: GatewayAccount | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "merchant") if obj else self.readonly_fields

    def get_form(
        self, request: HttpRequest, obj: GatewayAccount | None = None, change: bool = False, **options: Any
    ) -> Any:
        options["form"] = account_form(obj.gateway if obj else _asked_gateway(request))
        return super().get_form(request, obj, change=change, **options)

    def get_fieldsets(self, request: HttpRequest, obj: GatewayAccount | None = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            seen = ("name", ("gateway", "merchant"), "is_enabled", "base_url", "shown_settings", "offered", "priority")
            return ((None, {"fields": seen}), _RECORD)
        gateway = GATEWAYS.get(obj.gateway if obj else _asked_gateway(request))
        asked = tuple(field_name(field) for field in asked_fields(gateway)) if gateway else ()
        owner = ("gateway", "merchant") if obj else ("merchant",)
        connection = ("base_url", *(("told_at", "stored") if obj else ()), *asked)
        taken = ("methods", "currencies", "countries", ("min_amount_minor", "max_amount_minor"))
        shown = (
            (None, {"fields": ("name", owner, "is_enabled")}),
            (_("Connection"), {"fields": connection}),
            (_("What it takes"), {"fields": (*taken, ("priority", "time_zone"))}),
            (_("What the provider keeps"), {"fields": (("fee_basis_points", "fee_fixed_minor"),)}),
        )
        return (*shown, _RECORD) if obj else shown

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First the gateway, for each has a form of its own."""
        if _asked_gateway(request) in GATEWAYS or not self.has_add_permission(request):
            answer: HttpResponse = super().add_view(request, form_url, extra_context)
            return answer
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": gettext("New gateway account"),
            "gateways": [
                {
                    "name": name,
                    "title": gateway_title(name),
                    "methods": ", ".join(method_name(method) for method in gateway.methods),
                }
                for name, gateway in GATEWAYS.items()
            ],
        }
        return TemplateResponse(request, "admin/payments/choose_gateway.html", context)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """A rate by volume needs the month's volume counted."""
        super().save_related(request, form, formsets, change)
        account: GatewayAccount = form.instance
        for currency in account.fees.filter(from_volume_minor__gt=0).values_list("currency", flat=True).distinct():
            account.quotas.get_or_create(currency=currency, period=GatewayQuota.Period.MONTH)
        forget_accounts()

    def save_model(self, request: HttpRequest, obj: GatewayAccount, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget_accounts()

    def has_delete_permission(self, request: HttpRequest, obj: GatewayAccount | None = None) -> bool:
        return False

    def panels(self, request: HttpRequest, row: GatewayAccount) -> Sequence[Panel]:
        return (_uses_panel(row),)

    # Deeds

    def fitting_actions(self, row: GatewayAccount) -> Collection[str]:
        names = {"test_connection"} if can_be_probed(row) else set()
        is_rotating = any(stored_names(row).values()) or any(name.endswith("_previous") for name in row.settings)
        return names | {"end_rotation"} if is_rotating else names

    def has_operate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return bool(request.user.has_perm("payments.change_gatewayaccount"))

    @asks_first(
        title=_("Test connection"),
        text=_("Asks the provider once, with the address and the credentials that are stored. Nothing is charged."),
        submit=_("Test"),
        permission="operate",
        icon="network_check",
        variant=ActionVariant.PRIMARY,
    )
    def test_connection(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        account: GatewayAccount = self.require_row(request, object_id)
        return self.carry_out(
            request,
            account,
            lambda: _probed(account),
            done=lambda said: gettext("The connection works. The provider says: %(said)s") % {"said": said or "–"},
        )

    @asks_first(
        title=_("End the overlap"),
        text=_("Callbacks signed with the secret before the last change are refused from then on."),
        submit=_("End it"),
        permission="operate",
        icon="key_off",
    )
    def end_rotation(self, request: HttpRequest, form: ConfirmForm, object_id: str) -> HttpResponse:
        account: GatewayAccount = self.require_row(request, object_id)
        answer = self.carry_out(
            request,
            account,
            lambda: end_overlap(account),
            done=lambda names: gettext("Only the newest is good now: %(names)s") % {"names": ", ".join(names)},
        )
        forget_accounts()
        return answer

    def refusal_text(self, refusal: Exception) -> str:
        if isinstance(refusal, GatewayError):
            reason = " ".join(part for part in (refusal.code, f"({refusal})") if part)
            return gettext("The connection does not work: %(reason)s") % {"reason": reason}
        return super().refusal_text(refusal)


_RECORD = (_("Record"), {"fields": (("id",), ("created_at", "updated_at"))})


def _asked_gateway(request: HttpRequest) -> str:
    return request.POST.get("gateway") or request.GET.get("gateway", "")


def _probed(account: GatewayAccount) -> str:
    """As stored now, not as this process remembers it."""
    try:
        return probe_account(account)
    except GatewayError as error:
        raise type(error)(without_secrets(str(error), account), code=error.code) from None
    except KeyError as missing:
        raise GatewayError(gettext("“%(name)s” is missing") % {"name": missing.args[0]}, code="misconfigured") from None


def _uses_panel(account: GatewayAccount) -> Panel:
    uses = QuotaUse.objects.filter(quota__account=account).select_related("quota").order_by("-period_start", "quota_id")
    rows = [
        (
            use.period_start,
            use.quota.get_period_display(),
            money(use.amount_minor, use.quota.currency),
            "–" if use.quota.max_amount_minor is None else money(use.quota.max_amount_minor, use.quota.currency),
            use.payments,
            "–" if use.quota.max_count is None else use.quota.max_count,
        )
        for use in uses[:30]
    ]
    return Panel(
        title=_("Taken of its limits"),
        note=_("Payments that came to nothing are given back within seconds."),
        headers=(_("From"), _("Period"), _("Amount"), _("Limit"), _("Payments"), _("Limit")),
        rows=rows,
        numbers={2, 3, 4, 5},
    )
