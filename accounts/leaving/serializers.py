"""Closing and erasing, as the API takes and shows them."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts.leaving.models import Erasure
from accounts.models import User
from accounts.personal_data.sections import what_is_kept
from paycore.fields import StrictCharField, StrictSerializer


class ConfirmSerializer(StrictSerializer):
    confirm = serializers.ListField(
        child=StrictCharField(max_length=60),
        required=False,
        max_length=20,
        help_text=_("What is given up, as an earlier refusal (confirmation_needed) listed it."),
    )


class CloseSerializer(ConfirmSerializer):
    reason = StrictCharField(required=False, allow_blank=True, max_length=300, help_text=_("In the person's words."))


class ClosedSerializer(StrictSerializer):
    object = serializers.CharField(read_only=True)
    user = serializers.CharField(read_only=True)
    closed_at = serializers.DateTimeField(read_only=True)
    kept = serializers.ListField(child=serializers.CharField(), read_only=True, help_text=_("What stays, and why."))


class ErasureSerializer(StrictSerializer):
    id = serializers.CharField(read_only=True, help_text=_("Begins with ers_."))
    object = serializers.CharField(read_only=True)
    status = serializers.ChoiceField(choices=Erasure.Status.choices, read_only=True)
    due_at = serializers.DateTimeField(read_only=True, help_text=_("Until then it can be canceled."))
    blocked_by = serializers.CharField(
        read_only=True, allow_null=True, help_text=_("The code of what holds it up; it is tried again by itself.")
    )
    kept = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text=_("What is not erased, and which law keeps it.")
    )
    created_at = serializers.DateTimeField(read_only=True)


def present_closed(user: User) -> dict[str, Any]:
    return {"object": "closed_account", "user": user.pk, "closed_at": user.closed_at, "kept": what_is_kept()}


def present_erasure(erasure: Erasure) -> dict[str, Any]:
    return {
        "id": erasure.id,
        "object": "erasure",
        "status": str(erasure.status),
        "due_at": erasure.due_at,
        "blocked_by": erasure.blocked_by or None,
        "kept": what_is_kept(),
        "created_at": erasure.created_at,
    }
