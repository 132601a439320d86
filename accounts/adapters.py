"""Where allauth asks us: how a user is stored, announced, shown and written to."""

import base64
from typing import Any
from urllib.parse import urlsplit

from allauth.account.internal.flows.login import get_authentication_records, record_authentication
from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.exceptions import ReauthenticationRequired
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, transaction
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language

from accounts.events import UserSignedUp
from accounts.models import User
from accounts.signing_in import messages
from accounts.signing_in.phones import PhoneAdapter
from accounts.stages import address_taken
from accounts.stepup import was_proved_recently
from paycore.encryption import seal, unseal
from paycore.events import publish

_STOCK_STAGE = "allauth.account.stages.EmailVerificationStage"
_MFA_SECRET = "mfa_authenticator.data"  # noqa: S105 a column


class AccountAdapter(PhoneAdapter):
    """Sign-up stores; the first sign-in, which proves the address, announces in its own transaction."""

    def get_login_stages(self) -> list[str]:
        ours = "accounts.stages.EmailVerificationStage"
        return [ours if stage == _STOCK_STAGE else stage for stage in super().get_login_stages()]

    def save_user(self, request: HttpRequest, user: User, form: BaseForm, commit: bool = True) -> User:
        phone = form.cleaned_data.get("phone")
        super().save_user(request, user, form, commit=False)
        user.name = form.cleaned_data.get("name", "")
        user.locale = form.cleaned_data.get("locale") or _supported(get_language())
        if commit:
            try:
                with transaction.atomic():
                    user.save(force_insert=True)
            except IntegrityError as error:  # the same address signed up in parallel
                raise address_taken(request) from error
        if phone:
            self.set_phone(user, phone, False)
        return user

    def login(self, request: HttpRequest, user: User) -> None:
        with transaction.atomic():
            known = User.objects.select_for_update(no_key=True).get(pk=user.pk)
            is_first = known.last_login is None
            if is_first and _came_by_code_alone(request, user):
                # Somebody else may have signed up with this address and a password of theirs.
                user.set_unusable_password()
                user.save(update_fields=["password"])
            super().login(request, user)
            if is_first:
                publish(UserSignedUp(user_id=user.pk))

    def post_login(self, request: HttpRequest, user: User, **details: Any) -> HttpResponse:
        request.session.set_expiry(settings.PAYCORE_SIGNED_IN_FOR_SECONDS)
        if details.get("signup"):  # the code of the sign-up was a proof like any other
            record_authentication(request, user, method="code", email=user.email, phone=user.phone)
        answer: HttpResponse = super().post_login(request, user, **details)
        return answer

    def is_reauthentication_required(self, *, app: str, **_options: Any) -> bool:
        """Stricter than allauth for people without password and second factor: those sign in again by code."""
        request = context.request
        if was_proved_recently(request.session, user_id=request.user.pk):
            return False
        if not get_reauthentication_flows(request.user):
            raise ReauthenticationRequired
        return True

    def set_password(self, user: User, password: str) -> None:
        """A first password gives whoever sets it the account: allauth would take an access token for proof enough."""
        request = context.request
        is_first = request.user.is_authenticated and not user.has_usable_password()
        if is_first and not was_proved_recently(request.session, user_id=user.pk):
            raise ReauthenticationRequired
        super().set_password(user, password)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        if not messages.is_known_mail(template_prefix):
            super().send_mail(template_prefix, email, context)
            return
        user = context.get("user")
        messages.send_mail(
            template_prefix, email=email, code=str(context.get("code", "")), user_id=user.pk if user else ""
        )

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """``context`` (address and browser of who did it) stays here: people's addresses do not travel by mail."""
        address = email or EmailAddress.objects.get_primary_email(user)
        if address:
            messages.send_notice(template_prefix, user=user, email=address)

    def get_client_ip(self, request: HttpRequest) -> str:
        """A short X-Forwarded-For (someone came around the proxy) counts as the address that connected."""
        try:
            address: str = super().get_client_ip(request)
        except ImproperlyConfigured:
            return str(request.META["REMOTE_ADDR"])
        return address

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """allauth's knows no phone numbers: all of them would share one count."""
        if credentials.get("phone") and not credentials.get("email"):
            return f"phone:{credentials['phone']}"
        key: str = super()._get_login_attempts_cache_key(request, **credentials)
        return key


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    """TOTP secrets and recovery seeds are sealed at rest; passkeys belong to the public address."""

    def encrypt(self, text: str) -> str:
        return base64.b64encode(seal(text.encode(), aad=_MFA_SECRET)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(base64.b64decode(encrypted_text), aad=_MFA_SECRET).decode()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Not the Host header's: a passkey is bound to one name for ever."""
        return {"id": urlsplit(settings.PAYCORE_BASE_URL).hostname or "localhost", "name": settings.MFA_TOTP_ISSUER}


def _came_by_code_alone(request: HttpRequest, user: User) -> bool:
    methods = {record["method"] for record in get_authentication_records(request, user)}
    return "code" in methods and "password" not in methods


def _supported(language: str | None) -> str:
    return language if language in User.Locale.values else User.Locale.ENGLISH
