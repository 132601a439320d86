"""Shapes of what is for sale."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from memberships.models import Feature, Price
from paycore.fields import CurrencyField, StrictSerializer


class PlanQuerySerializer(StrictSerializer):
    currency = CurrencyField(required=False)
    interval = serializers.ChoiceField(choices=Price.Interval.choices, required=False)


class PriceSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField(help_text=_("Of one interval, in the currency's smallest unit."))
    interval = serializers.ChoiceField(choices=Price.Interval.choices)
    interval_count = serializers.IntegerField(help_text=_("So many intervals are paid for at once."))
    trial_days = serializers.IntegerField(help_text=_("Free days before the first payment, once a person and tier."))
    setup_fee_minor = serializers.IntegerField(help_text=_("Once, with the first payment."))
    seat_amount_minor = serializers.IntegerField(help_text=_("For each seat more than the plan includes."))
    is_tax_inclusive = serializers.BooleanField()


class TierSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    code = serializers.CharField()
    name = serializers.CharField(help_text=_("In the caller's language."))
    rank = serializers.IntegerField(help_text=_("0 is free; a higher one gives more."))


class PlanFeatureSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField(help_text=_("In the caller's language."))
    kind = serializers.ChoiceField(choices=Feature.Kind.choices)
    limit = serializers.IntegerField(allow_null=True, help_text=_("null is without limit; a switch is on."))
    reset = serializers.ChoiceField(choices=Feature.Reset.choices, help_text=_("When its counter starts anew."))


class PlanSeatsSerializer(serializers.Serializer[Any]):
    included = serializers.IntegerField(help_text=_("The owner's own seat is one of them."))
    most = serializers.IntegerField()


class PlanSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["plan"])
    code = serializers.CharField()
    name = serializers.CharField(help_text=_("In the caller's language."))
    tier = TierSerializer()
    rank = serializers.IntegerField(help_text=_("The tier's."))
    version = serializers.IntegerField()
    features = PlanFeatureSerializer(many=True)
    seats = PlanSeatsSerializer()
    availability = serializers.ChoiceField(
        choices=["free", "on_sale", "not_in_currency", "not_for_sale"],
        help_text=_("`not_in_currency`: it has prices, but none in `currency`; `currencies` lists those it has."),
    )
    currency = serializers.CharField(help_text=_("That of the prices: as asked, else the caller's own."))
    currencies = serializers.ListField(child=serializers.CharField())
    prices = PriceSerializer(many=True)


class PlanListSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    data = PlanSerializer(many=True)  # type: ignore[assignment]  # a field named as a property of the base
