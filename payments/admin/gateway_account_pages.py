"""Gateway accounts: where payments can be sent. Credentials go in and never come out."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from paycore.money import CURRENCIES
from paycore.parsers import BodyRefused, loads_strict
from paycore.sites import ops_site
from payments.admin.columns import tag
from payments.admin.filters import method_choices
from payments.checkout.presentation import look_of
from payments.gateways.contract import GatewayConfiguration, HttpResponse
from payments.gateways.contract import HttpRequest as GatewayHttpRequest
from payments.gateways.registry import GATEWAYS, build_gateway
from payments.routing.models import GatewayAccount
from payments.routing.services import forget_accounts

MAX_CREDENTIALS_BYTES = 16 * 1024


class NeverShownWidget(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # Unfold ships no types
    """What was typed is not sent back either, when another field is wrong."""

    def format_value(self, value: object) -> str:
        return ""


class GatewayAccountForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    gateway = forms.ChoiceField(
        label=_("Gateway"), choices=[(name, name) for name in GATEWAYS], widget=UnfoldAdminSelectWidget
    )
    new_credentials = forms.CharField(
        label=_("Credentials"),
        required=False,
        strip=True,
        help_text=_(
            'A JSON object, e.g. {"secret": "…"}. Stored encrypted and never shown. Empty keeps what is stored.'
        ),
        widget=NeverShownWidget({"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
    )
    methods = forms.MultipleChoiceField(
        label=_("Methods"), choices=method_choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    currencies = forms.MultipleChoiceField(
        label=_("Currencies"),
        required=False,
        choices=[(currency, currency) for currency in sorted(CURRENCIES)],
        help_text=_("Empty: every enabled currency."),
        widget=UnfoldAdminSelect2MultipleWidget,
    )

    class Meta:
        model = GatewayAccount
        fields = (
            "name",
            "gateway",
            "merchant",
            "is_enabled",
            "base_url",
            "methods",
            "currencies",
            "priority",
            "min_amount_minor",
            "max_amount_minor",
            "fee_basis_points",
            "fee_fixed_minor",
        )

    def clean_new_credentials(self) -> dict[str, str] | None:
        text = self.cleaned_data["new_credentials"]
        if not text:
            if self.instance._state.adding:
                raise ValidationError(_("A new account needs credentials."))
            return None
        try:
            credentials = loads_strict(text.encode(), max_bytes=MAX_CREDENTIALS_BYTES)
        except BodyRefused as error:
            raise ValidationError(_("This is not a JSON object.")) from error
        if not isinstance(credentials, dict) or not all(isinstance(value, str) for value in credentials.values()):
            raise ValidationError(_("Credentials are a JSON object whose values are texts."))
        return credentials

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        gateway = cleaned.get("gateway") or self.instance.gateway
        if gateway not in GATEWAYS:
            return cleaned
        foreign = [method for method in cleaned.get("methods", []) if method not in GATEWAYS[gateway].methods]
        if foreign:
            text = gettext("This gateway does not have: %(methods)s") % {"methods": ", ".join(foreign)}
            self.add_error("methods", text)
        if cleaned.get("new_credentials"):
            self._try_credentials(gateway, cleaned)
        smallest, largest = cleaned.get("min_amount_minor"), cleaned.get("max_amount_minor")
        if smallest is not None and largest is not None and smallest > largest:
            self.add_error("max_amount_minor", _("The largest amount is below the smallest."))
        return cleaned

    def _try_credentials(self, gateway: str, cleaned: dict[str, Any]) -> None:
        """An adapter that cannot even be built would fail at the first payment."""
        configuration = GatewayConfiguration(
            account_id=self.instance.id,
            base_url=cleaned.get("base_url", ""),
            credentials=cleaned["new_credentials"],
            transport=_no_transport,
        )
        try:
            build_gateway(gateway, configuration)
        except KeyError as missing:
            text = gettext("The credentials lack “%(name)s”.") % {"name": missing.args[0]}
            self.add_error("new_credentials", text)
        except (ValueError, TypeError):
            self.add_error("new_credentials", _("The gateway cannot use these credentials."))

    def save(self, commit: bool = True) -> Any:
        if self.cleaned_data["new_credentials"] is not None:
            self.instance.credentials = self.cleaned_data["new_credentials"]
        return super().save(commit)


def _no_transport(request: GatewayHttpRequest) -> HttpResponse:
    raise NotImplementedError("credentials are tried without a call")


@admin.register(GatewayAccount, site=ops_site)
class GatewayAccountAdmin(ModelAdmin):  # type: ignore[misc]  # Unfold ships no types
    """Gateway and owner are fixed once payments may point here; an account is switched off, not deleted."""

    form = GatewayAccountForm
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
    readonly_fields: ClassVar = ("id", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("name", ("gateway", "merchant"), "is_enabled")}),
        (_("Connection"), {"fields": ("base_url", "new_credentials")}),
        (
            _("What it takes"),
            {"fields": ("methods", "currencies", ("min_amount_minor", "max_amount_minor"), "priority")},
        ),
        (_("What the provider keeps"), {"fields": (("fee_basis_points", "fee_fixed_minor"),)}),
        (_("Record"), {"fields": (("id",), ("created_at", "updated_at"))}),
    )

    @admin.display(description=_("Status"), ordering="is_enabled")
    def standing(self, account: GatewayAccount) -> SafeString:
        return tag(_("Enabled"), "success") if account.is_enabled else tag(_("Switched off"), "danger")

    @admin.display(description=_("Owner"))
    def owner(self, account: GatewayAccount) -> str:
        return account.merchant.name if account.merchant else gettext("Platform")

    @admin.display(description=_("Methods"))
    def offered(self, account: GatewayAccount) -> str:
        return ", ".join(str(look_of(method).name) for method in account.methods)

    def get_readonly_fields(self, request: HttpRequest, obj: GatewayAccount | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "gateway", "merchant") if obj else self.readonly_fields

    def get_fieldsets(self, request: HttpRequest, obj: GatewayAccount | None = None) -> Any:
        if obj is not None and self.has_change_permission(request, obj):
            return self.fieldsets
        if obj is None:
            return self.fieldsets[:-1]
        shown = ("name", ("gateway", "merchant"), "is_enabled", "base_url", "offered", "priority")
        return ((None, {"fields": shown}), self.fieldsets[-1])

    def save_model(self, request: HttpRequest, obj: GatewayAccount, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        forget_accounts()

    def has_delete_permission(self, request: HttpRequest, obj: GatewayAccount | None = None) -> bool:
        return False
