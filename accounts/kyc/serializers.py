"""An identity check, as the API takes and shows it. Neither the number nor the files are ever given back."""

import re
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts.kyc.models import KycCase
from accounts.models import KycLevel
from paycore.fields import StrictCharField, StrictSerializer


class CountryField(StrictCharField):
    default_error_messages = {"not_a_country": _("Write the country's ISO 3166-1 code of two capital letters.")}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not re.fullmatch("[A-Z]{2}", text):
            self.fail("not_a_country")
        return text


class IdentityInputSerializer(StrictSerializer):
    document_type = serializers.ChoiceField(choices=KycCase.DocumentType.choices)
    country = CountryField(max_length=2, help_text=_("Who issued the document: ISO 3166-1, two letters."))
    document_number = StrictCharField(
        min_length=4, max_length=40, help_text=_("As it is printed. It is kept sealed and never shown again.")
    )
    files = serializers.ListField(
        child=serializers.FileField(),
        min_length=1,
        max_length=4,
        help_text=_("One to four files of at most 5 MB: JPEG, PNG or PDF."),
    )


class IdentityTextSerializer(StrictSerializer):
    """What is left of the input once the files are taken out."""

    document_type = serializers.ChoiceField(choices=KycCase.DocumentType.choices)
    country = CountryField(max_length=2)
    document_number = StrictCharField(min_length=4, max_length=40)


class IdentityCheckSerializer(StrictSerializer):
    id = serializers.CharField(read_only=True, help_text=_("Begins with kyc_."))
    object = serializers.CharField(read_only=True)
    status = serializers.ChoiceField(choices=KycCase.Status.choices, read_only=True)
    document_type = serializers.ChoiceField(choices=KycCase.DocumentType.choices, read_only=True)
    country = serializers.CharField(read_only=True)
    reason = serializers.CharField(read_only=True, allow_null=True, help_text=_("Why it was rejected or revoked."))
    reviewed_at = serializers.DateTimeField(read_only=True, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)


class IdentitySerializer(StrictSerializer):
    level = serializers.ChoiceField(
        choices=KycLevel.choices,
        read_only=True,
        help_text=_("0: not verified; 1: phone verified; 2: identity document reviewed."),
    )
    checks = IdentityCheckSerializer(many=True, read_only=True, help_text=_("The newest first, at most twenty."))


def present_check(case: KycCase) -> dict[str, Any]:
    return {
        "id": case.id,
        "object": "identity_check",
        "status": str(case.status),
        "document_type": case.document_type,
        "country": case.country,
        "reason": case.reason or None,
        "reviewed_at": case.reviewed_at,
        "created_at": case.created_at,
    }
