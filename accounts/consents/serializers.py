"""Texts to agree to, and what the person said to them."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts.consents.models import Consent, ConsentDocument
from paycore.fields import StrictCharField, StrictSerializer


class ConsentDocumentSerializer(StrictSerializer):
    id = serializers.CharField(read_only=True, help_text=_("Begins with cnd_."))
    object = serializers.CharField(read_only=True)
    kind = serializers.ChoiceField(choices=ConsentDocument.Kind.choices, read_only=True)
    version = serializers.CharField(read_only=True)
    text = serializers.CharField(read_only=True, help_text=_("In the language of the request."))
    url = serializers.CharField(read_only=True, allow_null=True)
    published_at = serializers.DateTimeField(read_only=True)


class ConsentDocumentsSerializer(StrictSerializer):
    data = ConsentDocumentSerializer(many=True, read_only=True)  # type: ignore[assignment]  # a property of the base


class ConsentSerializer(StrictSerializer):
    id = serializers.CharField(read_only=True, help_text=_("Begins with con_."))
    object = serializers.CharField(read_only=True)
    kind = serializers.ChoiceField(choices=ConsentDocument.Kind.choices, read_only=True)
    document = serializers.CharField(read_only=True)
    version = serializers.CharField(read_only=True)
    act = serializers.ChoiceField(choices=Consent.Act.choices, read_only=True)
    at = serializers.DateTimeField(read_only=True)


class ConsentsSerializer(StrictSerializer):
    data = ConsentSerializer(  # type: ignore[assignment]  # a property of the base
        many=True, read_only=True, help_text=_("The newest act of each kind.")
    )
    missing = ConsentDocumentSerializer(
        many=True, read_only=True, help_text=_("Texts in force that have not been agreed to.")
    )


class GiveConsentSerializer(StrictSerializer):
    document = StrictCharField(max_length=40, help_text=_("The text that was shown. Begins with cnd_."))


class WithdrawConsentSerializer(StrictSerializer):
    kind = serializers.ChoiceField(choices=ConsentDocument.Kind.choices)


def present_document(document: ConsentDocument, *, language: str) -> dict[str, Any]:
    return {
        "id": document.id,
        "object": "consent_document",
        "kind": document.kind,
        "version": document.version,
        "text": document.text(language),
        "url": document.url or None,
        "published_at": document.published_at,
    }


def present_consent(consent: Consent) -> dict[str, Any]:
    return {
        "id": consent.id,
        "object": "consent",
        "kind": consent.kind,
        "document": consent.document_id,
        "version": consent.document.version,
        "act": consent.act,
        "at": consent.at,
    }
