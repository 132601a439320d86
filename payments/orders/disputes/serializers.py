"""What the disputes' API takes, checked; and what it answers, described."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from paycore.fields import StrictCharField, StrictSerializer
from payments.orders.disputes.models import Dispute, DisputeFile


class EvidenceSerializer(StrictSerializer):
    """Replaces all texts that were given before."""

    explanation = StrictCharField(max_length=5_000, required=False, help_text=_("What happened, in your words."))
    product_description = StrictCharField(max_length=2_000, required=False)
    customer_name = StrictCharField(max_length=200, required=False)
    customer_email = serializers.EmailField(max_length=254, required=False)
    delivery_date = serializers.DateField(required=False)
    tracking_number = StrictCharField(max_length=100, required=False)
    carrier = StrictCharField(max_length=100, required=False)
    refund_policy = StrictCharField(max_length=5_000, required=False)
    refund_refusal = StrictCharField(max_length=5_000, required=False, help_text=_("Why you did not refund it."))


class EvidenceFileSerializer(serializers.Serializer[Any]):
    """Shape of an upload."""

    kind = serializers.ChoiceField(choices=DisputeFile.Kind.choices)
    files = serializers.ListField(child=serializers.FileField(), min_length=1, max_length=1)


class DisputeFileSerializer(serializers.Serializer[DisputeFile]):
    """Shape of a file in answers; what is in it is never given out here."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["dispute_file"])
    kind = serializers.ChoiceField(choices=DisputeFile.Kind.choices)
    content_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()


class DisputeSerializer(serializers.Serializer[Dispute]):
    """Shape of a dispute in answers."""

    id = serializers.CharField()
    object = serializers.ChoiceField(choices=["dispute"])
    payment = serializers.CharField()
    status = serializers.ChoiceField(choices=Dispute.Status.choices)
    reason = serializers.ChoiceField(choices=Dispute.Reason.choices)
    currency = serializers.CharField()
    amount_minor = serializers.IntegerField()
    withdrawn_minor = serializers.IntegerField(help_text=_("What was taken from you for it and not returned."))
    evidence_due_at = serializers.DateTimeField(allow_null=True)
    answer = serializers.ChoiceField(choices=Dispute.Answer.choices)
    answer_failure = serializers.CharField(allow_null=True)
    answered_at = serializers.DateTimeField(allow_null=True)
    opened_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)


def kind_of(sent: dict[str, Any]) -> DisputeFile.Kind:
    """The one text field of an upload."""
    unknown = sorted(set(sent) - {"kind"})
    if unknown:
        raise ValidationError({unknown[0][:100]: [_("There is no such field here.")]}, code="unknown_field")
    if sent.get("kind") not in DisputeFile.Kind.values:
        raise ValidationError({"kind": [_("This is no kind of evidence.")]}, code="invalid_choice")
    return DisputeFile.Kind(sent["kind"])
