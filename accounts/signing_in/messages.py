"""Codes and notices: which message each of allauth's mails is here, written down and sent by the kernel."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from allauth.account import app_settings
from django.db import transaction
from django.utils.translation import get_language

from accounts.models import User
from paycore.clock import database_now
from paycore.notifications import budget
from paycore.notifications.addresses import Recipient
from paycore.notifications.courier import hurry_on_commit
from paycore.notifications.services import notify, sent_to_key

_PURPOSES = {
    "account/email/login_code": "sign_in",
    "account/email/email_confirmation_signup": "verify_email",
    "account/email/email_confirmation": "verify_email",
    "account/email/password_reset_code": "reset_password",
}
_TEMPLATES = {
    "account/email/account_already_exists": "account_exists",
    "account/email/unknown_account": "no_account",
}
_NOTICES = {
    "account/email/password_changed": "password_changed",
    "account/email/password_reset": "password_changed",
    "account/email/password_set": "password_changed",
    "account/email/email_changed": "email_changed",
    "account/email/email_deleted": "email_changed",
    "account/email/phone_changed": "phone_changed",
    "mfa/email/totp_activated": "mfa_on",
    "mfa/email/totp_deactivated": "mfa_off",
    "mfa/email/recovery_codes_generated": "recovery_codes",
    "mfa/email/webauthn_added": "passkey_added",
    "mfa/email/webauthn_removed": "passkey_removed",
}


@dataclass(frozen=True)
class Sms:
    """A message to ``phone`` that a request from ``address`` (an IP) asked for."""

    phone: str
    address: str
    user_id: str = ""


def is_known_mail(template_prefix: str) -> bool:
    """Whether :func:`send_mail` has words for this mail of allauth's."""
    return template_prefix in _PURPOSES or template_prefix in _TEMPLATES


def send_mail(template_prefix: str, *, email: str, code: str = "", user_id: str = "") -> None:
    """One of allauth's mails to somebody who may or may not have an account."""
    to = Recipient(user_id=user_id, email=email, language=get_language() or "")
    if template_prefix in _TEMPLATES:
        _write(_TEMPLATES[template_prefix], to=to, context={}, minutes=60)
        return
    purpose = _PURPOSES[template_prefix]
    minutes = _minutes_of(purpose)
    _write("code", to=to, context={"code": code, "purpose": purpose, "minutes": minutes}, minutes=minutes)


def send_notice(template_prefix: str, *, user: User, email: str) -> None:
    """Tell a person what was changed in the account; unknown mails of allauth's are said in general words."""
    what = _NOTICES.get(template_prefix, "account_changed")
    changed_at = database_now().isoformat(timespec="seconds")
    to = Recipient(user_id=user.pk, email=email, language=user.locale)
    _write("security_notice", to=to, context={"what": what, "changed_at": changed_at}, minutes=3 * 24 * 60)


def send_code_by_sms(sms: Sms, *, code: str) -> None:
    """Within the budget, or ``SmsLimitReached`` or ``SmsUnavailable``."""
    minutes = _minutes_of("verify_phone")
    # By itself: inside a transaction its refusal would undo the alert that tells of it.
    budget.reserve(phone=sms.phone, address=sms.address)
    to = Recipient(user_id=sms.user_id, phone=sms.phone, language=get_language() or "")
    _write("code_sms", to=to, context={"code": code, "minutes": minutes}, minutes=minutes)


def send_account_exists_by_sms(sms: Sms) -> None:
    """To who signs up with a number that has an account. Costs what a code costs, so it answers as a code does."""
    budget.reserve(phone=sms.phone, address=sms.address)
    to = Recipient(phone=sms.phone, language=get_language() or "")
    _write("account_exists", to=to, context={}, minutes=60)


def pretend_sms(sms: Sms) -> None:
    """Nothing goes to a number without an account: strangers' phones are not ours to ring, nor to pay for.

    The same limits and the same work as for a real one, so that neither the answer nor its time tells.
    """
    budget.pretend(phone=sms.phone, address=sms.address)
    with transaction.atomic():
        to = Recipient(phone=sms.phone, language=get_language() or "")
        _write("code_sms", to=to, context={"code": "000000", "minutes": 1}, minutes=1)
        transaction.set_rollback(True)


def _minutes_of(purpose: str) -> int:
    seconds = {
        "sign_in": app_settings.LOGIN_BY_CODE_TIMEOUT,
        "verify_email": app_settings.EMAIL_VERIFICATION_BY_CODE_TIMEOUT,
        "verify_phone": app_settings.PHONE_VERIFICATION_TIMEOUT,
        "reset_password": app_settings.PASSWORD_RESET_BY_CODE_TIMEOUT,
    }[purpose]
    return int(seconds) // 60


def _write(template: str, *, to: Recipient, context: Mapping[str, str | int], minutes: int) -> None:
    with transaction.atomic():
        notify(
            template=template,
            to=to,
            context=context,
            key=f"{sent_to_key(to.email or to.phone)}{uuid.uuid4().hex}",
            expires_at=database_now() + timedelta(minutes=minutes),
        )
        hurry_on_commit()
