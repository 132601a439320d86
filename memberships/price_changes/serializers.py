"""Shape of a price change."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from memberships.models import PriceMove


class PriceChangeSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["price_change"])
    subscription = serializers.CharField()
    status = serializers.ChoiceField(choices=PriceMove.Status.choices)
    kind = serializers.ChoiceField(
        choices=["notice", "consent", "lower"],
        help_text=_("`notice` applies after it, `consent` only to who agrees, `lower` at the next renewal."),
    )
    if_unanswered = serializers.ChoiceField(choices=["new_price", "old_price", "ends"])
    currency = serializers.CharField()
    old_amount_minor = serializers.IntegerField(help_text=_("Of one interval, for all seats, before tax."))
    new_amount_minor = serializers.IntegerField(help_text=_("Of one interval, for all seats, before tax."))
    old_price = serializers.CharField()
    new_price = serializers.CharField()
    answer_by = serializers.DateTimeField(allow_null=True)
    may_apply_from = serializers.DateTimeField()
    first_charged_at = serializers.DateTimeField(help_text=_("The first renewal at the new price."))
    subscription_ends = serializers.BooleanField(help_text=_("The membership ends with its period."))
