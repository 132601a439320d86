"""Phone numbers as allauth asks for them. A number belongs to an account once its code was typed in, not before:
nobody can keep a number from its owner by signing up with it.
"""

from typing import Any

import phonenumbers
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from phonenumbers import PhoneNumberType

from accounts.kyc.services import note_phone_verified
from accounts.models import User
from accounts.signing_in.messages import Sms, pretend_sms, send_account_exists_by_sms, send_code_by_sms
from paycore.errors import Conflict
from paycore.notifications import budget
from paycore.throttling import client_address

_PENDING = "accounts_pending_phone"
# Numbers that cost the caller extra, or cannot get a message.
_REFUSED_TYPES = {
    PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST,
    PhoneNumberType.TOLL_FREE,
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.PAGER,
    PhoneNumberType.UAN,
    PhoneNumberType.VOICEMAIL,
}


class PhoneTaken(Conflict):
    code = "phone_taken"
    title = _("An account with this number was made a moment ago. Sign in with a code instead.")


class PhoneAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """The half of the account adapter that is about phone numbers."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "invalid_phone": _("This is not a phone number. Write it with the country code, like +14155550123."),
        "phone_without_messages": _("Messages cannot be sent to this kind of number."),
    }

    def clean_phone(self, phone: str) -> str:
        """E.164 of a number that exists and can get a message."""
        number = _parsed(phone)
        if number is None or not phonenumbers.is_valid_number(number):
            raise self.validation_error("invalid_phone")
        if phonenumbers.number_type(number) in _REFUSED_TYPES:
            raise self.validation_error("phone_without_messages")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    def get_phone(self, user: User) -> tuple[str, bool] | None:
        if user.phone:
            return user.phone, user.phone_verified_at is not None
        user_id, phone = context.request.session.get(_PENDING, ("", ""))
        return (phone, False) if phone and user_id == user.pk else None

    def set_phone(self, user: User, phone: str, verified: bool) -> None:
        if verified:
            self.set_phone_verified(user, phone)
        else:
            context.request.session[_PENDING] = (user.pk, phone)

    def set_phone_verified(self, user: User, phone: str) -> None:
        budget.note_verified(phone=phone)
        context.request.session.pop(_PENDING, None)
        earlier = user.phone
        if earlier == phone and user.phone_verified_at is not None:
            return
        try:
            with transaction.atomic():
                User.objects.filter(pk=user.pk).update(phone=phone, phone_verified_at=Now())
                note_phone_verified(user_id=user.pk)
        except IntegrityError as error:  # another sign-up with this number was faster
            raise PhoneTaken from error
        user.refresh_from_db(fields=["phone", "phone_verified_at"])
        if earlier and earlier != phone:
            self.send_notification_mail("account/email/phone_changed", user)

    def get_user_by_phone(self, phone: str) -> User | None:
        return User.objects.filter(phone=phone, phone_verified_at__isnull=False).first()

    def send_verification_code_sms(self, user: User, phone: str, code: str, **_options: Any) -> None:
        send_code_by_sms(_sms(phone, user_id=user.pk), code=code)

    def send_unknown_account_sms(self, phone: str, **_options: Any) -> None:
        pretend_sms(_sms(phone))

    def send_account_already_exists_sms(self, phone: str) -> None:
        send_account_exists_by_sms(_sms(phone))


def refuse_unsendable(phone: str) -> None:
    """Before anybody is created: raises what sending a code to ``phone`` would raise for a stop."""
    budget.refuse_paused(phone)


def _sms(phone: str, *, user_id: str = "") -> Sms:
    return Sms(phone=phone, address=client_address(context.request), user_id=user_id)


def _parsed(phone: str) -> "phonenumbers.PhoneNumber | None":
    try:
        return phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return None
