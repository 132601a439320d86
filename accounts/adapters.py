"""Where allauth asks us: how a user is stored, announced, shown and mailed."""

import base64
import smtplib
from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language

from accounts.events import UserSignedUp
from accounts.models import User
from accounts.stages import address_taken
from paycore.encryption import seal, unseal
from paycore.events import publish

_STOCK_STAGE = "allauth.account.stages.EmailVerificationStage"
_MFA_SECRET = "mfa_authenticator.data"  # noqa: S105 a column

log = structlog.get_logger(__name__)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """Sign-up stores and announces in one transaction; mail trouble never breaks a sign-up."""

    def get_login_stages(self) -> list[str]:
        ours = "accounts.stages.EmailVerificationStage"
        return [ours if stage == _STOCK_STAGE else stage for stage in super().get_login_stages()]

    def save_user(self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True) -> User:
        super().save_user(request, user, form, commit=False)
        user.name = form.cleaned_data.get("name", "")
        user.locale = form.cleaned_data.get("locale") or _supported(get_language())
        if commit:
            self._store(request, user)
        return user

    def post_login(self, request: HttpRequest, user: User, **details: Any) -> HttpResponse:
        request.session.set_expiry(settings.PAYCORE_SIGNED_IN_FOR_SECONDS)
        answer: HttpResponse = super().post_login(request, user, **details)
        return answer

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """A code that could not be mailed can be asked for again; the sign-up itself must not fail."""
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, smtplib.SMTPException) as error:
            log.warning("mail_not_sent", template=template_prefix, error=type(error).__name__)

    def get_client_ip(self, request: HttpRequest) -> str:
        """A short X-Forwarded-For (someone came around the proxy) counts as the address that connected."""
        try:
            address: str = super().get_client_ip(request)
        except ImproperlyConfigured:
            return str(request.META["REMOTE_ADDR"])
        return address

    def _store(self, request: HttpRequest, user: User) -> None:
        try:
            with transaction.atomic():
                user.save(force_insert=True)
                publish(UserSignedUp(user_id=user.pk))
        except IntegrityError as error:  # the same address signed up in parallel
            raise address_taken(request) from error


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    """TOTP secrets and recovery seeds are sealed at rest."""

    def encrypt(self, text: str) -> str:
        return base64.b64encode(seal(text.encode(), aad=_MFA_SECRET)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(base64.b64decode(encrypted_text), aad=_MFA_SECRET).decode()


def _supported(language: str | None) -> str:
    return language if language in User.Locale.values else User.Locale.ENGLISH
