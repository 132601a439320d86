"""What the API takes about saved methods, checked; and what it answers, described."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from paycore.clock import now
from paycore.countries import COUNTRIES
from paycore.fields import (
    CurrencyField,
    MinorUnitsField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    WebAddressField,
)
from payments.methods.models import Mandate, PaymentMethod


class PayerCountryField(StrictCharField):
    default_error_messages = {"not_a_country": _("Write the country's ISO 3166-1 code of two capital letters.")}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if text not in COUNTRIES:
            self.fail("not_a_country")
        return text


class ConsentSerializer(StrictSerializer):
    """What the payer read and agreed to. Its date, address and device are recorded with it."""

    text_version = StrictCharField(max_length=40, help_text=_("Which version of your text the payer read."))
    language = serializers.ChoiceField(
        choices=[code for code, _name in settings.LANGUAGES], help_text=_("In which language.")
    )
    accepted = StrictBooleanField(help_text=_("Must be true."))
    max_amount_minor = MinorUnitsField(
        required=False, help_text=_("At most so much each time, in the currency's smallest unit.")
    )
    currency = CurrencyField(required=False)
    interval = serializers.ChoiceField(choices=["day", "week", "month", "year"], required=False)
    interval_count = StrictIntegerField(min_value=1, max_value=366, required=False, default=1)
    first_charge_at = serializers.DateTimeField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        errors: dict[str, list[Any]] = {}
        if not attrs["accepted"]:
            errors["accepted"] = [_("The payer must have agreed.")]
        if ("max_amount_minor" in attrs) != ("currency" in attrs):
            errors["currency"] = [_("Give the amount and its currency together, or neither.")]
        if "first_charge_at" in attrs and attrs["first_charge_at"] < now():
            errors["first_charge_at"] = [_("Give a time that is still to come.")]
        if errors:
            raise serializers.ValidationError(errors)
        return attrs


class PayOptionsSerializer(StrictSerializer):
    """Options that an adapter understands. Card numbers are not among them."""

    token = StrictCharField(max_length=128, required=False, help_text=_("A payment token of the gateway's."))
    openid = StrictCharField(max_length=128, required=False, help_text=_("wechat_jsapi: who the payer is to your app."))
    scene = serializers.ChoiceField(
        choices=["app", "h5", "jsapi", "page"],
        required=False,
        help_text=_("Where the payer is, for ways to pay that differ by it (Alipay's page, mandates)."),
    )
    mobile_api_version = StrictCharField(
        max_length=40, required=False, help_text=_("Stripe's PaymentSheet: the API version that your app's SDK speaks.")
    )
    sandbox = serializers.DictField(required=False, help_text=_("A script for the sandbox; see docs/sandbox.md."))


class SaveMethodSerializer(StrictSerializer):
    method = StrictCharField(max_length=24)
    currency = CurrencyField(help_text=_("In which it will mostly be charged."))
    country = PayerCountryField(max_length=2, required=False, default="", help_text=_("The payer's."))
    merchant = StrictCharField(
        max_length=40, required=False, help_text=_("Who may charge it by the mandate. Empty: the platform.")
    )
    return_url = WebAddressField(max_length=500, required=False, default="")
    mandate = ConsentSerializer(required=False)
    device_id = StrictCharField(max_length=64, required=False, default="", allow_blank=True)
    options = PayOptionsSerializer(required=False)


class SavedCardSerializer(serializers.Serializer[PaymentMethod]):
    brand = serializers.CharField()
    last4 = serializers.CharField()
    expiry_month = serializers.IntegerField(allow_null=True)
    expiry_year = serializers.IntegerField(allow_null=True)


class MandateSerializer(serializers.Serializer[Mandate]):
    """Shape of a mandate in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["mandate"])
    payment_method = serializers.CharField()
    merchant = serializers.CharField()
    status = serializers.ChoiceField(choices=Mandate.Status.choices)
    text_version = serializers.CharField()
    language = serializers.CharField()
    max_amount_minor = serializers.IntegerField(allow_null=True)
    currency = serializers.CharField(allow_null=True)
    interval = serializers.CharField(allow_null=True)
    interval_count = serializers.IntegerField()
    first_charge_at = serializers.DateTimeField(allow_null=True)
    accepted_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class NextActionSerializer(serializers.Serializer[dict[str, Any]]):
    """What the payer must do next."""

    kind = serializers.ChoiceField(choices=["redirect", "qr_code", "app", "bank_transfer"])
    url = serializers.CharField(allow_blank=True)
    qr_text = serializers.CharField(allow_blank=True)
    app_parameters = serializers.DictField(child=serializers.CharField())
    expires_at = serializers.DateTimeField(allow_null=True)


class PaymentMethodSerializer(serializers.Serializer[PaymentMethod]):
    """Shape of a saved method in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["payment_method"])
    method = serializers.CharField()
    status = serializers.ChoiceField(choices=PaymentMethod.Status.choices)
    is_default = serializers.BooleanField()
    card = SavedCardSerializer(allow_null=True)
    label = serializers.CharField(allow_blank=True)  # type: ignore[assignment]  # a field of ours, not DRF's option
    next_action = NextActionSerializer(allow_null=True)
    failure_code = serializers.CharField(allow_null=True)
    merged_into = serializers.CharField(
        allow_null=True, help_text=_("The same card was saved before: this is its id. Use that one.")
    )
    mandates = MandateSerializer(many=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
