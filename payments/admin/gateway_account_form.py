"""The form of a gateway account, made from what its adapter asks for. Secrets go in and never come out."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from paycore.countries import country_choices
from paycore.money import CURRENCIES
from payments.admin.filters import method_choices
from payments.gateways.contract import AccountField, Gateway, GatewayConfiguration, HttpResponse
from payments.gateways.contract import HttpRequest as GatewayHttpRequest
from payments.gateways.registry import GATEWAYS, build_gateway
from payments.routing.models import GatewayAccount

MAX_VALUE_CHARACTERS = 16_000
SECRET, SETTING = "secret__", "setting__"
COLUMNS = (
    "name",
    "merchant",
    "is_enabled",
    "base_url",
    "methods",
    "currencies",
    "countries",
    "priority",
    "min_amount_minor",
    "max_amount_minor",
    "fee_basis_points",
    "fee_fixed_minor",
    "time_zone",
)


class NeverShownArea(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # Unfold ships no types
    """What was typed is not sent back either, when another field is wrong."""

    def format_value(self, value: object) -> str:
        return ""


class NeverShownInput(UnfoldAdminTextInputWidget):  # type: ignore[misc]  # Unfold ships no types
    input_type = "password"

    def format_value(self, value: object) -> str:
        return ""


class GatewayAccountForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when it runs
    """Subclassed for each gateway by :func:`account_form`."""

    gateway_class: type[Gateway] | None = None

    base_url = forms.CharField(
        label=_("Provider's address"), required=False, max_length=200, widget=UnfoldAdminTextInputWidget
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
    countries = forms.MultipleChoiceField(
        label=_("Payers' countries"),
        required=False,
        choices=country_choices,
        help_text=_("Empty: every country."),
        widget=UnfoldAdminSelect2MultipleWidget,
    )

    class Meta:
        model = GatewayAccount
        fields = COLUMNS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        gateway = self.gateway_class
        if gateway is None:
            return
        # A visitor who may only look gets no fields.
        if "methods" in self.fields:
            offered: Any = self.fields["methods"]
            offered.choices = [one for one in method_choices() if one[0] in gateway.methods]
        if "currencies" in self.fields and gateway.currencies:
            self.fields["currencies"].help_text = gettext("Empty: every enabled currency that this gateway takes.")
        if "base_url" in self.fields and gateway.addresses:
            shown = ", ".join(gateway.addresses)
            self.fields["base_url"].help_text = gettext("The provider's own: %(addresses)s. Empty: the first.") % {
                "addresses": shown
            }
        for field in asked_fields(gateway):
            name = field_name(field)
            if name in self.fields and not field.is_secret:
                self.fields[name].initial = (self.instance.settings or {}).get(field.name, "")
            if name in self.fields and field.is_required and not (field.is_secret and self._has_stored(field)):
                self.fields[name].required = True
                self.fields[name].error_messages["required"] = gettext("This gateway needs it.")

    def _has_stored(self, field: AccountField) -> bool:
        return not self.instance._state.adding and bool(self.instance.credentials.get(field.name))

    def _get_validation_exclusions(self) -> set[str]:
        """The address was checked here: some providers live in this process."""
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # missing in the stubs
        return excluded | {"base_url"}

    def clean_base_url(self) -> str:
        gateway = self.gateway_class
        base_url: str = self.cleaned_data["base_url"].strip().rstrip("/")
        if gateway is None:
            return base_url
        own = [address.rstrip("/") for address in gateway.addresses]
        if not base_url:
            return own[0] if own else ""
        if base_url in own:
            return base_url
        if own and not settings.PAYCORE_GATEWAYS_MAY_BE_REPLACED:
            raise ValidationError(_("In production only the provider's own addresses are allowed."))
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValidationError(_("Give an address that begins with https."))
        return base_url

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        smallest, largest = cleaned.get("min_amount_minor"), cleaned.get("max_amount_minor")
        if smallest is not None and largest is not None and smallest > largest:
            self.add_error("max_amount_minor", _("The largest amount is below the smallest."))
        if self.gateway_class is not None:
            self._check_account(self.gateway_class, cleaned)
        return cleaned

    def _check_account(self, gateway: type[Gateway], cleaned: dict[str, Any]) -> None:
        foreign = sorted(set(cleaned.get("currencies", [])) - gateway.currencies) if gateway.currencies else []
        if foreign:
            text = gettext("This gateway does not take: %(currencies)s") % {"currencies": ", ".join(foreign)}
            self.add_error("currencies", text)
        credentials, chosen = self._merged(gateway, cleaned)
        for field in asked_fields(gateway):
            stored = credentials if field.is_secret else chosen
            if field.is_required and not stored.get(field.name) and field_name(field) not in self.errors:
                self.add_error(field_name(field), _("This gateway needs it."))
        if not self.errors:
            self._try(gateway, credentials, chosen, base_url=cleaned.get("base_url", ""))

    def _merged(self, gateway: type[Gateway], cleaned: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
        """What would be stored. A new value of what may overlap keeps the one before it good."""
        credentials = dict(self.instance.credentials or {}) if not self.instance._state.adding else {}
        chosen = dict(self.instance.settings or {})
        for field in asked_fields(gateway):
            value = (cleaned.get(field_name(field)) or "").strip()
            if field.is_secret and not value:
                continue
            stored = credentials if field.is_secret else chosen
            before = stored.get(field.name, "")
            if field.can_overlap and before and value and before != value:
                stored[f"{field.name}_previous"] = before
            stored[field.name] = value
        return credentials, {name: value for name, value in chosen.items() if value}

    def _try(
        self, gateway: type[Gateway], credentials: dict[str, str], chosen: dict[str, str], *, base_url: str
    ) -> None:
        """An adapter that cannot even be built would fail at the first payment."""
        configuration = GatewayConfiguration(
            account_id=self.instance.id,
            base_url=base_url,
            credentials=credentials,
            transport=_no_transport,
            settings=chosen,
        )
        try:
            build_gateway(gateway.name, configuration)
        except KeyError as missing:
            self.add_error(None, gettext("The gateway needs “%(name)s”.") % {"name": missing.args[0]})
        except (ValueError, TypeError, AttributeError) as error:
            # What a library says of a key may hold a part of it.
            is_plain = not any(field.is_secret for field in gateway.account_fields)
            text = gettext("The gateway cannot use these credentials or settings.")
            self.add_error(None, f"{text} {error}" if is_plain else text)

    def save(self, commit: bool = True) -> Any:
        if self.gateway_class is not None:
            self.instance.gateway = self.gateway_class.name
            self.instance.credentials, self.instance.settings = self._merged(self.gateway_class, self.cleaned_data)
        return super().save(commit)


def asked_fields(gateway: type[Gateway]) -> tuple[AccountField, ...]:
    """In production those that would stand in for the provider are not even asked for."""
    return tuple(
        field for field in gateway.account_fields if settings.PAYCORE_GATEWAYS_MAY_BE_REPLACED or not field.is_override
    )


def field_name(field: AccountField) -> str:
    return (SECRET if field.is_secret else SETTING) + field.name


def account_form(gateway_name: str) -> type[GatewayAccountForm]:
    """The form for accounts of one gateway; the plain one for a gateway that is no more."""
    gateway = GATEWAYS.get(gateway_name)
    if gateway is None:
        return GatewayAccountForm
    return _form_class(gateway, settings.PAYCORE_GATEWAYS_MAY_BE_REPLACED)


@cache
def _form_class(gateway: type[Gateway], _may_be_replaced: bool) -> type[GatewayAccountForm]:
    fields = {field_name(field): _form_field(field) for field in asked_fields(gateway)}
    return type(f"{gateway.__name__}AccountForm", (GatewayAccountForm,), {"gateway_class": gateway, **fields})


def _form_field(field: AccountField) -> forms.Field:
    attributes = {"autocomplete": "off", "spellcheck": "false"}
    if field.is_secret:
        widget = NeverShownArea({"rows": 4, **attributes}) if field.is_multiline else NeverShownInput(attributes)
    else:
        widget = UnfoldAdminTextareaWidget({"rows": 4}) if field.is_multiline else UnfoldAdminTextInputWidget()
    return forms.CharField(
        label=field.name,
        required=False,
        strip=True,
        max_length=MAX_VALUE_CHARACTERS,
        help_text=_help(field),
        widget=widget,
    )


def _help(field: AccountField) -> Any:
    if field.is_override:
        return gettext_lazy("Stands another server in for the provider: for trials on one machine only.")
    if field.is_secret and field.can_overlap:
        return gettext_lazy(
            "Never shown. Empty keeps what is stored; after a change the one before stays good until you end that."
        )
    if field.is_secret:
        return gettext_lazy("Never shown. Empty keeps what is stored.")
    return "" if field.is_required else gettext_lazy("May stay empty.")


def stored_names(account: GatewayAccount) -> dict[str, bool]:
    """Which secrets are stored, and whether the one before is still good. No values."""
    stored = account.credentials
    names = [name for name in stored if not name.endswith("_previous") and stored[name]]
    return {name: bool(stored.get(f"{name}_previous")) for name in sorted(names)}


def end_overlap(account: GatewayAccount) -> list[str]:
    """Forget the values before the last change; the names whose were forgotten."""
    ended: list[str] = []
    for values in (account.credentials, account.settings):
        for name in [name for name in values if name.endswith("_previous")]:
            del values[name]
            ended.append(name.removesuffix("_previous"))
    if ended:
        account.save(update_fields=["credentials", "settings", "updated_at"])
    return ended


def _no_transport(request: GatewayHttpRequest) -> HttpResponse:
    raise NotImplementedError("credentials are tried without a call")
