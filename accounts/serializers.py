"""The signed-in person, as the API shows and accepts it."""

from allauth.account.models import EmailAddress
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts.models import KycLevel, User
from paycore.fields import CurrencyField, StrictCharField, StrictSerializer

MAX_AVATAR_URL_LENGTH = 500


class MeSerializer(StrictSerializer):
    """Addresses, flags and dates are shown, never taken."""

    id = serializers.CharField(read_only=True, help_text=_("Begins with usr_."))
    email = serializers.EmailField(
        read_only=True, allow_null=True, help_text=_("Changed through the authentication endpoints only.")
    )
    is_email_verified = serializers.SerializerMethodField()
    phone = serializers.CharField(
        read_only=True, allow_null=True, help_text=_("E.164. Changed through the authentication endpoints only.")
    )
    is_phone_verified = serializers.BooleanField(read_only=True)
    name = StrictCharField(required=False, allow_blank=True, max_length=100, help_text=_("How to address the person."))
    locale = serializers.ChoiceField(
        choices=User.Locale.choices, required=False, help_text=_("Language of mails and receipts.")
    )
    currency = CurrencyField(required=False, help_text=_("The currency prices are shown in first."))
    avatar_url = StrictCharField(
        required=False,
        allow_blank=True,
        max_length=MAX_AVATAR_URL_LENGTH,
        validators=[URLValidator(schemes=["https"])],
        help_text=_("A picture's https address; empty for none."),
    )
    kyc_level = serializers.ChoiceField(
        choices=KycLevel.choices,
        read_only=True,
        help_text=_("0: not verified; 1: phone verified; 2: identity document reviewed."),
    )
    created_at = serializers.DateTimeField(source="date_joined", read_only=True)

    def get_is_email_verified(self, user: User) -> bool:
        return bool(EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists())
