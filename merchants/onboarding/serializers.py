"""What an applicant sends, checked; and what is answered, described."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from merchants.models import Merchant, MerchantDocument, MerchantMember
from merchants.onboarding.completeness import missing_items
from merchants.onboarding.documents import documents_of
from paycore.countries import COUNTRIES
from paycore.fields import CurrencyField, StrictCharField, StrictSerializer, WebAddressField


class CountryField(serializers.ChoiceField):
    """An ISO 3166-1 code of two capitals."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("help_text", _("ISO 3166-1 code of two letters."))
        super().__init__(choices=sorted(COUNTRIES), **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in COUNTRIES:
            self.fail("invalid_choice", input=str(data)[:20])
        return data


class ApplicationChangeSerializer(StrictSerializer):
    """Only what is sent changes. What is empty may stay so until the application is submitted."""

    name = StrictCharField(max_length=120, required=False, help_text=_("What payers see."))
    country = CountryField(required=False)
    home_currency = CurrencyField(required=False)
    legal_name = StrictCharField(max_length=200, required=False, allow_blank=True)
    business_kind = serializers.ChoiceField(choices=Merchant.Kind.choices, required=False, allow_blank=True)
    registration_number = StrictCharField(
        max_length=64, required=False, allow_blank=True, help_text=_("Kept sealed; only you and the reviewer read it.")
    )
    website = WebAddressField(max_length=200, required=False, allow_blank=True)
    support_email = serializers.EmailField(max_length=254, required=False, allow_blank=True)


class ApplicationRequestSerializer(ApplicationChangeSerializer):
    """A business that wants to take money."""

    name = StrictCharField(max_length=120, help_text=_("What payers see."))
    country = CountryField()
    home_currency = CurrencyField(default="USD")


class DocumentRequestSerializer(serializers.Serializer[Any]):
    """Shape of the multipart body: the kind, and one file."""

    kind = serializers.ChoiceField(choices=MerchantDocument.Kind.choices)
    file = serializers.FileField(help_text=_("JPEG, PNG or PDF, 5 MB at most."))


class DocumentSerializer(serializers.Serializer[MerchantDocument]):
    """Shape of a document in answers. Its bytes are not among them."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["merchant_document"])
    kind = serializers.ChoiceField(choices=MerchantDocument.Kind.choices)
    content_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()


class ReviewNoteSerializer(serializers.Serializer[Any]):
    """One thing to mend."""

    item = serializers.CharField(help_text=_("A field's name or a document's id."))
    note = serializers.CharField()


class ApplicationSerializer(serializers.Serializer[Merchant]):
    """Shape of an application in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["merchant_application"])
    status = serializers.ChoiceField(choices=Merchant.Status.choices)
    name = serializers.CharField()
    legal_name = serializers.CharField()
    business_kind = serializers.CharField()
    registration_number = serializers.CharField()
    country = serializers.CharField()
    home_currency = serializers.CharField()
    website = serializers.CharField()
    support_email = serializers.CharField()
    documents = DocumentSerializer(many=True)
    missing = serializers.ListField(
        child=serializers.CharField(), help_text=_("Fields and kinds of documents that a submission still lacks.")
    )
    returned_because = serializers.CharField(allow_null=True)
    notes = ReviewNoteSerializer(many=True)
    created_at = serializers.DateTimeField()


class InvitationAnswerSerializer(StrictSerializer):
    token = StrictCharField(max_length=128, help_text=_("From the link in the mail."))


class MerchantMembershipSerializer(serializers.Serializer[MerchantMember]):
    """Shape of a person's role at a merchant in answers."""

    object = serializers.ChoiceField(choices=["merchant_membership"])
    merchant = serializers.CharField()
    merchant_name = serializers.CharField()
    role = serializers.ChoiceField(choices=MerchantMember.Role.choices)
    created_at = serializers.DateTimeField()


def present_application(merchant: Merchant) -> dict[str, Any]:
    latest = merchant.reviews.order_by("-id").first()
    is_returned = merchant.status == Merchant.Status.RETURNED and latest is not None
    return {
        "id": merchant.id,
        "object": "merchant_application",
        "status": str(merchant.status),
        "name": merchant.name,
        "legal_name": merchant.legal_name,
        "business_kind": merchant.business_kind,
        "registration_number": merchant.registration_number or "",
        "country": merchant.country,
        "home_currency": merchant.home_currency,
        "website": merchant.website,
        "support_email": merchant.support_email,
        "documents": [present_document(document) for document in documents_of(merchant)],
        "missing": missing_items(merchant),
        "returned_because": latest.reason if is_returned and latest else None,
        "notes": latest.notes if is_returned and latest else [],
        "created_at": merchant.created_at,
    }


def present_document(document: MerchantDocument) -> dict[str, Any]:
    return {
        "id": document.id,
        "object": "merchant_document",
        "kind": document.kind,
        "content_type": document.content_type,
        "size_bytes": document.size_bytes,
        "sha256": document.sha256,
        "created_at": document.created_at,
    }


def present_membership(member: MerchantMember) -> dict[str, Any]:
    return {
        "object": "merchant_membership",
        "merchant": member.merchant_id,
        "merchant_name": member.merchant.name,
        "role": str(member.role),
        "created_at": member.created_at,
    }
