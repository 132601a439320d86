"""The pages between the password and a console: the second step, and for who has none yet, setting one up."""

from typing import Any, ClassVar

from allauth.account.adapter import get_adapter
from allauth.mfa.utils import decrypt, encrypt
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext
from django.views import View
from django.views.decorators.cache import never_cache

from paycore.sites.code_form import ConfirmAuthenticatorForm, SecondStepForm
from paycore.sites.second_factors import (
    NewAuthenticator,
    demo_code,
    enrol_authenticator,
    has_passkey,
    has_second_factor,
    new_authenticator,
    passkey_options,
    unused_recovery_codes,
)
from paycore.sites.second_step import (
    begin_second_step,
    forget_pending_user,
    has_passed_recently,
    pass_second_step,
    pending_user,
)

_SECRET = "paycore_console_new_secret"  # noqa: S105 a session key's name


class PasswordStep(LoginView):
    """The right password leads to the second step; nobody is signed in by it."""

    site_name = ""

    def form_valid(self, form: Any) -> HttpResponseRedirect:
        begin_second_step(self.request, form.get_user())
        address = reverse(f"{self.site_name}:second_step")
        return HttpResponseRedirect(f"{address}?{urlencode({REDIRECT_FIELD_NAME: self.get_success_url()})}")


@method_decorator(never_cache, name="dispatch")
class ConsolePage(View):
    """A page of ``site`` around the second step. ``next`` never leads to another host."""

    site: ClassVar[Any] = None
    http_method_names = ("get", "post")

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        return self.turn_away() or super().dispatch(request, *args, **options)

    def turn_away(self) -> HttpResponse | None:
        """Where who has no business here is sent instead."""
        return None

    def next_address(self) -> str:
        wanted = self.request.POST.get(REDIRECT_FIELD_NAME) or self.request.GET.get(REDIRECT_FIELD_NAME) or ""
        is_ours = url_has_allowed_host_and_scheme(
            wanted, allowed_hosts={self.request.get_host()}, require_https=self.request.is_secure()
        )
        return wanted if wanted and is_ours else reverse(f"{self.site.name}:index")

    def go_to(self, name: str) -> HttpResponseRedirect:
        address = reverse(f"{self.site.name}:{name}")
        return HttpResponseRedirect(f"{address}?{urlencode({REDIRECT_FIELD_NAME: self.next_address()})}")

    def page(self, template: str, *, title: str, **context: Any) -> HttpResponse:
        self.request.current_app = self.site.name  # how Django's admin says whose page it is
        everything = {
            **self.site.each_context(self.request),
            "title": title,
            "next": self.next_address(),
            "app_path": self.request.path,
            **context,
        }
        return TemplateResponse(self.request, template, everything)


class SecondStep(ConsolePage):
    """For a person whose password was right; and for one who is signed in and is asked to prove it anew."""

    def turn_away(self) -> HttpResponse | None:
        person = self._person()
        if person is None:
            return self.go_to("login")
        self.person: AbstractBaseUser = person
        return None if has_second_factor(person) else self.go_to("enrol")

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._ask(SecondStepForm(user=self.person))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = SecondStepForm(request.POST, user=self.person)
        if form.is_valid():
            pass_second_step(request, self.person)
            return HttpResponseRedirect(self.next_address())
        if form.is_locked:
            forget_pending_user(request)
            messages.error(request, str(form.non_field_errors()[0]))
            return self.go_to("login")
        return self._ask(form)

    def _person(self) -> AbstractBaseUser | None:
        waiting = pending_user(self.request)
        if waiting is not None or not self.site.has_permission(self.request):
            return waiting
        return self.request.user if isinstance(self.request.user, AbstractBaseUser) else None

    def _ask(self, form: SecondStepForm) -> HttpResponse:
        return self.page(
            "admin/console_second_step.html",
            title=gettext("Second step"),
            form=form,
            passkey_options=passkey_options(self.person) if has_passkey(self.person) else None,
            demo_code=demo_code(self.person),
            is_signed_in=self.request.user.is_authenticated,
        )


class Enrol(ConsolePage):
    """Sets up an authenticator app: before the first entry, or again by a person who proved themselves just now."""

    def turn_away(self) -> HttpResponse | None:
        waiting = pending_user(self.request)
        # A pending person who has a factor must use it: or the password alone would replace it.
        if waiting is not None and has_second_factor(waiting):
            return self.go_to("second_step")
        if waiting is None and not self._may_replace():
            return self.go_to("second_step")
        self.is_first = waiting is not None
        self.person: Any = waiting or self.request.user
        return None

    def get(self, request: HttpRequest) -> HttpResponse:
        found = new_authenticator(self.person)
        request.session[_SECRET] = encrypt(found.secret)
        return self._show(found, ConfirmAuthenticatorForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        kept = request.session.get(_SECRET)
        if not kept:
            return self.go_to("enrol")
        secret = decrypt(kept)
        form = ConfirmAuthenticatorForm(request.POST)
        if not form.is_valid():
            return self._show(new_authenticator(self.person, secret=secret), form)
        if not enrol_authenticator(self.person, secret=secret, code=form.cleaned_data["code"]):
            form.add_error("code", gettext("This is not the code that the app shows now."))
            return self._show(new_authenticator(self.person, secret=secret), form)
        return self._finish(request)

    def _may_replace(self) -> bool:
        return bool(self.site.has_permission(self.request) and has_passed_recently(self.request))

    def _show(self, found: NewAuthenticator, form: ConfirmAuthenticatorForm) -> HttpResponse:
        title = gettext("Set up the second step")
        return self.page("admin/console_enrol.html", title=title, found=found, form=form, is_first=self.is_first)

    def _finish(self, request: HttpRequest) -> HttpResponse:
        request.session.pop(_SECRET, None)
        pass_second_step(request, self.person)
        get_adapter(request).send_notification_mail("mfa/email/totp_activated", self.person)
        if not self.is_first:
            messages.success(request, gettext("The authenticator app was replaced."))
            return HttpResponseRedirect(reverse(f"{self.site.name}:security"))
        return show_recovery_codes(self, unused_recovery_codes(self.person))


def show_recovery_codes(page: ConsolePage, codes: Any) -> HttpResponse:
    """Once, in this one answer: not in a message, for those travel in cookies and sessions."""
    title = gettext("Your recovery codes")
    response = page.page("admin/console_recovery_codes.html", title=title, codes=codes, codes_as_text="\n".join(codes))
    response["Cache-Control"] = "no-store"
    return response
