"""A person's own security page in a console: what they sign in with, and where they are signed in."""

from collections.abc import Callable
from typing import ClassVar

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext

from paycore.sites.second_factors import (
    enrol_passkey,
    factors_of,
    new_passkey_options,
    remove_factor,
    renew_recovery_codes,
    unused_recovery_codes,
)
from paycore.sites.second_step import has_passed_recently
from paycore.sites.signing_in import ConsolePage, show_recovery_codes

_MOST_NAME_LETTERS = 60


class Security(ConsolePage):
    """Shows everything; each change of a factor wants a proof not older than five minutes."""

    def get(self, request: HttpRequest) -> HttpResponse:
        person = self._person()
        is_recent = has_passed_recently(request)
        return self.page(
            "admin/console_security.html",
            title=gettext("Security"),
            factors=factors_of(person),
            codes_left=len(unused_recovery_codes(person)),
            sessions=sorted(UserSession.objects.purge_and_list(person), key=lambda row: row.last_seen_at, reverse=True),
            this_session=request.session.session_key,
            is_recent=is_recent,
            passkey_options=new_passkey_options(person) if is_recent else None,
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        deed = request.POST.get("deed", "")
        if deed in self._SESSION_DEEDS:
            self._SESSION_DEEDS[deed](self)
            return self._again()
        if deed not in self._FACTOR_DEEDS:
            return self._again()
        if not has_passed_recently(request):
            messages.info(request, gettext("Prove that it is you, then repeat the change."))
            return self.go_to("second_step")
        return self._FACTOR_DEEDS[deed](self)

    def next_address(self) -> str:
        return reverse(f"{self.site.name}:security")

    def _person(self) -> AbstractBaseUser:
        if not isinstance(self.request.user, AbstractBaseUser):  # the site let a person in before this page was asked
            raise TypeError
        return self.request.user

    def _again(self) -> HttpResponse:
        return HttpResponseRedirect(self.next_address())

    def _end_session(self) -> None:
        mine = UserSession.objects.filter(user_id=self._person().pk).exclude(
            session_key=self.request.session.session_key
        )
        number = self.request.POST.get("session", "")
        found = mine.filter(pk=number).first() if number.isdecimal() and len(number) < 19 else None
        if found is not None:
            found.end()
            messages.success(self.request, gettext("The session was ended."))

    def _end_other_sessions(self) -> None:
        for other in UserSession.objects.filter(user_id=self._person().pk).exclude(
            session_key=self.request.session.session_key
        ):
            other.end()
        messages.success(self.request, gettext("You are signed out everywhere else."))

    def _replace_authenticator(self) -> HttpResponse:
        return HttpResponseRedirect(reverse(f"{self.site.name}:enrol"))

    def _add_passkey(self) -> HttpResponse:
        name = self.request.POST.get("name", "").strip()[:_MOST_NAME_LETTERS] or gettext("Passkey")
        if enrol_passkey(self._person(), name=name, credential=self.request.POST.get("credential", "")):
            self._mail("mfa/email/webauthn_added")
            messages.success(self.request, gettext("The passkey was added."))
        else:
            messages.error(self.request, gettext("The passkey was not added."))
        return self._again()

    def _remove(self) -> HttpResponse:
        number = self.request.POST.get("authenticator", "")
        is_removed = (
            number.isdecimal() and len(number) < 19 and remove_factor(self._person(), authenticator_id=int(number))
        )
        if is_removed:
            self._mail("mfa/email/totp_deactivated")
            messages.success(self.request, gettext("It was removed."))
        else:
            messages.error(self.request, gettext("The last way to prove the second step cannot be removed."))
        return self._again()

    def _renew_codes(self) -> HttpResponse:
        codes = renew_recovery_codes(self._person())
        self._mail("mfa/email/recovery_codes_generated")
        return show_recovery_codes(self, codes)

    def _mail(self, template: str) -> None:
        get_adapter(self.request).send_notification_mail(template, self._person())

    _SESSION_DEEDS: ClassVar[dict[str, Callable[["Security"], None]]] = {
        "end_session": _end_session,
        "end_other_sessions": _end_other_sessions,
    }
    _FACTOR_DEEDS: ClassVar[dict[str, Callable[["Security"], HttpResponse]]] = {
        "replace_authenticator": _replace_authenticator,
        "add_passkey": _add_passkey,
        "remove": _remove,
        "renew_codes": _renew_codes,
    }
