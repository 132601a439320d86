"""What the API takes, checked; and what it answers, described."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from paycore.fields import (
    CurrencyField,
    MinorUnitsField,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    WebAddressField,
)
from paycore.money import Money
from payments.methods.models import PaymentMethod
from payments.methods.serializers import (
    ConsentSerializer,
    NextActionSerializer,
    PayerCountryField,
    PayOptionsSerializer,
)
from payments.orders.clearance import Payer, PayInstruction
from payments.orders.discounts import Customer
from payments.orders.models import Capture, Order, Payment, Refund
from payments.orders.services import OrderDraft, OrderLine

MAX_LINES = 100
MAX_CODES = 5
MAX_METADATA = 20
MAX_AMOUNT_MINOR = 10**15  # so that thousands of them still fit in a balance


class LineSerializer(StrictSerializer):
    description = StrictCharField(max_length=200)
    quantity = StrictIntegerField(min_value=1, max_value=1_000_000, default=1)
    amount_minor = MinorUnitsField(min_value=0, help_text=_("For the whole quantity."))
    reference = StrictCharField(max_length=64, default="", allow_blank=True)


class MetadataField(serializers.DictField):
    """Up to twenty short texts of the caller's own."""

    child = StrictCharField(max_length=200, allow_blank=True)

    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        if len(value) > MAX_METADATA or any(len(name) > 40 for name in value):
            raise serializers.ValidationError(_("At most 20 entries with names of at most 40 characters."))
        return value


class CustomerSerializer(StrictSerializer):
    """Who your customer is, in your own words: for promotion codes with conditions about people. Kept as keyed hashes
    only."""

    reference = StrictCharField(max_length=120, default="", allow_blank=True, help_text=_("Your own id of them."))
    email = StrictCharField(max_length=254, default="", allow_blank=True)
    is_first_purchase = StrictBooleanField(default=False, help_text=_("They never bought from you before."))


class OrderDetailsSerializer(StrictSerializer):
    """An order to create."""

    merchant_order_number = StrictCharField(
        max_length=64, required=False, help_text=_("Your own number; unique for ever. Empty: our id.")
    )
    currency = CurrencyField()
    amount_minor = MinorUnitsField(
        max_value=MAX_AMOUNT_MINOR, help_text=_("The total, after discount, in the currency's smallest unit.")
    )
    discount_minor = MinorUnitsField(min_value=0, default=0)
    description = StrictCharField(max_length=200)
    lines = serializers.ListField(child=LineSerializer(), required=False, max_length=MAX_LINES)
    metadata = MetadataField(required=False)
    capture_method = serializers.ChoiceField(choices=["automatic", "manual"], default="automatic")
    promotion_code = StrictCharField(
        max_length=80,
        required=False,
        help_text=_(
            "A code as the payer typed it. What it gives is taken off `amount_minor` and added to the order's "
            "`discount_minor`, now. An order that was made without a code may take one until it is paid."
        ),
    )
    promotion_codes = serializers.ListField(
        child=StrictCharField(max_length=80),
        required=False,
        max_length=MAX_CODES,
        help_text=_("Several codes, where their promotions go together."),
    )
    customer = CustomerSerializer(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        lines = attrs.get("lines")
        if lines and sum(line["amount_minor"] for line in lines) != attrs["amount_minor"] + attrs["discount_minor"]:
            raise serializers.ValidationError(
                {"lines": [_("The lines must add up to the total plus the discount.")]}, code="lines_do_not_add_up"
            )
        return attrs


def draft_order(data: dict[str, Any], *, merchant_id: str) -> OrderDraft:
    """Checked order details as a draft."""
    return OrderDraft(
        merchant_id=merchant_id,
        amount=Money(data["amount_minor"], data["currency"]),
        description=data["description"],
        merchant_order_number=data.get("merchant_order_number", ""),
        lines=tuple(OrderLine(**line) for line in data.get("lines", ())),
        discount_minor=data["discount_minor"],
        metadata=data.get("metadata", {}),
        capture_method=data["capture_method"],
        promotion_codes=(*filter(None, [data.get("promotion_code")]), *data.get("promotion_codes", ())),
        customer=Customer(**data["customer"]) if "customer" in data else None,
        takes_codes=True,
    )


class PayerSerializer(StrictSerializer):
    """What is known of who pays; risk control looks at it."""

    ip_address = serializers.IPAddressField(
        required=False, help_text=_("From merchants' servers only: the payer's address, not the server's.")
    )
    device_id = StrictCharField(
        max_length=64, required=False, help_text=_("An id that the app keeps on the device; not a hardware number.")
    )
    country = PayerCountryField(
        max_length=2,
        required=False,
        help_text=_("Where the payer is: ISO 3166-1, two letters. Some ways to pay need it."),
    )


class PaySerializer(StrictSerializer):
    order = StrictCharField(max_length=40, required=False, help_text=_("An open order's id."))
    order_details = OrderDetailsSerializer(
        required=False, help_text=_("Merchants' servers may create the order in the same step.")
    )
    method = StrictCharField(
        max_length=24, required=False, help_text=_("How to pay, e.g. `card`. Not needed with `payment_method`.")
    )
    payment_method = StrictCharField(
        max_length=40, required=False, help_text=_("A saved method's id (`pm_…`): charge it, in one tap.")
    )
    off_session = StrictBooleanField(
        default=False,
        help_text=_("From merchants' servers: nobody is there to confirm. Needs a mandate of the payer's."),
    )
    save_method = StrictBooleanField(
        default=False, help_text=_("Keep what is paid with for later; the order must be a signed-in user's.")
    )
    mandate = ConsentSerializer(
        required=False, help_text=_("With `save_method`: what the payer agreed that may be charged unasked.")
    )
    return_url = WebAddressField(max_length=500, required=False, default="")
    options = PayOptionsSerializer(required=False)
    payer = PayerSerializer(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("order" in attrs) == ("order_details" in attrs):
            raise serializers.ValidationError(_("Give either order or order_details."), code="order_or_details")
        if "method" not in attrs and "payment_method" not in attrs:
            raise serializers.ValidationError({"method": [_("Give a method or a payment_method.")]})
        if attrs["save_method"] and "payment_method" in attrs:
            raise serializers.ValidationError({"save_method": [_("A saved method is saved already.")]})
        if "mandate" in attrs and not attrs["save_method"]:
            raise serializers.ValidationError({"mandate": [_("Give it together with save_method.")]})
        if attrs["off_session"] and "payment_method" not in attrs:
            raise serializers.ValidationError({"off_session": [_("Only a saved payment_method can be charged so.")]})
        return attrs


def pay_instruction(
    data: dict[str, Any], *, payer: Payer, saved: PaymentMethod | None = None, consent: dict[str, Any] | None = None
) -> PayInstruction:
    """Checked pay details as an instruction. A saved method is charged as what it is."""
    return PayInstruction(
        method=saved.method if saved else data["method"],
        return_url=data["return_url"],
        options=dict(data.get("options", {})),
        payer=payer,
        saved=saved,
        is_off_session=data["off_session"],
        saves_method=data["save_method"],
        consent=consent or {},
        country=data.get("payer", {}).get("country", ""),
    )


class CaptureSerializer(StrictSerializer):
    amount_minor = MinorUnitsField(required=False, help_text=_("Empty: all that is left."))
    is_final = StrictBooleanField(default=True, help_text=_("Let the rest of the hold go."))


class RefundRequestSerializer(StrictSerializer):
    payment = StrictCharField(max_length=40)
    amount_minor = MinorUnitsField(required=False, help_text=_("Empty: all that can still be refunded."))
    reason = StrictCharField(max_length=300)


class OrderSerializer(serializers.Serializer[Order]):
    """Shape of an order in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["order"])
    merchant = serializers.CharField()
    merchant_order_number = serializers.CharField()
    status = serializers.ChoiceField(choices=Order.Status.choices)
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField()
    discount_minor = serializers.IntegerField()
    promotion_codes = serializers.ListField(
        child=serializers.CharField(), help_text=_("The codes that are part of the discount.")
    )
    refunded_minor = serializers.IntegerField()
    description = serializers.CharField()
    lines = LineSerializer(many=True)
    metadata = serializers.DictField(child=serializers.CharField())
    capture_method = serializers.ChoiceField(choices=["automatic", "manual"])
    expires_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class FailureSerializer(serializers.Serializer[dict[str, Any]]):
    """Why it failed, in the caller's language."""

    code = serializers.CharField()
    message = serializers.CharField(help_text=_("What happened; for the payer to read."))
    advice = serializers.CharField(help_text=_("What the payer can do about it."))
    retry = serializers.ChoiceField(
        choices=["retry_same", "retry_elsewhere", "ask_payer", "stop"],
        help_text=_("What your program may do: try again later, try again now, ask the payer, or stop."),
    )


class PaymentSerializer(serializers.Serializer[Payment]):
    """Shape of a payment in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["payment"])
    order = serializers.CharField()
    status = serializers.ChoiceField(choices=Payment.Status.choices)
    method = serializers.CharField()
    payment_method = serializers.CharField(allow_null=True, help_text=_("The saved method that was charged."))
    off_session = serializers.BooleanField(help_text=_("Charged unasked, by a mandate."))
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField()
    authorized_minor = serializers.IntegerField()
    captured_minor = serializers.IntegerField()
    refunded_minor = serializers.IntegerField()
    next_action = NextActionSerializer(allow_null=True)
    hold = serializers.ChoiceField(
        choices=Payment.Hold.choices,
        allow_null=True,
        help_text=_("Why a `created` payment waits before it is sent. Nothing is taken meanwhile."),
    )
    failure_code = serializers.CharField(allow_null=True)
    failure = FailureSerializer(allow_null=True)
    version = serializers.IntegerField(help_text=_("Grows with every change; wait for one with `after_version`."))
    succeeded_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class CaptureAnswerSerializer(serializers.Serializer[Capture]):
    """Shape of a capture in answers; what was taken shows on the payment."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["capture"])
    payment = serializers.CharField()
    status = serializers.ChoiceField(choices=["submitting", "succeeded", "failed"])
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField()
    is_final = serializers.BooleanField()
    failure_code = serializers.CharField(allow_null=True)


class RefundSerializer(serializers.Serializer[Refund]):
    """Shape of a refund in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["refund"])
    payment = serializers.CharField()
    status = serializers.ChoiceField(choices=Refund.Status.choices)
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField()
    reason = serializers.CharField()
    failure_code = serializers.CharField(allow_null=True)
    review_note = serializers.CharField(allow_null=True)
    succeeded_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
