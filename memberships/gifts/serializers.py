"""What the API takes about gifts and codes, checked; and what it answers, described."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from memberships.gifts.codes import MOST_TYPED
from memberships.models import Gift, Price
from paycore.fields import StrictCharField, StrictSerializer
from paycore.notifications.strangers import leads_somewhere
from payments.methods.serializers import PayerCountryField


class MessageField(StrictCharField):
    """Goes to a stranger under our name, so it leads nowhere."""

    default_error_messages = {"link": _("Write the message without web addresses.")}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if leads_somewhere(text):
            self.fail("link")
        return text


class BuyGiftSerializer(StrictSerializer):
    price = StrictCharField(max_length=40, help_text=_("A price's id, from /plans: the gift is one interval of it."))
    recipient_email = serializers.EmailField(
        max_length=254, required=False, help_text=_("Who gets the code. Without it the code is mailed to the buyer.")
    )
    message = MessageField(max_length=500, multiline=True, required=False, allow_blank=True)
    deliver_at = serializers.DateTimeField(
        required=False, help_text=_("When the code is mailed; once it is paid, without it.")
    )
    language = serializers.ChoiceField(
        choices=[code for code, _name in settings.LANGUAGES],
        required=False,
        help_text=_("Of the recipient's mail; the buyer's own without it."),
    )
    country = PayerCountryField(required=False, help_text=_("The buyer's, for the tax."))


class GiftSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["gift"])
    status = serializers.ChoiceField(choices=Gift.Status.choices)
    plan = serializers.CharField()
    price = serializers.CharField()
    interval = serializers.ChoiceField(choices=Price.Interval.choices)
    interval_count = serializers.IntegerField()
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField(help_text=_("With tax."))
    order = serializers.CharField(allow_null=True, help_text=_("Pay it with /payments or /checkout-sessions."))
    invoice = serializers.CharField()
    language = serializers.CharField()
    deliver_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    code_ends_with = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class OwnGiftSerializer(GiftSerializer):
    recipient_email = serializers.EmailField(allow_null=True)
    message = serializers.CharField(allow_null=True)


class GiftCodeSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["gift_code"])
    gift = serializers.CharField()
    code = serializers.CharField(help_text=_("Shown this one time."))


class RedeemSerializer(StrictSerializer):
    code = StrictCharField(max_length=MOST_TYPED, help_text=_("In any case, with or without hyphens."))


class RedemptionSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["redemption"])
    plan = serializers.CharField()
    gave = serializers.ChoiceField(
        choices=["period", "grant"],
        help_text=_("period: behind what your subscription has, and its renewal moves out. grant: by itself."),
    )
    subscription = serializers.CharField(allow_null=True)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    redeemed_at = serializers.DateTimeField()
