"""The signed-in person, as the API shows and accepts it."""

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts.models import User
from paycore.fields import CurrencyField, StrictCharField, StrictSerializer


class MeSerializer(StrictSerializer):
    """``id``, ``email`` and ``created_at`` are shown, never taken."""

    id = serializers.CharField(read_only=True, help_text=_("Begins with usr_."))
    email = serializers.EmailField(
        read_only=True, allow_null=True, help_text=_("Changed through the authentication endpoints only.")
    )
    name = StrictCharField(required=False, allow_blank=True, max_length=100, help_text=_("How to address the person."))
    locale = serializers.ChoiceField(
        choices=User.Locale.choices, required=False, help_text=_("Language of mails and receipts.")
    )
    currency = CurrencyField(required=False, help_text=_("The currency prices are shown in first."))
    created_at = serializers.DateTimeField(source="date_joined", read_only=True)
