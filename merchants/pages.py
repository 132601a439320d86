"""The two ways into the console for a person without a role: apply with a business, or accept an invitation.

Both ask for the account's password, with the console's own limit on attempts; the console then asks for the second
factor before anything is shown.
"""

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.password_validation import validate_password
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from merchants.errors import InvitationNotValid
from merchants.members.services import accept_invitation, find_invitation, join_as_new_person
from merchants.models import Invitation
from merchants.onboarding.services import BusinessDetails, apply
from paycore.countries import country_choices
from paycore.errors import PaycoreError
from paycore.sites.login import ConsoleLoginForm
from paycore.sites.signing_in import ConsolePage


class AccountForm(ConsoleLoginForm):
    """Anybody with an account, whether or not they have a role yet."""

    error_messages: ClassVar[dict[str, Any]] = {
        **ConsoleLoginForm.error_messages,
        "invalid_login": _("The e-mail address or the password is wrong."),
    }

    def is_admitted(self, user: AbstractBaseUser) -> bool:
        return True


def _countries_after_a_blank() -> list[tuple[str, str]]:
    """The first of the alphabet is nobody's country unless they say so."""
    return [("", gettext("Choose")), *country_choices()]


class ApplyForm(AccountForm):
    name = forms.CharField(
        label=_("Name of your business"),
        max_length=120,
        help_text=_("What payers see."),
        widget=UnfoldAdminTextInputWidget,
    )
    country = forms.ChoiceField(label=_("Country"), choices=_countries_after_a_blank, widget=UnfoldAdminSelectWidget)


class NewPersonForm(forms.Form):
    person = forms.CharField(label=_("Your name"), max_length=100, widget=UnfoldAdminTextInputWidget)
    new_password = forms.CharField(
        label=_("Choose a password"),
        max_length=128,
        widget=UnfoldAdminPasswordWidget({"autocomplete": "new-password"}),
        validators=[validate_password],
    )


class ApplyPage(ConsolePage):
    """The applicant owns a draft afterwards and completes it in the console."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(ApplyForm(request))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ApplyForm(request, request.POST)
        if form.is_valid():
            details = BusinessDetails(name=form.cleaned_data["name"], country=form.cleaned_data["country"])
            try:
                apply(applicant=User.objects.get(pk=form.get_user().pk), details=details)
            except PaycoreError as refusal:
                form.add_error(None, str(refusal.title))
            else:
                return HttpResponseRedirect(reverse("merchant:index"))
        return self._show(form)

    def _show(self, form: ApplyForm) -> HttpResponse:
        return self.page(
            "merchants/way_in.html",
            title=gettext("Become a merchant"),
            text=gettext(
                "Use the account you have in the app. After this you sign in to the console, complete your business "
                "and upload your documents; then we review it."
            ),
            form=form,
            fields=[form[name] for name in ("name", "country", "username", "password")],
            button=gettext("Apply"),
        )


class InvitationPage(ConsolePage):
    """``?token=`` from the mail. Looking changes nothing; who has no account yet gets one."""

    def get(self, request: HttpRequest) -> HttpResponse:
        invitation = self._find(request.GET.get("token", ""))
        return self._show(invitation, self._form(invitation)) if invitation else self._gone()

    def post(self, request: HttpRequest) -> HttpResponse:
        token = request.POST.get("token", "")
        invitation = self._find(token)
        if invitation is None:
            return self._gone()
        form = self._form(invitation, request.POST)
        if form.is_valid():
            try:
                self._accept(form, token=token)
            except PaycoreError as refusal:
                form.add_error(None, str(refusal.title))
            else:
                return HttpResponseRedirect(reverse("merchant:index"))
        return self._show(invitation, form)

    def _form(self, invitation: Invitation, data: Any = None) -> Any:
        if not User.objects.filter(email=invitation.email).exists():
            return NewPersonForm(data)
        # The address is the invitation's, whatever was typed.
        return AccountForm(self.request, {**data.dict(), "username": invitation.email} if data is not None else None)

    def _accept(self, form: Any, *, token: str) -> None:
        if isinstance(form, NewPersonForm):
            cleaned = form.cleaned_data
            join_as_new_person(token=token, name=cleaned["person"], password=cleaned["new_password"])
        else:
            accept_invitation(token=token, user=User.objects.get(pk=form.get_user().pk))

    def _find(self, token: str) -> Invitation | None:
        try:
            return find_invitation(token)
        except InvitationNotValid:
            return None

    def _show(self, invitation: Invitation, form: Any) -> HttpResponse:
        is_new = isinstance(form, NewPersonForm)
        names = ("person", "new_password") if is_new else ("password",)
        text = gettext("You are invited as %(address)s to work for %(merchant)s in the role %(role)s.") % {
            "address": invitation.email,
            "merchant": invitation.merchant.name,
            "role": invitation.get_role_display(),
        }
        response = self.page(
            "merchants/way_in.html",
            title=gettext("Join %(merchant)s") % {"merchant": invitation.merchant.name},
            text=text,
            form=form,
            fields=[form[name] for name in names],
            token=self.request.POST.get("token") or self.request.GET.get("token", ""),
            button=gettext("Join"),
        )
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "no-store"
        return response

    def _gone(self) -> HttpResponse:
        response = self.page(
            "merchants/way_in.html", title=gettext("Invitation"), text=str(InvitationNotValid.title), form=None
        )
        response.status_code = 404
        return response
