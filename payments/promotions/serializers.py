"""What the API takes about promotions, checked; and what it answers, described."""

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
)
from payments.promotions.models import CodeBatch, Promotion, PromotionCode, Redemption
from payments.promotions.terms import MOST_MINOR

MAX_AMOUNT_MINOR = 10**13
DRAFT_KINDS = [(kind.value, kind.label) for kind in (Promotion.Kind.PERCENT, Promotion.Kind.FIXED)]
"""Free days are for memberships."""


class AmountsField(serializers.DictField):
    """``{"USD": 500}``: minor units by currency."""

    child = MinorUnitsField(max_value=MOST_MINOR)

    def __init__(self, **options: Any) -> None:
        options.setdefault("help_text", _('Minor units by currency: `{"USD": 500}`.'))
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        for currency in value:
            CurrencyField().run_validation(currency)
        return value


class PromotionRequestSerializer(StrictSerializer):
    """A promotion to draft."""

    name = StrictCharField(max_length=80, help_text=_("For yourself. Payers do not see it."))
    title = StrictCharField(max_length=80, required=False, help_text=_("Payers see it. Empty: what is off."))
    title_zh = StrictCharField(max_length=80, required=False)
    kind = serializers.ChoiceField(choices=DRAFT_KINDS)
    percent_basis_points = StrictIntegerField(
        min_value=1, max_value=10_000, required=False, help_text=_("Hundredths of a percent: 2000 is 20 %.")
    )
    amounts = AmountsField(required=False)
    most_off = AmountsField(required=False)
    least = AmountsField(required=False, help_text=_("The smallest order, by currency; no other currency then."))
    currencies = serializers.ListField(child=CurrencyField(), required=False, max_length=100)
    is_first_only = StrictBooleanField(required=False)
    starts_at = serializers.DateTimeField(required=False)
    ends_at = serializers.DateTimeField(required=False)
    stacking = serializers.ChoiceField(choices=Promotion.Stacking.choices, required=False)
    position = StrictIntegerField(
        min_value=0, max_value=1_000, required=False, help_text=_("Of several, the lowest is taken off first.")
    )
    max_uses = StrictIntegerField(min_value=1, max_value=10**9, required=False, allow_null=True)
    max_per_person = StrictIntegerField(min_value=1, max_value=1_000, required=False, allow_null=True)
    max_per_day = StrictIntegerField(min_value=1, max_value=10**9, required=False, allow_null=True)
    budget_minor = MinorUnitsField(max_value=MOST_MINOR, required=False)
    budget_currency = CurrencyField(required=False)


class CodeRequestSerializer(StrictSerializer):
    code = StrictCharField(max_length=40, help_text=_("3 to 40 letters, digits, `-` or `_`; case does not matter."))
    max_uses = StrictIntegerField(min_value=1, max_value=10**9, required=False)
    max_per_person = StrictIntegerField(min_value=1, max_value=1_000, required=False)
    expires_at = serializers.DateTimeField(required=False)


class BatchRequestSerializer(StrictSerializer):
    count = StrictIntegerField(min_value=1, max_value=100_000)
    prefix = StrictCharField(max_length=12, required=False, default="", allow_blank=True)
    length = StrictIntegerField(min_value=8, max_value=20, default=10, help_text=_("Characters of chance."))
    max_uses = StrictIntegerField(min_value=1, max_value=10**9, default=1, help_text=_("Of each code."))
    note = StrictCharField(max_length=120, required=False, default="", allow_blank=True)


class CheckSerializer(StrictSerializer):
    code = StrictCharField(max_length=1_000)
    amount_minor = MinorUnitsField(max_value=MAX_AMOUNT_MINOR)
    currency = CurrencyField()
    plan = StrictCharField(max_length=64, required=False, default="")
    price = StrictCharField(max_length=64, required=False, default="")
    interval = StrictCharField(max_length=64, required=False, default="")


class CheckAnswerSerializer(serializers.Serializer[dict[str, Any]]):
    """What the code would give now. It holds nothing."""

    object = serializers.ChoiceField(choices=["promotion_quote"])
    code = serializers.CharField()
    description = serializers.CharField(help_text=_("What is off, in the caller's language."))
    currency = serializers.CharField()
    discount_minor = serializers.IntegerField()
    amount_minor = serializers.IntegerField(help_text=_("What would be left to pay."))
    free_days = serializers.IntegerField()
    periods = serializers.IntegerField(allow_null=True, help_text=_("Charges it lowers; null: every one."))


class PromotionSerializer(serializers.Serializer[Promotion]):
    """Shape of a promotion in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["promotion"])
    name = serializers.CharField()
    title = serializers.CharField()
    title_zh = serializers.CharField()
    status = serializers.ChoiceField(choices=Promotion.Status.choices)
    kind = serializers.ChoiceField(choices=Promotion.Kind.choices)
    percent_basis_points = serializers.IntegerField(allow_null=True)
    amounts = serializers.DictField(child=serializers.IntegerField())
    most_off = serializers.DictField(child=serializers.IntegerField())
    least = serializers.DictField(child=serializers.IntegerField())
    currencies = serializers.ListField(child=serializers.CharField())
    is_first_only = serializers.BooleanField()
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    stacking = serializers.ChoiceField(choices=Promotion.Stacking.choices)
    position = serializers.IntegerField()
    max_uses = serializers.IntegerField(allow_null=True)
    max_per_person = serializers.IntegerField(allow_null=True)
    max_per_day = serializers.IntegerField(allow_null=True)
    budget_minor = serializers.IntegerField(allow_null=True)
    budget_currency = serializers.CharField(allow_null=True)
    funded_by = serializers.ChoiceField(choices=Promotion.FundedBy.choices)
    needs_second_person = serializers.BooleanField(
        help_text=_("It may cost a lot: another person than its author activates it, in the console.")
    )
    used = serializers.IntegerField()
    reserved_minor = serializers.IntegerField(help_text=_("Taken of the budget."))
    activated_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class PromotionCodeSerializer(serializers.Serializer[PromotionCode]):
    """Shape of a code in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["promotion_code"])
    promotion = serializers.CharField()
    code = serializers.CharField()
    is_enabled = serializers.BooleanField()
    max_uses = serializers.IntegerField(allow_null=True)
    max_per_person = serializers.IntegerField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    used = serializers.IntegerField()
    batch = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class PromotionCodeBatchSerializer(serializers.Serializer[CodeBatch]):
    """Shape of a batch in answers; ``made`` grows until ``done``."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["promotion_code_batch"])
    promotion = serializers.CharField()
    status = serializers.ChoiceField(choices=CodeBatch.Status.choices)
    count = serializers.IntegerField()
    made = serializers.IntegerField()
    prefix = serializers.CharField()
    length = serializers.IntegerField()
    max_uses = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class PromotionUseSerializer(serializers.Serializer[Redemption]):
    """Shape of a use in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["promotion_use"])
    promotion = serializers.CharField()
    code = serializers.CharField()
    subject = serializers.CharField(help_text=_("The order that it lowered."))
    status = serializers.ChoiceField(choices=Redemption.Status.choices)
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField()
    given_minor = serializers.IntegerField()
    free_days = serializers.IntegerField()
    periods_left = serializers.IntegerField(allow_null=True)
    is_suspect = serializers.BooleanField()
    taken_at = serializers.DateTimeField()
    used_at = serializers.DateTimeField(allow_null=True)
    released_at = serializers.DateTimeField(allow_null=True)
