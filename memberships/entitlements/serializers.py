"""What the API says about rights and takes about their use."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from memberships.entitlements.usage import MOST_AT_ONCE
from memberships.models import Feature
from paycore.fields import StrictCharField, StrictIntegerField, StrictSerializer

_REASONS = ("paid", "trial", "grace", "canceled", "purchase", "gift", "code", "staff", "free")


class EntitlementSerializer(serializers.Serializer[Any]):
    feature = serializers.CharField()
    object = serializers.ChoiceField(choices=["entitlement"])
    name = serializers.CharField(help_text=_("In the caller's language."))
    kind = serializers.ChoiceField(choices=Feature.Kind.choices)
    limit = serializers.IntegerField(allow_null=True, help_text=_("Null is without limit."))
    used = serializers.IntegerField(help_text=_("Since the counter last started anew."))
    remaining = serializers.IntegerField(allow_null=True)
    until = serializers.DateTimeField(
        allow_null=True, help_text=_("How far it is known to last; renewals move it on. Null: no known end.")
    )
    resets_at = serializers.DateTimeField(allow_null=True, help_text=_("When the counter next starts anew."))
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field named as a property of the base
        choices=["subscription", "seat", "grant", "free"]
    )
    source_id = serializers.CharField(help_text=_("Which subscription, seat or grant; of the free tier, the tier."))
    plan = serializers.CharField(help_text=_("The code of the plan that gives it."))
    reason = serializers.ChoiceField(
        choices=_REASONS,
        help_text=_("Why it is given now: `grace` while a payment is overdue, `canceled` until the paid time is over."),
    )


class EntitlementListSerializer(serializers.Serializer[Any]):
    data = EntitlementSerializer(many=True)  # type: ignore[assignment]  # as above


class EntitlementQuerySerializer(StrictSerializer):
    feature = StrictCharField(max_length=40, required=False)


class UsageSerializer(StrictSerializer):
    feature = StrictCharField(max_length=40, help_text=_("A feature's code."))
    amount = StrictIntegerField(min_value=1, max_value=MOST_AT_ONCE, help_text=_("All of it is counted, or nothing."))
    user = StrictCharField(max_length=40, required=False, help_text=_("Whose; for the platform's server only."))


class UsageOfUserSerializer(UsageSerializer):
    """As servers send it."""

    user = StrictCharField(max_length=40, help_text=_("Whose."))
