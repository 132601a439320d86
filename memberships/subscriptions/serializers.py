"""What the API takes and answers about subscriptions."""

import re
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from memberships.models import Invoice, Period, Price, Subscription
from memberships.subscriptions.calendar import zone_names
from paycore.fields import CurrencyField, StrictCharField, StrictIntegerField, StrictSerializer
from payments.orders.serializers import OrderSerializer

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
COLLECTED_BY = [choice for choice in Subscription.Collection.choices]


class MomentField(serializers.DateTimeField):
    """A moment with its offset, as RFC 3339 writes it; UTC afterwards."""

    default_error_messages = {"not_a_moment": _("Write a moment with its offset, like 2026-11-30T09:00:00Z.")}

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str) or not _MOMENT.fullmatch(value):
            self.fail("not_a_moment")
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("not_a_moment")


class ZoneField(StrictCharField):
    """The name of an IANA time zone."""

    default_error_messages = {"unknown_zone": _("There is no such time zone.")}

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, **options)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if name not in zone_names():
            self.fail("unknown_zone")
        return name


class QuantityField(StrictIntegerField):
    """Seats; the plan says how many it is sold with."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("help_text", _("Seats, the owner's included; without it as many as the plan contains."))
        super().__init__(min_value=1, max_value=10_000, **options)


class _PriceChoice(StrictSerializer):
    price = StrictCharField(max_length=40, required=False, help_text=_("A price's id, from /plans."))
    plan = StrictCharField(max_length=40, required=False, help_text=_("Instead of the price: a plan's code."))
    currency = CurrencyField(required=False)
    interval = serializers.ChoiceField(choices=Price.Interval.choices, required=False)
    interval_count = StrictIntegerField(min_value=1, max_value=366, required=False)
    quantity = QuantityField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        by_plan = [name for name in ("currency", "interval", "interval_count") if name in attrs]
        if "price" in attrs and ("plan" in attrs or by_plan):
            raise serializers.ValidationError({"price": _("Name the price, or the plan and how it is paid, not both.")})
        if by_plan and "plan" not in attrs:
            raise serializers.ValidationError({"plan": _("Name the plan.")})
        return attrs


class SubscribeSerializer(_PriceChoice):
    country = serializers.RegexField(
        "^[A-Z]{2}$", required=False, default="", help_text=_("ISO 3166 code of where the member lives; decides tax.")
    )
    time_zone = ZoneField(required=False, default="UTC", help_text=_("IANA name; periods end by its calendar."))
    starts_at = MomentField(required=False, help_text=_("Later than now and within a year; without it now."))
    promotion_code = StrictCharField(max_length=64, required=False, default="")
    collected_by = serializers.ChoiceField(choices=COLLECTED_BY, required=False, default="link")
    payment_method = StrictCharField(
        max_length=40, required=False, default="", help_text=_("A saved method that may be charged unasked.")
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "price" not in attrs and ("plan" not in attrs or "currency" not in attrs):
            raise serializers.ValidationError({"price": _("Name a price, or a plan and a currency.")})
        return attrs


class ChangeSerializer(_PriceChoice):
    when = serializers.ChoiceField(choices=["now", "period_end"], required=False, default="now")
    quoted_at = MomentField(
        required=False, help_text=_("`effective_at` of a fresh preview: the change happens as of that second.")
    )
    promotion_code = StrictCharField(
        max_length=80, required=False, default="", help_text=_("For a change `now`: lowers what it charges.")
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if not {"price", "plan", "quantity"} & set(attrs):
            raise serializers.ValidationError({"price": _("Name another price or other seats.")})
        if attrs["promotion_code"] and attrs["when"] != "now":
            raise serializers.ValidationError({"promotion_code": _("A code is for a change that happens now.")})
        return attrs


class CancelSerializer(StrictSerializer):
    when = serializers.ChoiceField(choices=["period_end", "now"], required=False, default="period_end")
    reason = StrictCharField(max_length=300, required=False, default="", allow_blank=True)


class PauseSerializer(StrictSerializer):
    until = MomentField(required=False, help_text=_("Without it, the longest pause."))
    reason = StrictCharField(max_length=300, required=False, default="", allow_blank=True)


class CollectionSerializer(StrictSerializer):
    collected_by = serializers.ChoiceField(choices=COLLECTED_BY)
    payment_method = StrictCharField(max_length=40, required=False, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs["collected_by"] == "method") != bool(attrs["payment_method"]):
            raise serializers.ValidationError({"payment_method": _("A saved method is named when it is charged.")})
        return attrs


class NothingSerializer(StrictSerializer):
    """An empty object."""


class BillLineSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    description = serializers.CharField()
    quantity = serializers.IntegerField()
    amount_minor = serializers.IntegerField(help_text=_("Negative for what is given back or taken off."))
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)


class _SumsSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    lines = BillLineSerializer(many=True)
    subtotal_minor = serializers.IntegerField()
    discount_minor = serializers.IntegerField()
    tax_minor = serializers.IntegerField()
    total_minor = serializers.IntegerField()
    credit_minor = serializers.IntegerField(help_text=_("Paid from what the member had left."))
    due_minor = serializers.IntegerField()


class BillSerializer(_SumsSerializer):
    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["invoice"])
    number = serializers.CharField()
    status = serializers.ChoiceField(choices=Invoice.Status.choices)
    kind = serializers.ChoiceField(choices=Invoice.Kind.choices)
    order = serializers.CharField(allow_null=True)


class DraftSerializer(_SumsSerializer):
    new_credit_minor = serializers.IntegerField(help_text=_("What the member has left afterwards."))


class SubscriptionSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["subscription"])
    user = serializers.CharField()
    status = serializers.ChoiceField(choices=Subscription.Status.choices)
    has_access = serializers.BooleanField()
    sold_by = serializers.ChoiceField(choices=Subscription.Rail.choices)
    manage_url = serializers.CharField(allow_null=True)
    tier = serializers.CharField()
    plan = serializers.CharField()
    price = serializers.CharField(allow_null=True)
    quantity = serializers.IntegerField()
    currency = serializers.CharField(allow_null=True)
    country = serializers.CharField(allow_null=True)
    time_zone = serializers.CharField()
    period_number = serializers.IntegerField()
    period_started_at = serializers.DateTimeField(allow_null=True)
    period_ends_at = serializers.DateTimeField(allow_null=True)
    starts_at = serializers.DateTimeField(allow_null=True)
    trial_ends_at = serializers.DateTimeField(allow_null=True)
    cancel_at_period_end = serializers.BooleanField()
    canceled_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    end_reason = serializers.CharField(allow_null=True)
    paused_at = serializers.DateTimeField(allow_null=True)
    resumes_at = serializers.DateTimeField(allow_null=True)
    next_price = serializers.CharField(allow_null=True)
    next_quantity = serializers.IntegerField(allow_null=True)
    collected_by = serializers.ChoiceField(choices=COLLECTED_BY)
    payment_method = serializers.CharField(allow_null=True)
    credit_minor = serializers.IntegerField()
    grace_until = serializers.DateTimeField(allow_null=True)
    failure_code = serializers.CharField(allow_null=True)
    features = serializers.DictField(child=serializers.IntegerField(allow_null=True))
    created_at = serializers.DateTimeField()


class BilledSubscriptionSerializer(SubscriptionSerializer):
    invoice = BillSerializer(allow_null=True)
    order = OrderSerializer(allow_null=True, help_text=_("Pay it with /payments or /checkout-sessions."))


class PreviewSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["subscription_preview"])
    price = serializers.CharField()
    quantity = serializers.IntegerField()
    effective_at = serializers.DateTimeField(help_text=_("From when it would count."))
    trial_ends_at = serializers.DateTimeField(allow_null=True)
    period_ends_at = serializers.DateTimeField(allow_null=True)
    is_due_now = serializers.BooleanField(help_text=_("Whether the invoice would be made at once."))
    invoice = DraftSerializer(allow_null=True)


class PeriodSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["membership_period"])
    number = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Period.Kind.choices)
    status = serializers.ChoiceField(choices=Period.Status.choices)
    plan = serializers.CharField()
    price = serializers.CharField(allow_null=True)
    quantity = serializers.IntegerField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    invoice = serializers.CharField(allow_null=True)


class SubscriptionChangeSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["subscription_change"])
    kind = serializers.CharField()
    status = serializers.ChoiceField(choices=Subscription.Status.choices)
    by = serializers.CharField(help_text=_("A user's id, `staff`, `system`, or a store."))
    reason = serializers.CharField(allow_blank=True)
    details = serializers.DictField()
    happened_at = serializers.DateTimeField()


class MembershipSerializer(serializers.Serializer[Any]):
    object = serializers.ChoiceField(choices=["membership"])
    tier = serializers.CharField(allow_null=True)
    plan = serializers.CharField(allow_null=True)
    plan_name = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=["active", "free"])
    period_started_at = serializers.DateTimeField(allow_null=True)
    period_ends_at = serializers.DateTimeField(allow_null=True)
    paid_until = serializers.DateTimeField(allow_null=True)
    grant = serializers.CharField(allow_null=True, help_text=_("What was given outside a subscription, if it counts."))
    subscription = SubscriptionSerializer(allow_null=True, help_text=_("The live one, also without access."))
